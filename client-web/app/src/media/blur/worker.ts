// Each picture of a camera, with everything blurred that is not a person: apart from the page's thread, and without asking anybody.

import { ImageSegmenter } from "@mediapipe/tasks-vision";
import loader from "@mediapipe/tasks-vision/vision_wasm_module_internal.js?url";
import program from "@mediapipe/tasks-vision/vision_wasm_module_internal.wasm?url";
import model from "@mediapipe/selfie_segmentation/selfie_segmentation_landscape.tflite?url";
import type { FromBlur, ToBlur } from "./messages.ts";
import { described } from "./model.ts";

/** What the model looks at, in pixels. */
const SEEN = { width: 256, height: 144 };

/** What is left of a background: so many pixels from left to right. */
const LEFT = 12;

/** Below the first it is background, above the second a person, and in between a bit of both. */
const BACKGROUND = 0.35;
const PERSON = 0.75;

/** Pictures come no closer together, in microseconds, and are no wider: what a machine without a graphics card can just do. */
const APART_US = 60_000;
const WIDTH_MAX = 640;

/** Says something to the page. */
const tell = (globalThis as unknown as { postMessage(message: FromBlur): void }).postMessage.bind(globalThis);

const opened = open();
opened.then(
  () => tell({ kind: "ready" }),
  () => tell({ kind: "failed" }),
);

/** Ends when another camera takes the place of one. */
let current = new AbortController();

addEventListener("message", ({ data }: MessageEvent<ToBlur>) => {
  current.abort();
  const own = new AbortController();
  current = own;
  blur(data, own.signal).catch(() => {
    if (!own.signal.aborted) tell({ kind: "failed" });
  });
});

async function open(): Promise<ImageSegmenter> {
  const reply = await fetch(new URL(model, location.href));
  if (!reply.ok) throw new Error(`the model: ${reply.status}`);
  const fileset = { wasmLoaderPath: new URL(loader, location.href).href, wasmBinaryPath: new URL(program, location.href).href };
  return ImageSegmenter.createFromOptions(fileset, {
    baseOptions: { modelAssetBuffer: described(new Uint8Array(await reply.arrayBuffer())), delegate: "CPU" },
    runningMode: "VIDEO",
    outputConfidenceMasks: true,
    outputCategoryMask: false,
    canvas: new OffscreenCanvas(SEEN.width, SEEN.height),
  });
}

/** From one end to the other, until the camera ends. Whatever goes wrong, no picture gets through as it came. */
async function blur({ from, to }: ToBlur, signal: AbortSignal): Promise<void> {
  const painter = new Painter(await opened);
  let last = -Infinity;
  const blurred = new TransformStream<VideoFrame, VideoFrame>({
    transform(frame, out) {
      try {
        if (frame.timestamp - last < APART_US) return;
        last = frame.timestamp;
        out.enqueue(painter.paint(frame));
      } finally {
        frame.close();
      }
    },
  });
  await from.pipeThrough(blurred, { signal }).pipeTo(to, { signal });
}

class Painter {
  private readonly small = context(SEEN.width, SEEN.height, true);
  private readonly mask = context(SEEN.width, SEEN.height);
  private readonly opacity = new ImageData(SEEN.width, SEEN.height);
  private readonly rest = context(LEFT, LEFT);
  private readonly whole = context(SEEN.width, SEEN.height);

  constructor(private readonly segmenter: ImageSegmenter) {}

  paint(frame: VideoFrame): VideoFrame {
    const scale = Math.min(1, WIDTH_MAX / frame.displayWidth);
    const [width, height] = [frame.displayWidth, frame.displayHeight].map((length) => Math.round(length * scale)) as [number, number];
    const { small, mask, rest, whole } = this;
    small.drawImage(frame, 0, 0, SEEN.width, SEEN.height);
    this.look(small.getImageData(0, 0, SEEN.width, SEEN.height), performance.now());
    mask.putImageData(this.opacity, 0, 0);
    resize(rest.canvas, LEFT, Math.max(1, Math.round((LEFT * height) / width)));
    rest.imageSmoothingQuality = "high";
    rest.drawImage(frame, 0, 0, rest.canvas.width, rest.canvas.height);
    resize(whole.canvas, width, height);
    whole.imageSmoothingQuality = "high";
    whole.globalCompositeOperation = "copy";
    whole.drawImage(mask.canvas, 0, 0, width, height);
    whole.globalCompositeOperation = "source-in";
    whole.drawImage(frame, 0, 0, width, height);
    whole.globalCompositeOperation = "destination-over";
    whole.drawImage(rest.canvas, 0, 0, width, height);
    return new VideoFrame(whole.canvas, { timestamp: frame.timestamp, alpha: "discard" });
  }

  /** Where people are. */
  private look(picture: ImageData, now: number): void {
    const found = this.segmenter.segmentForVideo(picture, now);
    const people = found.confidenceMasks?.[0]?.getAsFloat32Array();
    if (people?.length !== SEEN.width * SEEN.height) throw new Error("the model gives no mask");
    for (const [pixel, certainty] of people.entries()) {
      this.opacity.data[4 * pixel + 3] = (255 * (certainty - BACKGROUND)) / (PERSON - BACKGROUND);
    }
    found.close();
  }
}

function context(width: number, height: number, willReadFrequently = false): OffscreenCanvasRenderingContext2D {
  const made = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently });
  if (!made) throw new Error("there is no canvas");
  return made;
}

function resize(canvas: OffscreenCanvas, width: number, height: number): void {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}
