// One person of a test, driven from outside through `window.hanse`. A page is one person at a time.

import {
  type BackupCodecPolicy,
  type BackupVideoCodec,
  ConnectionError,
  DisconnectReason,
  ExternalE2EEKeyProvider,
  type LocalTrackPublication,
  type RemoteParticipant,
  type RemoteTrackPublication,
  Room,
  RoomEvent,
  type ScalabilityMode,
  type SimulationScenario,
  Track,
  type VideoCodec,
  VideoPreset,
} from "livekit-client";
import { data, listenToData } from "./data.ts";
import { decodeOpus, decodeVp8 } from "./decode.ts";
import { lackCodecs } from "./lack.ts";
import { goThrough } from "./link.ts";
import { others, ownTracks, publicationFrom, publicationsOf, reasonOf, sealing } from "./older.ts";
import { audio, hush, pictureTrack, type PictureSource, toneTrack } from "./publish.ts";
import { type Received, type Watch, watch } from "./receive.ts";

type Source = "camera" | "screen" | "microphone";

const SOURCE: Record<Source, Track.Source> = {
  camera: Track.Source.Camera,
  screen: Track.Source.ScreenShare,
  microphone: Track.Source.Microphone,
};
const NAME: Partial<Record<Track.Source, Source>> = Object.fromEntries(
  Object.entries(SOURCE).map(([name, source]) => [source, name]),
);

export interface Join {
  url: string;
  token: string;
  /** Passphrase of frame encryption. */
  key?: string;
  adaptive?: boolean;
  dynacast?: boolean;
  /** Speaks the older form: a peer connection to publish, and one to receive. */
  dual?: boolean;
  /** Codecs ("video/VP9") that this browser does not know, from now on. */
  lacks?: string[];
  /** Port of a link to the server (harness/link.mjs), for this page from now on. */
  through?: number;
}

export interface TrackView extends Partial<Received> {
  sid: string;
  source: Source | "unknown";
  muted: boolean;
  encrypted: boolean;
  subscribed: boolean;
}

export interface View {
  state: string;
  sid: string;
  people: { identity: string; sid: string; speaking: boolean; tracks: TrackView[] }[];
  speakers: string[];
  /** The layers of each of one's own tracks, as the encoder has them. A backup codec has its own, behind the first one's. */
  sending: Record<string, Sending[]>;
}

export interface Sending {
  /** What was agreed on: "video/VP8", or "audio/red" if sound goes with copies. */
  codec: string;
  rid: string;
  active: boolean;
  width: number;
  frames: number;
  packets: number;
  bytes: number;
}

export interface Happening {
  event: string;
  identity?: string | undefined;
  sid?: string | undefined;
  detail?: string | undefined;
}

let room: Room | undefined;
let happened: Happening[] = [];
/** How people were said to be connected, oneself included. */
let grades: { identity: string; grade: string }[] = [];
const watches = new Map<string, Watch>();
/**
 * The client has joined anew by itself. It says that it is back when its connection is, but keeps what happens in the two
 * seconds after to itself (`Room.bufferedEvents` of livekit-client): then tracks are found without their events.
 */
let hasRejoined = false;

async function join(seat: Join): Promise<string> {
  const { url, token, key, adaptive = false, dynacast = false, dual = false, lacks, through } = seat;
  await audio().resume();
  if (lacks) lackCodecs(lacks);
  if (through !== undefined) goThrough(through);
  happened = [];
  hasRejoined = false;
  grades = [];
  let encryption;
  if (key !== undefined) {
    const keyProvider = new ExternalE2EEKeyProvider();
    await keyProvider.setKey(key);
    encryption = sealing({ keyProvider, worker: new Worker("livekit-client.e2ee.worker.mjs", { type: "module" }) });
  }
  const next = new Room({ adaptiveStream: adaptive, dynacast, singlePeerConnection: !dual, ...encryption });
  room = next;
  listen(next);
  listenToData(next);
  if (encryption) await next.setE2EEEnabled(true);
  try {
    await next.connect(url, token);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    // `reasonName` stays that of an unreachable server when `Room` passes on the signal client's reason.
    throw new Error(`${reasonOf(error)} (status ${error.status}): ${error.message}`, { cause: error });
  }
  return next.localParticipant.sid;
}

function listen(next: Room): void {
  const note = (event: string, who?: { identity: string }, sid?: string, detail?: string) => {
    if (next === room) happened.push({ event, identity: who?.identity, sid, detail });
  };
  next.on(RoomEvent.ParticipantConnected, (who) => note("came", who, who.sid));
  next.on(RoomEvent.ParticipantDisconnected, (who) => note("went", who, who.sid));
  next.on(RoomEvent.TrackSubscribed, (track, publication, who) => {
    watches.get(publication.trackSid)?.stop();
    watches.set(publication.trackSid, watch(track));
    note("subscribed", who, publication.trackSid);
  });
  next.on(RoomEvent.TrackUnsubscribed, (_, publication, who) => {
    watches.get(publication.trackSid)?.stop();
    watches.delete(publication.trackSid);
    note("unsubscribed", who, publication.trackSid);
  });
  next.on(RoomEvent.TrackSubscriptionFailed, (sid, who) => note("subscription failed", who, sid));
  next.on(RoomEvent.EncryptionError, (error, who) => note("encryption error", who, undefined, error.message));
  next.on(RoomEvent.ConnectionQualityChanged, (grade, who) => {
    if (next === room) grades.push({ identity: who.identity, grade });
  });
  next.on(RoomEvent.Reconnecting, () => {
    hasRejoined = true;
    note("reconnecting");
  });
  next.on(RoomEvent.Reconnected, () => note("reconnected"));
  next.on(RoomEvent.SignalReconnecting, () => note("signal reconnecting"));
  next.on(RoomEvent.Disconnected, (reason) => {
    for (const each of watches.values()) each.stop();
    watches.clear();
    note("disconnected", undefined, undefined, reason === undefined ? "unknown" : DisconnectReason[reason]);
  });
}

/** How a picture is encoded. */
export interface Encoding {
  codec?: VideoCodec;
  /** Of VP9 and AV1: how many layers one stream has. */
  scalabilityMode?: ScalabilityMode;
  /** Also encoded in this one as soon as somebody cannot decode the first. */
  backup?: BackupVideoCodec;
  /** Then: everybody else keeps the first, or everybody gets the backup. */
  policy?: keyof typeof POLICY;
}

/** `BackupCodecPolicy`, which older versions do not export. */
const POLICY = { simulcast: 1, regression: 2 } as const satisfies Record<string, BackupCodecPolicy>;

/** Bits per second of a scalable stream. libwebrtc leaves out the layers whose least rate does not fit into it: all three of
 * 960 × 540 need half a megabit. */
const SCALABLE_BITRATE = 1_200_000;

/** Bits per second of a picture with grain, for each square of its width: a megabit for 640 × 360, a quarter of it for half the width. */
const GRAIN_BITS = 2.5;

/** Publishes a test picture, by default as one layer of VP8; more `layers` (widths) make it simulcast. */
async function publishPicture(
  source: "camera" | "screen",
  picture: PictureSource,
  layers: number[] = [],
  { codec = "vp8", scalabilityMode, backup, policy = "simulcast" }: Encoding = {},
): Promise<string> {
  // Little for a flat picture: all layers fit into what a browser's bandwidth estimate begins with.
  const bitrate = (width: number) => (picture.grain ? width * width * GRAIN_BITS : Math.max(60_000, width * 300));
  const encoding = (width: number) => ({ maxBitrate: bitrate(width), maxFramerate: picture.fps });
  const presets = layers.map((width) => {
    const height = Math.round((width * picture.height) / picture.width);
    return new VideoPreset(width, height, encoding(width).maxBitrate, picture.fps);
  });
  const publication = await here().localParticipant.publishTrack(pictureTrack(picture), {
    source: SOURCE[source],
    name: source,
    videoCodec: codec,
    backupCodec: backup ? { codec: backup, encoding: encoding(picture.width) } : false,
    backupCodecPolicy: POLICY[policy],
    ...(scalabilityMode && { scalabilityMode }),
    simulcast: layers.length > 0,
    videoEncoding: { ...encoding(picture.width), ...(scalabilityMode && { maxBitrate: SCALABLE_BITRATE }) },
    screenShareEncoding: encoding(picture.width),
    videoSimulcastLayers: presets,
    screenShareSimulcastLayers: presets,
    // The picture must stay as large as it is, however slow the machine.
    degradationPreference: "maintain-resolution",
  });
  return publication.trackSid;
}

/** How a sound is encoded. */
export interface SoundEncoding {
  /** A second tone: the first is on the left side then, this one on the right. */
  right?: number;
  /** Silence is left out, by default. */
  dtx?: boolean;
  /** Each packet carries copies of those before it, where it is not sealed. */
  red?: boolean;
}

async function publishTone(hertz: number, { right, dtx = true, red = true }: SoundEncoding = {}): Promise<string> {
  const publication = await here().localParticipant.publishTrack(toneTrack(hertz, right), {
    source: Track.Source.Microphone,
    name: "microphone",
    forceStereo: right !== undefined,
    dtx,
    red,
  });
  return publication.trackSid;
}

/** Makes this client try what its permissions do not allow, as a hostile one would. */
function forgetPermissions(): void {
  here().localParticipant.permissions = undefined;
}

/** Has the client, or the server for it, break something. */
async function simulate(scenario: SimulationScenario): Promise<void> {
  await here().simulateScenario(scenario);
}

/** The longest time in ms in which no packet of a track came, while `ms` pass. */
async function longestGap(identity: string, source: Source, ms: number): Promise<number> {
  const end = performance.now() + ms;
  return gapUntil(receiverOf(identity, source), () => performance.now() >= end);
}

/** What is being timed: whether it is over, and what comes out. */
const timings: { isOver: boolean; gap: Promise<number> }[] = [];

/** Begins to look for gaps in a track. */
function timeGaps(identity: string, source: Source): void {
  const receiver = receiverOf(identity, source);
  const timing = { isOver: false, gap: Promise.resolve(0) };
  timing.gap = gapUntil(receiver, () => timing.isOver);
  timings.push(timing);
}

/** The longest time in ms in which no packet came, of each track since `timeGaps`, in that order. */
async function timedGaps(): Promise<number[]> {
  const all = timings.splice(0);
  for (const timing of all) timing.isOver = true;
  return Promise.all(all.map(({ gap }) => gap));
}

/** Begins to look for gaps in somebody's picture, over every track that shows it: a client that joins anew has a new one. */
function timePicture(identity: string): void {
  const timing = { isOver: false, gap: Promise.resolve(0) };
  timing.gap = pictureGapUntil(identity, () => timing.isOver);
  timings.push(timing);
}

async function pictureGapUntil(identity: string, isOver: () => boolean): Promise<number> {
  let [longest, at, last] = [0, performance.now(), ""];
  while (!isOver()) {
    const who = others(here()).find((each) => each.identity === identity);
    const publication = who && publicationsOf(who).find((each) => each.source === Track.Source.Camera);
    for (const entry of (await publication?.track?.receiver?.getStats())?.values() ?? []) {
      if (entry.type !== "inbound-rtp" || !entry.framesDecoded) continue;
      const shown = `${publication?.trackSid} ${entry.framesDecoded}`;
      if (shown !== last) at = performance.now();
      last = shown;
    }
    longest = Math.max(longest, performance.now() - at);
    await new Promise((done) => setTimeout(done, 20));
  }
  return longest;
}

/** The addresses of this machine that a new connection would use. */
async function ownAddresses(): Promise<string[]> {
  const connection = new RTCPeerConnection();
  const found: string[] = [];
  connection.createDataChannel("");
  await new Promise<void>((done) => {
    connection.addEventListener("icecandidate", ({ candidate }) => (candidate ? found.push(candidate.address ?? "") : done()));
    void connection.setLocalDescription();
  });
  connection.close();
  return [...new Set(found)];
}

function receiverOf(identity: string, source: Source): RTCRtpReceiver {
  const who = others(here()).find((each) => each.identity === identity);
  const publication = who && publicationsOf(who).find((each) => each.source === SOURCE[source]);
  const receiver = publication?.track?.receiver;
  if (!receiver) throw new Error(`${identity}'s ${source} is not received`);
  return receiver;
}

async function gapUntil(receiver: RTCRtpReceiver, isOver: () => boolean): Promise<number> {
  let [longest, packets, at] = [0, 0, performance.now()];
  while (!isOver()) {
    for (const entry of (await receiver.getStats()).values()) {
      if (entry.type !== "inbound-rtp") continue;
      // By the clock of the statistics: the page may be late to look.
      const [count, now] = [Number(entry.packetsReceived), Number(entry.timestamp)];
      if (packets === 0 || count > packets) [packets, at] = [count, now];
      longest = Math.max(longest, now - at);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  return longest;
}

function own(source: Source): LocalTrackPublication {
  const publication = publicationFrom(here().localParticipant, SOURCE[source]);
  if (!publication) throw new Error(`no ${source} is published`);
  return publication as LocalTrackPublication;
}

async function mute(source: Source, muted: boolean): Promise<void> {
  await (muted ? own(source).mute() : own(source).unmute());
}

/** Says nothing, or something again, with the microphone open. */
function fallSilent(isSilent: boolean): void {
  const { track } = own("microphone");
  if (track) hush(track.mediaStreamTrack, isSilent);
}

/** Sends nothing of a track any more, not even reports, or sends it again: nobody is told. */
async function holdBack(source: Source, isHeld: boolean): Promise<void> {
  const sender = own(source).track?.sender;
  if (!sender) throw new Error(`no ${source} is sent`);
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.active = !isHeld;
  await sender.setParameters(parameters);
}

async function unpublish(source: Source): Promise<void> {
  const { track } = own(source);
  if (track) await here().localParticipant.unpublishTrack(track);
}

/** Shows a track at a size (CSS pixels), which an adaptive client tells the server; 0 hides it. */
function resize(identity: string, source: Source, width: number, height: number): void {
  const who = others(here()).find((each) => each.identity === identity);
  const publication = who && publicationFrom(who, SOURCE[source]);
  const element = watches.get(publication?.trackSid ?? "")?.element;
  if (!element) throw new Error(`${identity} shows no ${source}`);
  Object.assign(element.style, { width: `${width}px`, height: `${height}px`, display: width === 0 ? "none" : "block" });
}

async function view(): Promise<View> {
  const { state, localParticipant, activeSpeakers } = here();
  return {
    state,
    sid: localParticipant.sid,
    people: await Promise.all(others(here()).map(personView)),
    speakers: activeSpeakers.map((who) => who.identity),
    sending: Object.fromEntries(await Promise.all(ownTracks(localParticipant).map(sendingView))),
  };
}

async function personView(who: RemoteParticipant) {
  const tracks = publicationsOf(who).map(async (each): Promise<TrackView> => {
    const received = await watchOf(each)?.look();
    return {
      sid: each.trackSid,
      source: NAME[each.source] ?? "unknown",
      muted: each.isMuted,
      encrypted: each.isEncrypted,
      subscribed: each.isSubscribed,
      ...received,
    };
  });
  return { identity: who.identity, sid: who.sid, speaking: who.isSpeaking, tracks: await Promise.all(tracks) };
}

function watchOf({ trackSid, track }: RemoteTrackPublication): Watch | undefined {
  if (hasRejoined && track && !watches.has(trackSid)) watches.set(trackSid, watch(track));
  return watches.get(trackSid);
}

async function sendingView(publication: LocalTrackPublication) {
  const backups = [...(publication.videoTrack?.simulcastCodecs.values() ?? [])].map(({ sender }) => sender);
  const layers: Sending[] = [];
  for (const sender of [publication.track?.sender, ...backups]) {
    if (!sender) continue;
    const codec = sender.getParameters().codecs[0]?.mimeType ?? "";
    for (const entry of (await sender.getStats()).values()) {
      if (entry.type !== "outbound-rtp") continue;
      layers.push({
        codec,
        rid: String(entry.rid ?? ""),
        active: Boolean(entry.active),
        width: Number(entry.frameWidth ?? 0),
        frames: Number(entry.framesEncoded ?? 0),
        packets: Number(entry.packetsSent ?? 0),
        bytes: Number(entry.bytesSent ?? 0),
      });
    }
  }
  return [NAME[publication.source] ?? "unknown", layers] as const;
}

function here(): Room {
  if (!room) throw new Error("nobody has joined on this page");
  return room;
}

const hanse = {
  join,
  publishPicture,
  publishTone,
  mute,
  fallSilent,
  holdBack,
  unpublish,
  forgetPermissions,
  resize,
  simulate,
  longestGap,
  timePicture,
  ownAddresses,
  timeGaps,
  timedGaps,
  view,
  leave: () => here().disconnect(),
  happened: () => happened,
  grades: () => grades,
  decodeVp8,
  decodeOpus,
  ...data,
};

export type Hanse = typeof hanse;

declare global {
  interface Window {
    hanse: Hanse;
  }
}

window.hanse = hanse;
