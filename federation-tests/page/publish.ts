// Media to publish: test pictures and pure tones, in place of camera, screen and microphone.

import { draw } from "./picture.ts";

export interface PictureSource {
  mark: number;
  width: number;
  height: number;
  fps: number;
  /** Grain that is another one in every frame, so that the picture costs what its encoding allows. Without, it is flat. */
  grain?: boolean;
}

/** How strong grain is, and the side of the square that it is repeated from. */
const [GRAIN_ALPHA, GRAIN_SIDE] = [0.2, 256];

/** A video track that shows the test picture; its counter rises by one a frame. */
export function pictureTrack({ mark, width, height, fps, grain = false }: PictureSource): MediaStreamTrack {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("no canvas");
  let counter = 0;
  const sprinkle = grain ? grainOn(context) : () => {};
  const paint = () => {
    draw(context, { mark, counter: counter++ });
    sprinkle();
  };
  paint();
  const [track] = canvas.captureStream(fps).getVideoTracks();
  if (!track) throw new Error("the canvas gives no video");
  const timer = setInterval(() => (track.readyState === "ended" ? clearInterval(timer) : paint()), 1000 / fps);
  return track;
}

/** Puts grain over a picture, each time from another place of the same square. */
function grainOn(context: CanvasRenderingContext2D): () => void {
  const square = new ImageData(GRAIN_SIDE, GRAIN_SIDE);
  for (let at = 0; at < square.data.length; at += 4) square.data.fill(Math.random() * 256, at, at + 3).fill(255, at + 3, at + 4);
  const tile = new OffscreenCanvas(GRAIN_SIDE, GRAIN_SIDE);
  tile.getContext("2d")?.putImageData(square, 0, 0);
  const pattern = context.createPattern(tile, "repeat");
  if (!pattern) throw new Error("no pattern");
  return () => {
    pattern.setTransform(new DOMMatrix([1, 0, 0, 1, Math.random() * GRAIN_SIDE, Math.random() * GRAIN_SIDE]));
    context.save();
    context.globalAlpha = GRAIN_ALPHA;
    context.fillStyle = pattern;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    context.restore();
  };
}

let context: AudioContext | undefined;

/** The page's one audio context. */
export function audio(): AudioContext {
  context ??= new AudioContext({ sampleRate: 48_000 });
  return context;
}

/** Ends every tone: an oscillator sounds on when its track has ended. */
export async function closeAudio(): Promise<void> {
  await context?.close();
  context = undefined;
}

/** Loudness of a published tone: amplitude, 1 is full scale. */
export const TONE_AMPLITUDE = 0.25;

/** How loud each published tone is. */
const loudness = new WeakMap<MediaStreamTrack, GainNode>();

/** An audio track with a sine tone; with a second one it is stereo, the first tone left and the second right. */
export function toneTrack(hertz: number, right?: number): MediaStreamTrack {
  const tones = right === undefined ? [hertz] : [hertz, right];
  const sides = new ChannelMergerNode(audio(), { numberOfInputs: tones.length });
  tones.forEach((frequency, side) => {
    const oscillator = new OscillatorNode(audio(), { frequency });
    oscillator.connect(sides, 0, side);
    oscillator.start();
  });
  const gain = new GainNode(audio(), { gain: TONE_AMPLITUDE });
  const destination = new MediaStreamAudioDestinationNode(audio(), { channelCount: tones.length });
  sides.connect(gain).connect(destination);
  const [track] = destination.stream.getAudioTracks();
  if (!track) throw new Error("the tone gives no audio");
  loudness.set(track, gain);
  return track;
}

/** Makes a tone silent without telling anybody, like a person who says nothing; or heard again. */
export function hush(track: MediaStreamTrack, isSilent: boolean): void {
  const gain = loudness.get(track);
  if (!gain) throw new Error("the track is no tone");
  gain.gain.value = isSilent ? 0 : TONE_AMPLITUDE;
}
