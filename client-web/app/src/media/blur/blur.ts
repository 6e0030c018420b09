// A camera's picture with everything blurred that is not a person. When that stops working nothing comes any more: a picture is never
// let through as it is.

import type { Track, TrackProcessor, VideoProcessorOptions } from "livekit-client";
import { scriptAddress } from "../../script.ts";
import type { FromBlur, ToBlur } from "./messages.ts";
import address from "./worker.ts?worker&url";

/** Pictures of a track as a stream, and back (MediaStreamTrack Insertable Media Processing using Streams). */
type Insertable = typeof globalThis & {
  MediaStreamTrackProcessor?: new (of: { track: MediaStreamTrack; maxBufferSize: number }) => { readable: ReadableStream<VideoFrame> };
  MediaStreamTrackGenerator?: new (of: { kind: "video" }) => MediaStreamTrack & { writable: WritableStream<VideoFrame> };
};

const { MediaStreamTrackProcessor, MediaStreamTrackGenerator } = globalThis as Insertable;

/** How long loading may take, in milliseconds: the program has 4 MB. */
const LOADING_MS = 60_000;

export class Blur implements TrackProcessor<Track.Kind.Video, VideoProcessorOptions> {
  readonly name = "blur";
  processedTrack?: MediaStreamTrack;

  private constructor(private readonly worker: Worker) {}

  /** Loads what it takes. `onFailure`: it has stopped working. @throws when it cannot be had */
  static async open(onFailure: () => void): Promise<Blur> {
    if (!MediaStreamTrackProcessor || !MediaStreamTrackGenerator) throw new Error("this browser cannot do that");
    const own = new Worker(scriptAddress(address), { type: "module" });
    const blur = new Blur(own);
    let isReady = false;
    await new Promise<void>((done, fail) => {
      const failed = (): void => {
        blur.end();
        if (isReady) onFailure();
        else fail(new Error("it does not work here"));
      };
      const late = setTimeout(failed, LOADING_MS);
      own.addEventListener("error", failed);
      own.addEventListener("message", ({ data: { kind } }: MessageEvent<FromBlur>) => {
        clearTimeout(late);
        if (kind === "failed") return failed();
        isReady = true;
        return done();
      });
    });
    return blur;
  }

  /** The blurred picture of a camera; in that of an earlier one nothing moves any more. */
  through(track: MediaStreamTrack): MediaStreamTrack {
    if (!MediaStreamTrackProcessor || !MediaStreamTrackGenerator) throw new Error("this browser cannot do that");
    const { readable: from } = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
    const blurred = new MediaStreamTrackGenerator({ kind: "video" });
    const { writable: to } = blurred;
    this.worker.postMessage({ from, to } satisfies ToBlur, [from, to]);
    this.processedTrack = blurred;
    return blurred;
  }

  async init({ track }: { track: MediaStreamTrack }): Promise<void> {
    this.through(track);
  }

  restart(options: VideoProcessorOptions): Promise<void> {
    return this.init(options);
  }

  async destroy(): Promise<void> {
    this.end();
  }

  /** What was given out stays, and shows nothing more: without it the camera's own picture would be taken. */
  end(): void {
    this.worker.terminate();
    this.processedTrack?.stop();
  }
}
