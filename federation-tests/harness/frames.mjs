// From forwarded RTP packets, as the debug tap writes them, to media frames; and LiveKit's frame encryption undone with
// Web Crypto alone. Nothing here uses LiveKit's code: it is the view of somebody on the wire who also knows the key.
import { webcrypto } from "node:crypto";

/** Bytes that frame encryption leaves in the clear: VP8 key frame, VP8 delta frame, Opus. */
const CLEAR_BYTES = { key: 10, delta: 3, opus: 1 };
/**
 * Of a hundred sealed sounds so many may pass for the published tone when they are decoded as they are. A sealed frame is noise to a
 * decoder, and one frame of 20 ms goes on from the one before it: of 1,000 at most one comes out as the tone that was there already
 * (counted in 120,000 frames of random bytes behind frames of Chromium's, at five rates: 6 in 10,000 for SILK, at most 2 for CELT).
 * More than this then comes once in 10^9 judgements. A frame in the clear is found whatever it sounds like: it does not open.
 */
export const SOUNDS_BY_CHANCE_MAX = 5;
/** What LiveKit clients feed PBKDF2 when the key is a passphrase. */
const DERIVATION = { salt: "LKFrameEncryptionKey", iterations: 100_000, hash: "SHA-256" };

/** Where the VP8 payload begins behind its descriptor, and whether a frame begins there (RFC 7741, section 4.2). */
export function vp8Descriptor(payload) {
  const first = payload[0];
  let length = 1;
  if (first & 0x80) {
    const extensions = payload[length++];
    if (extensions & 0x80) length += payload[length] & 0x80 ? 2 : 1;
    if (extensions & 0x40) length += 1;
    if (extensions & 0x30) length += 1;
  }
  return { length, begins: (first & 0x10) !== 0 && (first & 0x07) === 0 };
}

/** Whole VP8 frames, in order. Packets may come in any order and repeatedly; incomplete frames are left out. */
export function vp8Frames(packets) {
  const frames = [];
  let current = null;
  let previous;
  for (const { sequence, timestamp, marker, payload } of inOrder(packets)) {
    const bytes = Buffer.from(payload, "base64");
    const { length, begins } = vp8Descriptor(bytes);
    const follows = previous !== undefined && sequence === ((previous + 1) & 0xffff);
    previous = sequence;
    if (begins) current = { timestamp, parts: [] };
    else if (!follows || current?.timestamp !== timestamp) current = null;
    current?.parts.push(bytes.subarray(length));
    if (marker && current) {
      frames.push(Buffer.concat(current.parts));
      current = null;
    }
  }
  return frames;
}

/** Opus frames, in order: each packet is one. */
export function opusFrames(packets) {
  return inOrder(packets).map((each) => Buffer.from(each.payload, "base64"));
}

/** By sequence number, which wraps; each once. */
function inOrder(packets) {
  if (packets.length === 0) return [];
  const start = packets[0].sequence;
  const distance = (each) => ((each.sequence - start + 0x8000) & 0xffff) - 0x8000;
  const unique = new Map(packets.map((each) => [each.sequence, each]));
  return [...unique.values()].toSorted((a, b) => distance(a) - distance(b));
}

/** RFC 6386, section 9.1. */
export function isKeyFrame(vp8Frame) {
  return (vp8Frame[0] & 1) === 0;
}

/** The frame key that LiveKit clients make from a passphrase. */
export async function frameKey(passphrase) {
  const text = new TextEncoder();
  const material = await webcrypto.subtle.importKey("raw", text.encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", ...DERIVATION, salt: text.encode(DERIVATION.salt) };
  return webcrypto.subtle.deriveKey(derivation, material, { name: "AES-GCM", length: 128 }, false, ["decrypt"]);
}

/**
 * Opens a sealed frame: clear bytes, AES-GCM (which also vouches for the clear bytes), IV, IV length, key index.
 * Rejects when the key does not fit or a single byte is different.
 */
export async function open(key, frame, codec) {
  const clear = codec === "opus" ? CLEAR_BYTES.opus : CLEAR_BYTES[isKeyFrame(frame) ? "key" : "delta"];
  const ivLength = frame.at(-2);
  const end = frame.length - 2 - ivLength;
  if (ivLength !== 12 || end < clear) throw new Error("this is no sealed frame");
  const head = frame.subarray(0, clear);
  const parameters = { name: "AES-GCM", iv: frame.subarray(end, end + ivLength), additionalData: head };
  const body = await webcrypto.subtle.decrypt(parameters, key, frame.subarray(clear, end));
  return Buffer.concat([head, Buffer.from(body)]);
}
