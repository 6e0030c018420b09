// One person who comes, is seen and heard, sees and hears, and goes: driven from outside through `window.newcomer`. It
// notes the moment of every first, on the clock of this machine, so that moments of several clients can be compared.

import { RemoteTrack, Room, RoomEvent, Track, VideoPreset } from "livekit-client";
import { audio, closeAudio, pictureTrack, toneTrack } from "./publish.ts";

/** A camera that costs little. */
const PICTURE = { width: 320, height: 180, fps: 10 };
const ENCODING = new VideoPreset(PICTURE.width, PICTURE.height, 150_000, PICTURE.fps).encoding;
/** Between two looks for the first sound. */
const LOOK_MS = 20;
/** Samples of a look, a bit more than lies between two; and the amplitude from which on they are no silence. */
const LOOK_SAMPLES = 1024;
const AMPLITUDE_MIN = 0.01;

export interface Seat {
  url: string;
  token: string;
  /** `single`: one peer connection. */
  form: "single" | "dual";
  mark: number;
  hertz: number;
}

/** Somebody was seen or heard for the first time. */
export interface First {
  identity: string;
  kind: "seen" | "heard";
  at: number;
}

let room: Room | undefined;
let firsts: First[] = [];
/** What ends the looking at a track. */
const stops = new Map<RemoteTrack, () => void>();

const now = () => performance.timeOrigin + performance.now();

/** Joins and publishes both tracks. The moment at which it began. */
async function come({ url, token, form, mark, hertz }: Seat): Promise<number> {
  await audio().resume();
  const tracks = [pictureTrack({ mark, ...PICTURE }), toneTrack(hertz)] as const;
  const next = new Room({ singlePeerConnection: form === "single", adaptiveStream: false, dynacast: false });
  firsts = [];
  room = next;
  next.on(RoomEvent.TrackSubscribed, (track, _, who) => stops.set(track, notice(track, who.identity)));
  next.on(RoomEvent.TrackUnsubscribed, forget);
  const begun = now();
  await next.connect(url, token);
  const [camera, microphone] = tracks;
  await Promise.all([
    next.localParticipant.publishTrack(camera, {
      source: Track.Source.Camera,
      name: "camera",
      videoCodec: "vp8",
      simulcast: false,
      videoEncoding: ENCODING,
    }),
    next.localParticipant.publishTrack(microphone, { source: Track.Source.Microphone, name: "microphone" }),
  ]);
  return begun;
}

/** Nothing may be left of a track that has gone: whoever stays sees hundreds of them. */
function forget(track: RemoteTrack): void {
  stops.get(track)?.();
  stops.delete(track);
}

/** Waits for the first picture or sound of a track. What it returns ends that. */
function notice(track: RemoteTrack, identity: string): () => void {
  const element = track.attach();
  element.muted = true;
  document.body.append(element);
  // An element that keeps its track goes on working for it.
  const leave = () => track.detach(element).remove();
  if (element instanceof HTMLVideoElement) {
    // Not `requestVideoFrameCallback`: a tab in the background draws once a second only.
    const pictures = new MediaStreamTrackProcessor({ track: track.mediaStreamTrack }).readable.getReader();
    void pictures.read().then(async ({ value }) => {
      if (value) firsts.push({ identity, kind: "seen", at: now() });
      value?.close();
      await pictures.cancel();
    });
    return leave;
  }
  const source = new MediaStreamAudioSourceNode(audio(), { mediaStream: new MediaStream([track.mediaStreamTrack]) });
  const analyser = new AnalyserNode(audio(), { fftSize: LOOK_SAMPLES });
  source.connect(analyser);
  const samples = new Float32Array(LOOK_SAMPLES);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    if (!samples.some((sample) => Math.abs(sample) > AMPLITUDE_MIN)) return;
    clearInterval(timer);
    firsts.push({ identity, kind: "heard", at: now() });
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    source.disconnect();
    leave();
  };
}

async function go(): Promise<void> {
  const last = room;
  room = undefined;
  await last?.disconnect();
  for (const track of stops.keys()) forget(track);
  await closeAudio();
}

/** What was first seen and heard of these people. */
const firstsOf = (people: string[]): First[] => firsts.filter((first) => people.includes(first.identity));

const newcomer = { come, go, firstsOf };

declare global {
  /** Chromium has it; TypeScript does not know it yet (MediaStreamTrack Insertable Media Processing, section 3). */
  class MediaStreamTrackProcessor {
    constructor(init: { track: MediaStreamTrack });
    readonly readable: ReadableStream<VideoFrame>;
  }
  interface Window {
    newcomer: typeof newcomer;
  }
}

window.newcomer = newcomer;
