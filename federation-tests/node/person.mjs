// One person of a test with LiveKit's SDK for Node.js, which is the native SDK in another process model than Python's.
//
//   node person.mjs URL TOKEN [--passphrase TEXT] [--mark NUMBER] [--hertz NUMBER]
//
// Joins, publishes a test picture and a tone when asked to, and writes one JSON line whenever it looks at what arrives. The
// lines have the shape of the browsers' view (page/page.ts). Ends when standard input closes.
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  ConnectionState,
  dispose,
  EncryptionType,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoCodec,
  VideoFrame,
  VideoSource,
  VideoStream,
} from "@livekit/rtc-node";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { draw, read } from "./picture.mjs";

const CAMERA = { width: 320, height: 180, fps: 10 };
const RATE = 48_000;
const BLOCK = RATE / 100;
const AMPLITUDE = 0.25;
/** A tone is measured over this many samples: 6 Hz more or less is one crossing of zero. */
const WINDOW = 8192;
/** Loudness (root of the mean square) below which there is silence. */
const SILENCE = 1e-3;
const LOOK_MS = 200;

const SOURCES = {
  [TrackSource.SOURCE_CAMERA]: "camera",
  [TrackSource.SOURCE_MICROPHONE]: "microphone",
  [TrackSource.SOURCE_SCREENSHARE]: "screen",
};

/** Aborted when standard input closes. */
const over = new AbortController();

/** Watches one received track. */
function watch(track) {
  const view = track.kind === TrackKind.KIND_VIDEO ? { framesDecoded: 0 } : { tone: null };
  const stream = track.kind === TrackKind.KIND_VIDEO ? new VideoStream(track) : new AudioStream(track, RATE, 1);
  const reader = stream.getReader();
  /** The last samples, the oldest first. */
  const heard = new Int16Array(WINDOW);
  let count = 0;
  const listen = ({ data }) => {
    const block = data.subarray(-WINDOW);
    heard.copyWithin(0, block.length);
    heard.set(block, WINDOW - block.length);
    count += block.length;
  };
  const look = ({ frame }) => {
    view.framesDecoded += 1;
    const { width, height, data } = frame.convert(VideoBufferType.RGBA);
    Object.assign(view, { width, height, picture: read(data, width, height) });
  };
  const pump = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) ("tone" in view ? listen : look)(next.value);
  };
  return {
    /** What has arrived so far. What costs time is measured here, not with each block. */
    view() {
      if ("tone" in view && count >= WINDOW) view.tone = tone(heard);
      return view;
    },
    done: pump(),
    stop: () => reader.cancel(),
  };
}

/** The frequency of a pure tone, by how often it crosses zero upwards; null for silence. */
function tone(samples) {
  if (Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length) < SILENCE * 32768) return null;
  const crossings = [];
  for (let at = 1; at < samples.length; at++) if (samples[at - 1] < 0 && samples[at] >= 0) crossings.push(at);
  const [first, last] = [crossings.at(0), crossings.at(-1)];
  return crossings.length < 2 ? null : Math.round(((crossings.length - 1) * RATE) / (last - first));
}

async function publishPicture(room, mark) {
  const { width, height, fps } = CAMERA;
  const source = new VideoSource(width, height);
  const track = LocalVideoTrack.createVideoTrack("camera", source);
  const options = new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA, simulcast: false, videoCodec: VideoCodec.VP8 });
  await room.localParticipant.publishTrack(track, options);
  for (let counter = 0; !over.signal.aborted; counter++) {
    source.captureFrame(new VideoFrame(draw({ mark, counter }, width, height), width, height, VideoBufferType.RGBA));
    await pause(1000 / fps);
  }
}

async function publishTone(room, hertz) {
  const source = new AudioSource(RATE, 1);
  const track = LocalAudioTrack.createAudioTrack("microphone", source);
  await room.localParticipant.publishTrack(track, new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE }));
  for (let position = 0; !over.signal.aborted; position += BLOCK) {
    const wave = (_, at) => AMPLITUDE * 32767 * Math.sin((2 * Math.PI * hertz * (position + at)) / RATE);
    // Waits while the source's queue is full, and so keeps time.
    await source.captureFrame(new AudioFrame(Int16Array.from({ length: BLOCK }, wave), RATE, 1, BLOCK));
  }
}

function viewOf(room, watches) {
  const people = [...room.remoteParticipants.values()].map((who) => ({
    identity: who.identity,
    sid: who.sid,
    tracks: [...who.trackPublications.values()].map((each) => ({
      sid: each.sid,
      source: SOURCES[each.source] ?? "unknown",
      muted: each.muted,
      encrypted: each.encryptionType !== EncryptionType.NONE,
      subscribed: watches.has(each.sid),
      ...watches.get(each.sid)?.view(),
    })),
  }));
  return { state: ConnectionState[room.connectionState], people };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { passphrase: { type: "string" }, mark: { type: "string" }, hertz: { type: "string" } },
});
const [url, token] = positionals;
process.stdin.once("end", () => over.abort()).resume();

const room = new Room();
const watches = new Map();
/** What fails in the background ends the program. */
const fail = (error) => {
  console.error(error);
  process.exit(1);
};
room.on("trackSubscribed", (track, { sid }) => {
  const watched = watch(track);
  watched.done.catch(fail);
  watches.set(sid, watched);
});
room.on("trackUnsubscribed", (_, { sid }) => {
  watches.get(sid)?.stop();
  watches.delete(sid);
});
const encryption = values.passphrase && { keyProviderOptions: { sharedKey: new TextEncoder().encode(values.passphrase) } };
await room.connect(url, token, { autoSubscribe: true, dynacast: false, ...(encryption && { encryption }) });
if (values.mark !== undefined) publishPicture(room, Number(values.mark)).catch(fail);
if (values.hertz !== undefined) publishTone(room, Number(values.hertz)).catch(fail);
while (!over.signal.aborted) {
  console.log(JSON.stringify(viewOf(room, watches)));
  await pause(LOOK_MS);
}
await room.disconnect();
await dispose();
process.exit(0);
