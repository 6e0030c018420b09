// Media in all directions: one connection for each SFU in the call, frames sealed before they leave the page.

import { computed, signal } from "@preact/signals";
import {
  AudioPresets,
  ConnectionState,
  type LocalParticipant,
  type Participant,
  RemoteAudioTrack,
  type RemoteParticipant,
  type RemoteTrackPublication,
  RemoteVideoTrack,
  Room,
  RoomEvent,
  type RoomOptions,
  type ScreenShareCaptureOptions,
  Track,
  type VideoCaptureOptions,
  VideoPresets,
} from "livekit-client";
import {
  type Arriving,
  DeviceRefusal,
  type Gadget,
  type Link,
  type LinkProblem,
  type Media,
  type Playable,
  type Seat,
} from "../state/ports.ts";
import { openBlur } from "./devices.ts";
import { FrameKeys } from "./keys.ts";
import { routeNow } from "./network.ts";
import { farewellOf, problemOf } from "./problem.ts";
import { deviceProblemOf } from "./refusal.ts";
import { frameWorker } from "./worker.ts";

/** Pauses between two attempts, in milliseconds; the last one holds from then on. */
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** How often one looks whether what could not be opened is opened again. */
const SEALED_LOOK_MS = 2_000;

/** How often one looks by which way media goes, in milliseconds: it may be another one after a while. */
const ROUTE_LOOK_MS = 3_000;

/** Samples of a second of sound. */
const SAMPLE_RATE = 48_000;

/** Everything after which the page may look different. */
const CHANGES = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.AudioPlaybackStatusChanged,
] as const;

/** What the browser offers first when one shares: a window or a tab; and the whole screen only to whoever has been warned. */
const PART: ScreenShareCaptureOptions = {
  audio: true,
  video: { displaySurface: "window" },
  selfBrowserSurface: "exclude",
  surfaceSwitching: "include",
  contentHint: "detail",
};
const WHOLE: ScreenShareCaptureOptions = { ...PART, video: { displaySurface: "monitor" } };

const KINDS: Record<Gadget, MediaDeviceKind> = { microphone: "audioinput", camera: "videoinput", speaker: "audiooutput" };

/** After these one does not come back by oneself. */
const FINAL: ReadonlySet<LinkProblem["kind"]> = new Set(["removed", "elsewhere", "ended"]);

interface Way {
  focus: string;
  publish: boolean;
  room: Room;
  /** Seals and opens frames. */
  worker: Worker | null;
  attempts: number;
  problem: LinkProblem | null;
  by: Link["by"];
  isClosed: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/** `seat` asks a focus; `origins` are those that the browser has said it refuses. */
export function openMedia(encrypted: boolean, seat: (focus: string) => Promise<Seat>, isBlocked: (address: string) => boolean): Media {
  const ways = new Map<string, Way>();
  const keys = new FrameKeys();
  const changes = signal(0);
  const keyed = signal<ReadonlySet<string>>(new Set());
  const sealed = signal<ReadonlySet<string>>(new Set());
  const hasBlurFailed = signal(false);
  /** Whether the camera is to be blurred behind people. */
  let isBlurred = false;
  const savesData = signal(false);
  const isOnline = signal(navigator.onLine);
  /** What was chosen, also for servers that are met later. */
  let speaker: string | null = null;
  const look = (): void => void (changes.value = changes.peek() + 1);

  const links = computed<Link[]>(() => (void changes.value, [...ways.values()].map(linkOf)));
  const own = (): Room | undefined => [...ways.values()].find((way) => way.publish)?.room;
  const ownTrack = (source: Track.Source): Playable | null => {
    const publication = own()?.localParticipant.getTrackPublication(source);
    return publication && !publication.isMuted ? (publication.track ?? null) : null;
  };

  async function asPublisher(run: (person: LocalParticipant) => Promise<unknown>): Promise<void> {
    const person = own()?.localParticipant;
    if (!person) throw new DeviceRefusal("failed");
    try {
      await run(person);
    } catch (error) {
      throw error instanceof DeviceRefusal ? error : new DeviceRefusal(deviceProblemOf(error));
    } finally {
      look();
    }
  }

  /** A camera that was published with another wish is published anew: a picture that others are not to see must not come back on. */
  async function turnCamera(person: LocalParticipant, on: boolean, device?: VideoCaptureOptions): Promise<void> {
    hasBlurFailed.value = false;
    const track = person.getTrackPublication(Track.Source.Camera)?.track;
    const isAsWished = track && (track.getProcessor() !== undefined) === isBlurred;
    if (track && !isAsWished) await person.unpublishTrack(track);
    if (!on && !isAsWished) return;
    const processor = on && isBlurred && !isAsWished ? await openBlur(stopUnblurred) : undefined;
    try {
      await person.setCameraEnabled(on, { ...device, ...(processor && { processor }) });
    } catch (error) {
      processor?.end();
      throw error;
    }
  }

  function stopUnblurred(): void {
    const person = own()?.localParticipant;
    const track = person?.getTrackPublication(Track.Source.Camera)?.track;
    if (track) void person?.unpublishTrack(track).finally(look);
    hasBlurFailed.value = true;
  }

  async function connect(way: Way): Promise<void> {
    try {
      const { url, jwt } = await seat(way.focus);
      if (way.isClosed) return;
      if (encrypted) await way.room.setE2EEEnabled(true);
      await way.room.connect(url, jwt);
      way.attempts = 0;
      way.problem = null;
    } catch (error) {
      if (way.isClosed) return;
      way.problem = problemOf(error, isBlocked(way.focus));
      again(way);
    }
    look();
  }

  function again(way: Way): void {
    if (way.isClosed || (way.problem && FINAL.has(way.problem.kind))) return;
    const pause = RETRY_MS[Math.min(way.attempts++, RETRY_MS.length - 1)];
    clearTimeout(way.timer);
    way.timer = setTimeout(() => {
      delete way.timer;
      void connect(way);
    }, pause);
  }

  /** Nobody waits for the next attempt who has a network again. */
  const hearNetwork = (): void => {
    isOnline.value = navigator.onLine;
    if (!isOnline.value) return;
    for (const way of ways.values()) {
      if (way.timer === undefined) continue;
      way.attempts = 0;
      clearTimeout(way.timer);
      delete way.timer;
      void connect(way);
    }
  };
  addEventListener("online", hearNetwork);
  addEventListener("offline", hearNetwork);

  const watchRoutes = setInterval(() => {
    for (const way of ways.values()) {
      if (way.room.state !== ConnectionState.Connected) continue;
      void routeNow(way.room).then((route) => {
        const by = route?.way ?? way.by;
        if (by === way.by) return;
        way.by = by;
        look();
      });
    }
  }, ROUTE_LOOK_MS);

  /** Pictures come from a server, or do not, for as long as one wants to save what they weigh. */
  function sift({ room }: Way): void {
    for (const person of room.remoteParticipants.values()) {
      for (const picture of person.videoTrackPublications.values()) (picture as RemoteTrackPublication).setSubscribed(!savesData.value);
    }
  }

  function watch(way: Way): void {
    const { room } = way;
    for (const change of [RoomEvent.Connected, RoomEvent.Reconnected, RoomEvent.TrackPublished]) {
      room.on(change, () => savesData.value && sift(way));
    }
    for (const change of CHANGES) room.on(change, look);
    room.on(RoomEvent.Disconnected, (reason) => {
      if (way.isClosed) return;
      way.problem = farewellOf(reason);
      again(way);
      look();
    });
    room.on(RoomEvent.EncryptionError, (_error: Error, participant?: Participant) => {
      if (!participant || participant.isLocal || !keyed.value.has(participant.identity)) return;
      sealed.value = new Set([...sealed.value, participant.identity]);
    });
  }

  /** Somebody whose media is decoded again has a key that opens it, whatever went wrong before. */
  const decoded = new Map<string, number>();
  const watchSealed = setInterval(() => {
    const people = [...ways.values()].flatMap(({ room }) => Array.from(room.remoteParticipants.values()));
    for (const person of people.filter(({ identity }) => sealed.value.has(identity))) {
      void decodedOf(person).then((now) => {
        const before = decoded.get(person.identity);
        decoded.set(person.identity, now);
        if (before !== undefined && now > before) believe(person.identity);
      });
    }
  }, SEALED_LOOK_MS);

  function believe(identity: string): void {
    decoded.delete(identity);
    sealed.value = new Set([...sealed.value].filter((each) => each !== identity));
  }

  return {
    links,
    keyed,
    sealed,
    on: computed(() => {
      void changes.value;
      const person = own()?.localParticipant;
      return {
        microphone: person?.isMicrophoneEnabled ?? false,
        camera: person?.isCameraEnabled ?? false,
        screen: person?.isScreenShareEnabled ?? false,
      };
    }),
    ownCamera: computed(() => (void changes.value, ownTrack(Track.Source.Camera))),
    ownScreen: computed(() => (void changes.value, ownTrack(Track.Source.ScreenShare))),
    isOnline,
    mayPlay: computed(() => (void changes.value, [...ways.values()].every(({ room }) => room.canPlaybackAudio))),
    open(focus, publish) {
      if (ways.has(focus)) return;
      // They get confused by streams of several rooms, so each has one of its own.
      const worker = encrypted ? frameWorker() : null;
      const room = new Room(options(keys, worker, speaker));
      const way: Way = { focus, publish, room, worker, attempts: 0, problem: null, by: null, isClosed: false };
      ways.set(focus, way);
      watch(way);
      look();
      void connect(way);
    },
    close(focus) {
      const way = ways.get(focus);
      if (!way) return;
      ways.delete(focus);
      void shut(way);
      look();
    },
    takeKey(key, index, identity) {
      void keys.take(key, index, identity).then(() => {
        keyed.value = new Set([...keyed.value, identity]);
        believe(identity);
      });
    },
    turn(source, on, deviceId) {
      const device = deviceId ? { deviceId } : undefined;
      return asPublisher((person) => {
        if (source === "microphone") return person.setMicrophoneEnabled(on, device);
        return source === "camera" ? turnCamera(person, on, device) : person.setScreenShareEnabled(on, PART);
      });
    },
    async blur(on) {
      isBlurred = on;
      const room = own();
      if (!room?.localParticipant.isCameraEnabled) return;
      const deviceId = room.getActiveDevice(KINDS.camera);
      await asPublisher((person) => turnCamera(person, true, deviceId ? { deviceId } : undefined));
    },
    hasBlurFailed,
    share: (extent) => asPublisher((person) => person.setScreenShareEnabled(true, extent === "whole" ? WHOLE : PART)),
    inUse: computed(() => {
      void changes.value;
      const room = own();
      const active = (kind: MediaDeviceKind): string | null => room?.getActiveDevice(kind) ?? null;
      return { microphone: active(KINDS.microphone), camera: active(KINDS.camera), speaker: active(KINDS.speaker) };
    }),
    async use(gadget, id) {
      // A loudspeaker is for what comes from all servers, the others for the one at which we publish.
      const rooms = gadget === "speaker" ? [...ways.values()].map(({ room }) => room) : [own()];
      await Promise.all(rooms.map((room) => room?.switchActiveDevice(KINDS[gadget], id)));
      if (gadget === "speaker") speaker = id;
      look();
    },
    savesData,
    saveData(on) {
      if (savesData.value === on) return;
      savesData.value = on;
      for (const way of ways.values()) sift(way);
      look();
    },
    async play() {
      await Promise.all([...ways.values()].map(({ room }) => room.startAudio()));
      look();
    },
    async end() {
      clearInterval(watchSealed);
      clearInterval(watchRoutes);
      removeEventListener("online", hearNetwork);
      removeEventListener("offline", hearNetwork);
      const all = [...ways.values()];
      ways.clear();
      look();
      await Promise.all(all.map(shut));
    },
  };
}

async function shut(way: Way): Promise<void> {
  way.isClosed = true;
  clearTimeout(way.timer);
  await way.room.disconnect();
  way.worker?.terminate();
}

function options(keyProvider: FrameKeys, worker: Worker | null, speaker: string | null): RoomOptions {
  return {
    adaptiveStream: true,
    dynacast: true,
    stopLocalTrackOnUnpublish: true,
    disconnectOnPageLeave: true,
    audioCaptureDefaults: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    videoCaptureDefaults: { resolution: VideoPresets.h720.resolution },
    publishDefaults: {
      audioPreset: AudioPresets.music,
      dtx: true,
      // A server takes copies out for browsers that do not know them, which it cannot when they are sealed.
      red: false,
      forceStereo: false,
      simulcast: true,
      videoCodec: "vp8",
      videoSimulcastLayers: [VideoPresets.h180, VideoPresets.h360],
      // A button that takes a second to answer is pressed twice.
      stopMicTrackOnMute: false,
    },
    ...(speaker !== null && { audioOutput: { deviceId: speaker } }),
    ...(worker && { encryption: { keyProvider, worker } }),
  };
}

function linkOf({ focus, room, problem, by }: Way): Link {
  const states: Record<ConnectionState, Link["state"]> = {
    [ConnectionState.Connected]: "connected",
    [ConnectionState.Connecting]: "connecting",
    [ConnectionState.Disconnected]: problem ? "failed" : "connecting",
    [ConnectionState.Reconnecting]: "reconnecting",
    [ConnectionState.SignalReconnecting]: "reconnecting",
  };
  const arriving = [...room.remoteParticipants.values()].map((each) => arrivingOf(focus, each));
  return { focus, state: states[room.state], problem, by, arriving };
}

function arrivingOf(focus: string, person: Participant): Arriving {
  const track = (source: Track.Source): Playable | null => {
    const publication = person.getTrackPublication(source);
    return publication && !publication.isMuted ? (publication.track ?? null) : null;
  };
  const publications = [...person.trackPublications.values()];
  const sounds = publications.flatMap(({ kind, track: sound }) => (kind === Track.Kind.Audio && sound ? [sound as Playable] : []));
  return {
    identity: person.identity,
    focus,
    camera: track(Track.Source.Camera),
    screen: track(Track.Source.ScreenShare),
    sounds,
    speaksUp: person.isMicrophoneEnabled,
    isSpeaking: person.isSpeaking,
    isWeak: person.connectionQuality === "poor" || person.connectionQuality === "lost",
    publishes: publications.length > 0,
    encrypted: publications.every(({ isEncrypted }) => isEncrypted),
  };
}

/** How much of somebody's media has been decoded, in frames and samples: a number that grows while it is opened. */
async function decodedOf(person: RemoteParticipant): Promise<number> {
  const amounts = [...person.trackPublications.values()].map(async ({ track }) => {
    const isReceived = track instanceof RemoteVideoTrack || track instanceof RemoteAudioTrack;
    const stats = isReceived ? await track.getReceiverStats() : undefined;
    if (stats?.type === "video") return stats.framesDecoded;
    // What is made up in place of sound that is missing counts for nothing.
    if (stats?.type === "audio") return (stats.totalSamplesDuration ?? 0) * SAMPLE_RATE - (stats.concealedSamples ?? 0);
    return 0;
  });
  return (await Promise.all(amounts)).reduce((sum, amount) => sum + amount, 0);
}
