// How keys of media go between devices: only sealed, only from the device that they claim, and with patience for devices of which
// one's homeserver has not heard yet.

import { ClientEvent, type MatrixClient, MatrixEvent } from "matrix-js-sdk";
import type { CryptoApi } from "matrix-js-sdk/lib/crypto-api/index";
import { isTrustworthy, type Received } from "../state/trust.ts";

/** How often, and how many milliseconds apart, one looks for a device that is not known yet. */
const LOOKS_MAX = 60;
const LOOK_MS = 500;

type Device = { userId: string; deviceId: string };
type Listener = (event: MatrixEvent) => void;

/**
 * The client as a session of a call sees it. A key that is not sent leaves somebody without picture and sound, so sending goes on
 * for a while where the SDK would give up; and a key that came in the clear, or from another device than it says, is none.
 */
export function carefulClient(client: MatrixClient): MatrixClient {
  const listeners = new Map<Listener, (received: Received) => void>();
  const overrides = {
    async encryptAndSendToDevice(type: string, devices: Device[], payload: object): Promise<void> {
      const crypto = client.getCrypto();
      if (!crypto) throw new Error("nothing is sent to devices in the clear");
      // Those who are there already do not wait for those who are not.
      await Promise.all(devices.map((device) => attempt(client, crypto, device, type, payload, LOOKS_MAX)));
    },
    on(event: ClientEvent, listener: Listener): MatrixClient {
      if (event !== ClientEvent.ToDeviceEvent) return client.on(event as ClientEvent.Room, listener as never);
      const careful = (received: Received): void => {
        if (isTrustworthy(received)) listener(new MatrixEvent(received.message as never));
      };
      listeners.set(listener, careful);
      return client.on(ClientEvent.ReceivedToDeviceMessage, careful as never);
    },
    off(event: ClientEvent, listener: Listener): MatrixClient {
      const careful = listeners.get(listener);
      if (event !== ClientEvent.ToDeviceEvent || !careful) return client.off(event as ClientEvent.Room, listener as never);
      listeners.delete(listener);
      return client.off(ClientEvent.ReceivedToDeviceMessage, careful as never);
    },
  };
  return new Proxy(client, {
    get(target, name) {
      if (Object.hasOwn(overrides, name)) return overrides[name as keyof typeof overrides];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Sends it to a device now or, in the background, once that is known. */
async function attempt(
  client: MatrixClient,
  crypto: CryptoApi,
  device: Device,
  type: string,
  payload: object,
  looks: number,
): Promise<void> {
  const message = await crypto.encryptToDeviceMessages(type, [device], payload as never);
  if (message.batch.length > 0) return client.queueToDevice(message);
  if (looks === 0) return;
  setTimeout(() => void attempt(client, crypto, device, type, payload, looks - 1).catch(() => {}), LOOK_MS);
}
