// Plain decoding of single frames, as somebody on the wire could try it: WebCodecs, no LiveKit code.

import { type Picture, read } from "./picture.ts";
import { TONE_AMPLITUDE } from "./publish.ts";

/** Frames cross from the test as base64. */
type Encoded = string;

const VP8_KEY_FRAME_MASK = 1;
const FRAME_MICROSECONDS = 20_000;
const RATE = 48_000;

/** What one frame shows when everything before it was decoded well: a picture, or `null` for an error or for anything
 * that is not a test picture. `before` begins with a key frame. */
export async function decodeVp8(before: Encoded[], frame: Encoded): Promise<Picture | null> {
  let last: Picture | null = null;
  let count = 0;
  let failed = false;
  const decoder = new VideoDecoder({
    output: (picture) => {
      count += 1;
      // Reading pixels is the slow part, and only the last picture matters.
      if (count === before.length + 1) last = read(picture);
      picture.close();
    },
    error: () => (failed = true),
  });
  decoder.configure({ codec: "vp8" });
  try {
    for (const [index, each] of [...before, frame].entries()) {
      const data = bytes(each);
      // RFC 6386, 9.1: the lowest bit of a frame is 0 in key frames. LiveKit leaves it in the clear.
      const type = ((data[0] ?? 0) & VP8_KEY_FRAME_MASK) === 0 ? "key" : "delta";
      decoder.decode(new EncodedVideoChunk({ type, timestamp: index * FRAME_MICROSECONDS, data }));
    }
    await decoder.flush();
  } catch {
    failed = true;
  }
  if (decoder.state !== "closed") decoder.close();
  return failed ? null : last;
}

/** Whether the last frame sounds like the tone that was published; false for an error, silence and any other sound. */
export async function decodeOpus(before: Encoded[], frame: Encoded, hertz: number): Promise<boolean> {
  const blocks: Float32Array[] = [];
  let failed = false;
  const decoder = new AudioDecoder({
    output: (block) => {
      const samples = new Float32Array(block.numberOfFrames);
      block.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      blocks.push(samples);
      block.close();
    },
    error: () => (failed = true),
  });
  decoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: 1 });
  try {
    for (const [index, each] of [...before, frame].entries()) {
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: index * FRAME_MICROSECONDS, data: bytes(each) }));
    }
    await decoder.flush();
  } catch {
    failed = true;
  }
  if (decoder.state !== "closed") decoder.close();
  const last = blocks.at(-1);
  return !failed && blocks.length === before.length + 1 && last !== undefined && isTone(last, hertz);
}

/** Amplitude of the tone in a block of samples, and how much of the block's energy it holds (0 to 1). */
export function toneIn(samples: Float32Array, hertz: number): { amplitude: number; share: number } {
  // Least squares on sine and cosine: exact for any length, unlike a Fourier bin.
  let [cc, ss, cs, xc, xs, xx] = [0, 0, 0, 0, 0, 0];
  samples.forEach((value, index) => {
    const angle = (2 * Math.PI * hertz * index) / RATE;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    cc += c * c;
    ss += s * s;
    cs += c * s;
    xc += value * c;
    xs += value * s;
    xx += value * value;
  });
  const determinant = cc * ss - cs * cs;
  const a = (xc * ss - xs * cs) / determinant;
  const b = (xs * cc - xc * cs) / determinant;
  return { amplitude: Math.hypot(a, b), share: xx === 0 ? 0 : (a * xc + b * xs) / xx };
}

function isTone(samples: Float32Array, hertz: number): boolean {
  const { amplitude, share } = toneIn(samples, hertz);
  return share > 0.95 && amplitude > TONE_AMPLITUDE / 2 && amplitude < TONE_AMPLITUDE * 2;
}

function bytes(text: Encoded): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
