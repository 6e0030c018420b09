// The call as the page sees it: one value (`CallState`), made anew from the LiveKit room whenever something happens.
// Nothing here knows the DOM, except that tracks can be attached to media elements by whoever draws.

import {
  ConnectionQuality,
  ConnectionState,
  type DisconnectReason,
  ExternalE2EEKeyProvider,
  type LocalParticipant,
  type Participant,
  RemoteAudioTrack,
  type RemoteParticipant,
  Room,
  RoomEvent,
  Track,
  type VideoTrack,
  isE2EESupported,
  DeviceUnsupportedError,
} from "livekit-client";
import E2eeWorker from "livekit-client/e2ee-worker?worker";
import { type Device, type SeatStatus, deviceProblem, endProblem, joinProblem } from "./problem.ts";

/** A picture on the page: a person, or the screen of one. */
export interface Tile {
  /** The same as long as it is the same picture. */
  key: string;
  name: string;
  own: boolean;
  screen: boolean;
  microphone: boolean;
  speaking: boolean;
  weak: boolean;
  /** Whether their media and our choice of encryption go together; if not, `sealed` cannot be opened, `open` should not be. */
  mismatch: "none" | "sealed" | "open";
  video: VideoTrack | null;
}

/** Something to be heard: a person, or the sound of their screen. */
export interface Sound {
  key: string;
  name: string;
  screen: boolean;
  audio: RemoteAudioTrack;
}

export interface CallState {
  phase: "lobby" | "joining" | "call";
  /** The sentence to show, if something went wrong. */
  problem: string | null;
  reconnecting: boolean;
  encrypted: boolean;
  /** False when the browser waits for a click before it plays sound. */
  soundAllowed: boolean;
  tiles: Tile[];
  /** What is to be heard; never one's own. */
  sounds: Sound[];
  on: Record<Device, boolean>;
  busy: Record<Device, boolean>;
}

export interface Seat {
  /** Address of the SFU (`ws:` or `wss:`). */
  sfu: string;
  token: string;
  /** Passphrase for frame encryption; `null` for none. */
  key: string | null;
}

const NO_DEVICE: Record<Device, boolean> = { microphone: false, camera: false, screen: false };

const IDLE: CallState = {
  phase: "lobby",
  problem: null,
  reconnecting: false,
  encrypted: false,
  soundAllowed: true,
  tiles: [],
  sounds: [],
  on: NO_DEVICE,
  busy: NO_DEVICE,
};

/** Everything that changes what the page shows. */
const CHANGES = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
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

export class Call {
  state: CallState = IDLE;
  /** Called after each change of `state`. */
  onChange: (state: CallState) => void = () => {};
  /** Called when somebody comes or goes while we are in the call. */
  onPerson: (name: string, change: "joined" | "left") => void = () => {};

  private room: Room | null = null;
  private busy = NO_DEVICE;
  /** Identities whose frames our key did not open. */
  private undecipherable = new Set<string>();

  constructor(private readonly seatStatus: SeatStatus = validateSeat) {}

  /** Enters the call with microphone and camera on. A missing device is a `problem`, not a reason to stay outside. */
  async join(takeSeat: () => Promise<Seat>): Promise<void> {
    this.set({ ...IDLE, phase: "joining" });
    let seat: Seat | null = null;
    try {
      seat = await takeSeat();
      const room = await this.open(seat);
      await room.connect(seat.sfu, seat.token);
    } catch (error) {
      const problem = await joinProblem(error, seat?.sfu ?? "", seat?.token ?? "", this.seatStatus);
      this.close(problem);
      return;
    }
    const problems = await Promise.all([this.start("microphone", true), this.start("camera", true)]);
    this.complain(problems.filter((each) => each !== null).join(" ") || null);
  }

  /** Turns a device on or off. */
  async switch(device: Device, on: boolean): Promise<void> {
    this.complain(await this.start(device, on));
  }

  private async start(device: Device, on: boolean): Promise<string | null> {
    const me = this.room?.localParticipant;
    if (!me || this.busy[device]) return null;
    this.busy = { ...this.busy, [device]: true };
    this.refresh();
    try {
      await SWITCH[device](me, on);
      return null;
    } catch (error) {
      return deviceProblem(device, error);
    } finally {
      this.busy = { ...this.busy, [device]: false };
      this.refresh();
    }
  }

  async leave(): Promise<void> {
    await this.room?.disconnect();
  }

  /** To be called from a click, when `soundAllowed` is false. */
  async allowSound(): Promise<void> {
    await this.room?.startAudio();
  }

  dismissProblem(): void {
    this.set({ ...this.state, problem: null });
  }

  private complain(problem: string | null): void {
    if (problem !== null && this.room) this.set({ ...this.state, problem });
  }

  private async open(seat: Seat): Promise<Room> {
    let encryption;
    if (seat.key !== null) {
      if (!isE2EESupported()) throw new DeviceUnsupportedError();
      const keyProvider = new ExternalE2EEKeyProvider();
      await keyProvider.setKey(seat.key);
      encryption = { keyProvider, worker: new E2eeWorker() };
    }
    // Layers nobody looks at are neither sent to us (adaptiveStream) nor made by us (dynacast).
    const room = new Room({ adaptiveStream: true, dynacast: true, ...(encryption && { encryption }) });
    this.room = room;
    this.undecipherable.clear();
    for (const event of CHANGES) room.on(event, () => this.refresh());
    room.on(RoomEvent.ParticipantConnected, (who) => this.onPerson(nameOf(who), "joined"));
    room.on(RoomEvent.ParticipantDisconnected, (who) => this.onPerson(nameOf(who), "left"));
    room.on(RoomEvent.EncryptionError, (_, who) => {
      if (!who || who.isLocal) return;
      this.undecipherable.add(who.identity);
      this.refresh();
    });
    room.on(RoomEvent.Disconnected, (reason?: DisconnectReason) => {
      // A failed first connection ends in `join`, which knows more.
      if (this.state.phase === "call") this.close(endProblem(reason));
    });
    if (encryption) await room.setE2EEEnabled(true);
    return room;
  }

  private close(problem: string | null): void {
    this.room?.removeAllListeners();
    this.room = null;
    this.busy = NO_DEVICE;
    this.set({ ...IDLE, problem });
  }

  private refresh(): void {
    const room = this.room;
    // Before the first connection there is nothing to show, and the end is told by `close`.
    if (!room || room.state === ConnectionState.Disconnected) return;
    const joined = room.state !== ConnectionState.Connecting;
    const me = room.localParticipant;
    const others = [...room.remoteParticipants.values()];
    this.set({
      phase: joined ? "call" : "joining",
      problem: this.state.problem,
      reconnecting: joined && room.state !== ConnectionState.Connected,
      encrypted: room.isE2EEEnabled,
      soundAllowed: room.canPlaybackAudio,
      tiles: joined ? [me, ...others].flatMap((who) => this.tilesOf(who, room.isE2EEEnabled)) : [],
      sounds: others.flatMap(soundsOf),
      on: { microphone: me.isMicrophoneEnabled, camera: me.isCameraEnabled, screen: me.isScreenShareEnabled },
      busy: this.busy,
    });
  }

  private tilesOf(who: Participant, encrypted: boolean): Tile[] {
    const common = {
      name: nameOf(who),
      own: who.isLocal,
      microphone: who.isMicrophoneEnabled,
      speaking: who.isSpeaking,
      weak: who.connectionQuality === ConnectionQuality.Poor || who.connectionQuality === ConnectionQuality.Lost,
      mismatch: who.isLocal ? "none" : this.mismatch(who, encrypted),
    } as const;
    const picture = (source: Track.Source) => {
      const publication = who.getTrackPublication(source);
      return publication && !publication.isMuted ? (publication.videoTrack ?? null) : null;
    };
    const person: Tile = {
      ...common,
      key: who.identity,
      screen: false,
      video: picture(Track.Source.Camera),
    };
    const screen = picture(Track.Source.ScreenShare);
    return screen ? [person, { ...common, key: `${who.identity}/screen`, screen: true, video: screen }] : [person];
  }

  private mismatch(who: Participant, encrypted: boolean): Tile["mismatch"] {
    const different = who.getTrackPublications().some((each) => each.isEncrypted !== encrypted);
    if (different) return encrypted ? "open" : "sealed";
    return this.undecipherable.has(who.identity) ? "sealed" : "none";
  }

  private set(state: CallState): void {
    this.state = state;
    this.onChange(state);
  }
}

const SWITCH: Record<Device, (me: LocalParticipant, on: boolean) => Promise<unknown>> = {
  microphone: (me, on) => me.setMicrophoneEnabled(on),
  camera: (me, on) => me.setCameraEnabled(on),
  screen: (me, on) => me.setScreenShareEnabled(on, { audio: true }),
};

function soundsOf(who: RemoteParticipant): Sound[] {
  return [...who.audioTrackPublications.values()].flatMap(({ trackSid, source, audioTrack }) =>
    audioTrack instanceof RemoteAudioTrack
      ? [{ key: trackSid, name: nameOf(who), screen: source === Track.Source.ScreenShareAudio, audio: audioTrack }]
      : [],
  );
}

function nameOf(who: Participant): string {
  return who.name || who.identity;
}

/** The smallest `join_request`: a WrappedJoinRequest with an empty JoinRequest in it (livekit_rtc.proto), as base64url. */
const EMPTY_JOIN_REQUEST = "EgA=";

const validateSeat: SeatStatus = async (sfu, token) => {
  const url = new URL(sfu.replace(/^ws/, "http"));
  url.pathname = `${url.pathname.replace(/\/$/, "")}/rtc/v1/validate`;
  url.search = new URLSearchParams({ access_token: token, join_request: EMPTY_JOIN_REQUEST }).toString();
  try {
    return (await fetch(url)).status;
  } catch {
    return null;
  }
};
