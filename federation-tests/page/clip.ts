// The test picture and the test tone as encoded frames, for a participant that has no encoder (record-clip.mjs).

import { draw } from "./picture.ts";
import { TONE_AMPLITUDE } from "./publish.ts";

const RATE = 48_000;
const MICROSECONDS = 1_000_000;

export interface Wish {
  mark: number;
  hertz: number;
  width: number;
  height: number;
  fps: number;
  seconds: number;
  videoBitrate: number;
  audioBitrate: number;
}

type Encoded = { key: boolean; data: number[] };

export interface Clip {
  pictures: Encoded[];
  sounds: Encoded[];
}

/** Encodes `seconds` of both. Every second begins with a key frame; each frame's counter is its number. */
export async function recordClip(wish: Wish): Promise<Clip> {
  return { pictures: await pictures(wish), sounds: await sounds(wish) };
}

async function pictures({ mark, width, height, fps, seconds, videoBitrate: bitrate }: Wish): Promise<Encoded[]> {
  const out: Encoded[] = [];
  const encoder = new VideoEncoder({ output: (chunk) => out.push(encoded(chunk)), error: fail });
  encoder.configure({ codec: "vp8", width, height, bitrate, framerate: fps, latencyMode: "realtime" });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  for (let counter = 0; counter < fps * seconds; counter++) {
    draw(context, { mark, counter });
    const frame = new VideoFrame(canvas, { timestamp: (counter * MICROSECONDS) / fps });
    encoder.encode(frame, { keyFrame: counter % fps === 0 });
    frame.close();
  }
  await encoder.flush();
  return out;
}

async function sounds({ hertz, seconds, audioBitrate: bitrate }: Wish): Promise<Encoded[]> {
  const out: Encoded[] = [];
  const encoder = new AudioEncoder({ output: (chunk) => out.push(encoded(chunk)), error: fail });
  encoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: 1, bitrate });
  const data = Float32Array.from({ length: RATE * seconds }, (_, at) => TONE_AMPLITUDE * Math.sin((2 * Math.PI * hertz * at) / RATE));
  const block = { format: "f32", sampleRate: RATE, numberOfFrames: data.length, numberOfChannels: 1, timestamp: 0, data } as const;
  encoder.encode(new AudioData(block));
  await encoder.flush();
  return out.slice(0, 50 * seconds);
}

function encoded(chunk: EncodedVideoChunk | EncodedAudioChunk): Encoded {
  const data = new Uint8Array(chunk.byteLength);
  chunk.copyTo(data);
  return { key: chunk.type === "key", data: [...data] };
}

function fail(error: Error): void {
  throw error;
}

Object.assign(globalThis, { recordClip });
