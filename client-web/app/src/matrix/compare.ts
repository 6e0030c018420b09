// Comparing emoji between two devices in a call, by the crypto's own verification. Only devices in the call are answered.

import { signal } from "@preact/signals";
import type { MatrixClient } from "matrix-js-sdk";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/CryptoEvent";
import {
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from "matrix-js-sdk/lib/crypto-api/verification";
import { type ComparePort, type Comparison, emojiOf, type Step } from "../state/compare.ts";

const METHOD = "m.sas.v1";

/** What a client says whose user has seen something else. */
const MISMATCHES: ReadonlySet<string> = new Set(["m.mismatched_sas", "m.key_mismatch"]);

interface Going {
  request: VerificationRequest;
  deviceId: string;
  verifier: Verifier | null;
  sas: ShowSasCallbacks | null;
  /** Whether we have said that they are the same, or are not. */
  said: boolean | null;
}

export class DeviceComparison implements ComparePort {
  readonly now = signal<Comparison | null>(null);
  private going: Going | null = null;

  /** `isInCall`: of a user's device. `onDone` is called once one has been verified. */
  constructor(
    private readonly client: MatrixClient,
    private readonly isInCall: (userId: string, deviceId: string) => boolean,
    private readonly onDone: () => void,
  ) {
    client.on(CryptoEvent.VerificationRequestReceived, this.take);
  }

  async ask(userId: string, deviceId: string): Promise<void> {
    const crypto = this.client.getCrypto();
    if (!crypto || this.going?.request.pending) return;
    this.now.value = { userId, deviceId, step: { at: "asked" } };
    try {
      this.follow(await crypto.requestDeviceVerification(userId, deviceId), deviceId);
    } catch {
      this.now.value = { userId, deviceId, step: { at: "ended" } };
    }
  }

  async accept(): Promise<void> {
    await this.going?.request.accept().catch(() => this.look());
  }

  async judge(isSame: boolean): Promise<void> {
    const { going } = this;
    if (!going?.sas || going.said !== null) return;
    going.said = isSame;
    if (isSame) await going.sas.confirm().catch(() => {});
    else going.sas.mismatch();
    this.look();
  }

  async end(): Promise<void> {
    const { going } = this;
    this.going = null;
    this.now.value = null;
    if (!going) return;
    going.request.off(VerificationRequestEvent.Change, this.look);
    if (going.request.pending) await going.request.cancel().catch(() => {});
  }

  stop(): void {
    this.client.off(CryptoEvent.VerificationRequestReceived, this.take);
    void this.end();
  }

  private readonly take = (request: VerificationRequest): void => {
    const { otherUserId, otherDeviceId } = request;
    // Whoever is not in the call has other ways, and one is compared at a time.
    if (this.going?.request.pending || otherDeviceId === undefined || !this.isInCall(otherUserId, otherDeviceId)) return;
    this.follow(request, otherDeviceId);
  };

  private follow(request: VerificationRequest, deviceId: string): void {
    this.going = { request, deviceId, verifier: null, sas: null, said: null };
    request.on(VerificationRequestEvent.Change, this.look);
    this.look();
  }

  private readonly look = (): void => {
    const { going } = this;
    if (!going) return;
    const { request } = going;
    // Whoever asked begins.
    if (request.phase === VerificationPhase.Ready && request.initiatedByMe && !going.verifier) {
      void request.startVerification(METHOD).then((verifier) => this.run(going, verifier), this.look);
    }
    if (request.verifier && request.chosenMethod === METHOD) this.run(going, request.verifier);
    const step = stepOf(going);
    const isNew = this.now.value?.step.at !== step.at;
    this.now.value = { userId: request.otherUserId, deviceId: going.deviceId, step };
    if (isNew && step.at === "same") this.onDone();
  };

  private run(going: Going, verifier: Verifier): void {
    if (going.verifier === verifier) return;
    going.verifier = verifier;
    going.sas = verifier.getShowSasCallbacks();
    verifier.on(VerifierEvent.ShowSas, (sas) => {
      going.sas = sas;
      this.look();
    });
    void verifier.verify().then(this.look, this.look);
  }
}

function stepOf({ request, sas, said }: Going): Step {
  if (request.phase === VerificationPhase.Done) return { at: "same" };
  if (request.phase === VerificationPhase.Cancelled) {
    return { at: said === false || MISMATCHES.has(request.cancellationCode ?? "") ? "different" : "ended" };
  }
  if (request.phase === VerificationPhase.Requested) return { at: request.initiatedByMe ? "asked" : "wanted" };
  const emoji = sas?.sas.emoji;
  if (said !== null || !emoji) return { at: said === null ? "exchanging" : "said" };
  return { at: "emoji", emoji: emoji.map(([sign, name]) => emojiOf(sign, name)) };
}
