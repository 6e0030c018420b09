// livekit-client's worker for sealing frames, as it is, in Node: it needs of a browser only web crypto, streams and the two ends of a
// worker's port.
import { EventEmitter, once } from "node:events";
import { webcrypto } from "node:crypto";

/** What Element Call sets (`src/e2ee/matrixKeyProvider.ts`). */
const KEY_PROVIDER = {
  sharedKey: false,
  ratchetWindowSize: 10,
  keyringSize: 256,
  ratchetSalt: "LKFrameEncryptionKey",
  failureTolerance: 10,
  keySize: 128,
};
const PERSON = "somebody";

const said = new EventEmitter();
globalThis.self ??= globalThis;
// The worker assigns it: a module cannot assign what is not there.
Object.assign(globalThis, { onmessage: null });
globalThis.postMessage = (message) => said.emit(`said-${message.kind}`, message.data);
await import("livekit-client/e2ee-worker");

async function tell(kind, data, answer) {
  const answered = answer && once(said, `said-${answer}`);
  globalThis.onmessage({ data: { kind, data } });
  await answered;
}

/** Gives the worker a key of whoever seals: bytes under an index, as Element Call does. */
export async function holdKey({ key, index }) {
  await tell("init", { keyProviderOptions: KEY_PROVIDER, loglevel: 5 }, "initAck");
  await tell("enable", { enabled: true, participantIdentity: PERSON }, "enable");
  const material = await webcrypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits", "deriveKey"]);
  await tell("setKey", { participantIdentity: PERSON, key: material, keyIndex: index, updateCurrentKeyIndex: true });
}

/**
 * Sends frames through the worker, in order: `{ kind: "vp8" | "opus", data }` in, bytes out; `null` for a frame that did not come out.
 *
 * @param {"encode" | "decode"} operation
 */
export async function throughWorker(operation, frames) {
  const out = [];
  for (const [number, frame] of frames.entries()) out.push(await one(operation, `${operation}-${number}`, frame));
  return out;
}

async function one(operation, trackId, { kind, data }) {
  const input = new TransformStream();
  const output = new TransformStream();
  const streams = { readableStream: input.readable, writableStream: output.writable };
  await tell(operation, { participantIdentity: PERSON, trackId, codec: kind === "vp8" ? "vp8" : undefined, ...streams });
  const writer = input.writable.getWriter();
  const reader = output.readable.getReader();
  const written = writer.write(encoded(kind, data)).then(() => writer.close());
  const { value } = await reader.read();
  await written;
  return value ? Buffer.from(value.data) : null;
}

/** A frame as a browser hands it to a worker (WebRTC Encoded Transform, `RTCEncodedVideoFrame`, `RTCEncodedAudioFrame`). */
function encoded(kind, data) {
  const metadata = { synchronizationSource: 0x1234_5678, payloadType: kind === "vp8" ? 96 : 111 };
  const frame = { data: new Uint8Array(data).buffer, timestamp: 90_000, getMetadata: () => metadata };
  return kind === "vp8" ? { ...frame, type: (data[0] & 1) === 0 ? "key" : "delta" } : frame;
}
