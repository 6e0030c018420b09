// Whether what an SFU forwards is sealed, judged on the packets that its debug tap has written: with the sender's media key
// every frame opens and shows what was published; without it, no picture does, and no sound but by chance. The same judgement as `tests/sealed.test.mjs`, with
// the keys of a Matrix call, which are bytes and not a passphrase.
import { webcrypto } from "node:crypto";
import { isKeyFrame, open, opusFrames, SOUNDS_BY_CHANCE_MAX, vp8Frames } from "../harness/frames.mjs";

/** How many frames of each codec are judged. */
export const FRAMES = 100;
/** Opus frames before a judged one that a decoder needs to be settled. */
const WARM_UP = 5;
/** Sequence numbers further apart are of different layers. */
const GAP_MAX = 1000;

/** Whole frames from tapped packets, in the order in which they were forwarded: `{ video, audio }`. */
export function framesOf(packets) {
  const of = (codec) => packets.filter((each) => each.codec === codec);
  return { video: layers(of("vp8")).flatMap(vp8Frames), audio: opusFrames(of("opus")) };
}

/** Each layer of a simulcast counts its packets by itself: a jump begins another one. */
function layers(packets) {
  const parts = [];
  let previous;
  for (const packet of packets) {
    const distance = ((packet.sequence - previous + 0x8000) & 0xffff) - 0x8000;
    if (previous === undefined || Math.abs(distance) > GAP_MAX) parts.push([]);
    parts.at(-1).push(packet);
    previous = packet.sequence;
  }
  return parts;
}

/** Media keys by their index, from what a person's device received: `[{ index, key }]`, the key in base64. */
export async function frameKeys(received) {
  const text = new TextEncoder();
  const derived = await Promise.all(
    received.map(async ({ index, key }) => {
      const material = await webcrypto.subtle.importKey("raw", Buffer.from(key, "base64"), "HKDF", false, ["deriveKey"]);
      // livekit-client, `deriveKeys`: HKDF with this salt and 128 zero bytes.
      const derivation = { name: "HKDF", hash: "SHA-256", salt: text.encode("LKFrameEncryptionKey"), info: new Uint8Array(128) };
      const algorithm = { name: "AES-GCM", length: 128 };
      return [index, await webcrypto.subtle.deriveKey(derivation, material, algorithm, false, ["decrypt"])];
    }),
  );
  return new Map(derived);
}

/**
 * Judges one direction: `null` when it is sealed, else a sentence. `keys` are the sender's; `signs` what the sender publishes;
 * `decoder` is a page with `decodeVp8` and `decodeOpus`.
 */
export async function brokenSeal({ video, audio }, keys, signs, decoder) {
  if (video.length < FRAMES || audio.length < FRAMES) return `only ${video.length} pictures and ${audio.length} sounds were forwarded`;
  return (await openPictures(video.slice(0, FRAMES), keys, signs, decoder)) ?? openSounds(audio.slice(0, FRAMES), keys, signs, decoder);
}

async function openPictures(frames, keys, { mark }, decoder) {
  if (!isKeyFrame(frames[0])) return "the first forwarded picture is no key frame";
  const clear = await Promise.all(frames.map((each) => openFrame(each, keys, "vp8")));
  if (clear.includes(null)) return `picture ${clear.indexOf(null)} does not open with the sender's key`;
  for (const [index, frame] of frames.entries()) {
    // Somebody who has everything up to the frame before and lacks only the key for this one.
    const start = clear.slice(0, index + 1).findLastIndex(isKeyFrame);
    const past = base64(clear.slice(start, index));
    const truth = await decoder.decodeVp8(past, clear[index].toString("base64"));
    if (truth?.mark !== mark) return `picture ${index} shows ${JSON.stringify(truth)} when opened`;
    const plain = await decoder.decodeVp8(past, frame.toString("base64"));
    if (plain?.mark === mark && plain.counter === truth.counter) return `picture ${index} shows itself without a key`;
  }
  return null;
}

async function openSounds(frames, keys, { hertz }, decoder) {
  const clear = await Promise.all(frames.map((each) => openFrame(each, keys, "opus")));
  if (clear.includes(null)) return `sound ${clear.indexOf(null)} does not open with the sender's key`;
  let heard = 0;
  for (let index = WARM_UP; index < frames.length; index++) {
    const past = base64(clear.slice(index - WARM_UP, index));
    if (!(await decoder.decodeOpus(past, clear[index].toString("base64"), hertz))) return `sound ${index} is another when opened`;
    if (await decoder.decodeOpus(past, frames[index].toString("base64"), hertz)) heard += 1;
  }
  return heard > SOUNDS_BY_CHANCE_MAX ? `${heard} of ${frames.length - WARM_UP} sounds are heard without a key` : null;
}

/** The frame opened with the key that it names, or `null`. */
function openFrame(frame, keys, codec) {
  const key = keys.get(frame.at(-1));
  return key ? open(key, frame, codec).catch(() => null) : null;
}

function base64(frames) {
  return frames.map((each) => each.toString("base64"));
}
