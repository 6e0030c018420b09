// Whose devices are whose: what the crypto knows of each device in a call, asked again when something changes.

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { MatrixClient } from "matrix-js-sdk";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/CryptoEvent";
import type { Trust } from "../state/ports.ts";

interface Device {
  userId: string;
  deviceId: string;
}

export class DeviceTrust {
  private readonly known = signal<ReadonlyMap<string, Trust>>(new Map());
  private readonly stopFollowing: () => void;
  readonly of = computed(() => {
    const known = this.known.value;
    return ({ userId, deviceId }: Device): Trust | null => known.get(nameOf(userId, deviceId)) ?? null;
  });

  constructor(
    private readonly client: MatrixClient,
    private readonly devices: ReadonlySignal<Device[]>,
  ) {
    client.on(CryptoEvent.UserTrustStatusChanged, this.look);
    client.on(CryptoEvent.DevicesUpdated, this.look);
    this.stopFollowing = effect(() => {
      void this.devices.value;
      this.look();
    });
  }

  /** Asks again, for something is known that nothing tells. */
  again(): void {
    this.look();
  }

  stop(): void {
    this.stopFollowing();
    this.client.off(CryptoEvent.UserTrustStatusChanged, this.look);
    this.client.off(CryptoEvent.DevicesUpdated, this.look);
  }

  private readonly look = (): void => void this.ask(this.devices.peek());

  private async ask(devices: Device[]): Promise<void> {
    const crypto = this.client.getCrypto();
    if (!crypto) return;
    const entries = await Promise.all(
      devices.map(async ({ userId, deviceId }): Promise<[string, Trust] | null> => {
        const status = await crypto.getDeviceVerificationStatus(userId, deviceId).catch(() => null);
        if (!status) return null;
        const trust = status.crossSigningVerified || status.localVerified ? "verified" : status.signedByOwner ? "signed" : "unsigned";
        return [nameOf(userId, deviceId), trust];
      }),
    );
    this.known.value = new Map(entries.filter((entry) => entry !== null));
  }
}

function nameOf(userId: string, deviceId: string): string {
  return `${userId} ${deviceId}`;
}
