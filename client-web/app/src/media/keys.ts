// Keys for frames, by whose they are. Salt, ratchet and ring as Element Call has them, or nobody understands anybody.

import { BaseKeyProvider } from "livekit-client";

const RATCHET_WINDOW = 10;
const RING_SIZE = 256;

export class FrameKeys extends BaseKeyProvider {
  constructor() {
    super({ ratchetWindowSize: RATCHET_WINDOW, keyringSize: RING_SIZE });
  }

  /** The key with which somebody seals what they publish, and its place among their keys. */
  async take(key: Uint8Array<ArrayBuffer>, index: number, identity: string): Promise<void> {
    const material = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits", "deriveKey"]);
    this.onSetEncryptionKey(material, identity, index);
  }
}
