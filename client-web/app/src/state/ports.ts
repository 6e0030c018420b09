// What the view models need of the world: Matrix, media, devices. The real ones are in `src/matrix` and `src/media`; tests bring
// their own. Nothing here knows a document.

import type { ReadonlySignal } from "@preact/signals";
import type { ChatPort } from "./chat.ts";
import type { ComparePort } from "./compare.ts";
import type { GuestLinks } from "./invite.ts";
import type { Knock } from "./lobby.ts";
import type { Act } from "./moderation.ts";
import type { Way } from "./network.ts";
import type { PrivatePort } from "./private.ts";
import type { Reaction } from "./reactions.ts";
import type { Rules } from "./rules.ts";

/** A homeserver of the page's own organisation. */
export interface Homeserver {
  /** What user ids end in. */
  name: string;
  /** Base of the client-server API; no slash at its end. */
  url: string;
}

/** What the server says of itself (`/config.json`). */
export interface Config {
  organisation: string;
  homeservers: Homeserver[];
  /** The focus of this organisation. */
  focus: string;
  /** Whether people without an account get in by a link. */
  guests: boolean;
}

/** Somebody who is logged in on a device. */
export interface Account {
  homeserver: Homeserver;
  userId: string;
  deviceId: string;
  token: string;
}

/** A room in the list. */
export interface RoomEntry {
  id: string;
  name: string;
  encrypted: boolean;
  /** How many people are in its call; 0: nobody. */
  inCall: number;
  /** When something happened last, in ms since 1970. */
  activeAt: number;
}

/** One device in the call, as the room says. */
export interface Member {
  /** The same for as long as this device is in the call. */
  key: string;
  userId: string;
  deviceId: string;
  /** What its media goes by on an SFU. */
  identity: string;
  name: string;
  role: Role;
  /** Power in the room. */
  power: number;
  /** What is known of the device; `null`: nothing yet. */
  trust: Trust | null;
  /** The focus by which its media is reached; `null`: it says none. */
  focus: string | null;
  /** Its membership, to which raised hands and reactions refer. */
  eventId: string;
  joinedAt: number;
  isOwn: boolean;
}

/**
 * Whether a device is whose it says: compared by oneself (`verified`), signed by its owner's other devices (`signed`), or neither, so that
 * only a homeserver says whose it is (`unsigned`).
 */
export type Trust = "verified" | "signed" | "unsigned";

/** What somebody is in the room. */
export type Role = "guest" | "participant" | "presenter" | "moderator" | "administrator";

/** A raised hand. */
export interface Hand {
  userId: string;
  since: number;
}

/** The call of a room, as Matrix knows it. */
export interface CallSession {
  readonly roomId: string;
  readonly roomName: ReadonlySignal<string>;
  /** Whether what is said in the room, and so in its call, is encrypted end to end. */
  readonly encrypted: boolean;
  readonly own: { userId: string; deviceId: string; identity: string };
  readonly members: ReadonlySignal<Member[]>;
  /** In the order in which they went up. */
  readonly hands: ReadonlySignal<Hand[]>;
  readonly chat: ChatPort;
  /** What is written to one person alone. */
  readonly private: PrivatePort;
  /** Signs that stand on tiles now. */
  readonly reactions: ReadonlySignal<Reaction[]>;
  /** Links for guests; `null`: this organisation has none. */
  readonly guestLinks: GuestLinks | null;
  /** Who knocks at the room. */
  readonly knocks: ReadonlySignal<Knock[]>;
  /** Whether one may let them in, and refuse them. */
  readonly mayAdmit: ReadonlySignal<boolean>;
  /** What one is in the room oneself. */
  readonly ownRole: ReadonlySignal<Role>;
  /** What holds for calls in this room. */
  readonly rules: ReadonlySignal<Rules>;
  /** Whether one may change that. */
  readonly mayRule: ReadonlySignal<boolean>;
  /** Changes some of the rules; the others stay. */
  rule(change: Partial<Rules>): Promise<void>;
  /** Comparing emoji with somebody's device. */
  readonly comparison: ComparePort;
  /** Whether the homeserver keeps hearing of us. */
  readonly isPresent: ReadonlySignal<boolean>;
  /** The focus at which we publish. */
  ownFocus(): Promise<string>;
  /** Becomes a member that publishes there. `onKey` is told every key of media, one's own included. */
  join(focus: string, onKey: (key: Uint8Array<ArrayBuffer>, index: number, identity: string) => void): Promise<void>;
  leave(): Promise<void>;
  /** Has everybody in the call send the key of what they publish once more. */
  askForKeys(): Promise<void>;
  raiseHand(up: boolean): Promise<void>;
  react(sign: string, name: string): Promise<void>;
  admit(userId: string): Promise<void>;
  refuse(userId: string): Promise<void>;
  /** Has a focus do what a moderator wants. */
  moderate(focus: string, act: Act): Promise<void>;
  /** A seat where nobody else is, to try the way to the SFU. @throws {NetworkFailure} */
  examine(focus: string): Promise<Seat>;
  /** A seat on an SFU: asked for at a focus. */
  seat(focus: string): Promise<Seat>;
}

/** What a focus gives. */
export interface Seat {
  /** WebSocket address of the SFU. */
  url: string;
  jwt: string;
}

/** A homeserver's view for somebody who is logged in. */
export interface House {
  readonly account: Account;
  readonly name: ReadonlySignal<string>;
  readonly rooms: ReadonlySignal<RoomEntry[]>;
  /** Whether the homeserver answers. */
  readonly isReachable: ReadonlySignal<boolean>;
  call(roomId: string): Promise<CallSession>;
  /** What one is in a room: `join`, `invite`, `knock`, `leave`, `ban`; `null`: the homeserver has said nothing of it. */
  membership(roomId: string): ReadonlySignal<string | null>;
  /** Asks to be let into a room, which these homeservers know. */
  knock(roomId: string, via: string[]): Promise<void>;
  /** Ends the session: the device and its keys are gone. */
  logOut(): Promise<void>;
  /** Forgets everything in memory, for a page that goes. */
  close(): void;
}

/** Something that can be shown or heard: it is handed to an element of the page. */
export interface Playable {
  attach(element: HTMLMediaElement): unknown;
  detach(element: HTMLMediaElement): unknown;
}

/** What of one's screen others are to see: something that one chooses, or everything on it. */
export type Extent = "part" | "whole";

/** What comes from one device by an SFU. */
export interface Arriving {
  identity: string;
  /** The focus through which it comes. */
  focus: string;
  camera: Playable | null;
  screen: Playable | null;
  /** To be heard: voice and the sound of a screen. */
  sounds: Playable[];
  /** Whether there is a microphone that is on. */
  speaksUp: boolean;
  isSpeaking: boolean;
  isWeak: boolean;
  /** Whether anything is published, muted or not. */
  publishes: boolean;
  /** Whether it says that what it publishes is encrypted. */
  encrypted: boolean;
}

/** The way to one SFU. */
export interface Link {
  focus: string;
  state: "connecting" | "connected" | "reconnecting" | "failed";
  /** Why it failed. */
  problem: LinkProblem | null;
  /** How media goes to it and comes from it; `null`: that is not known yet. */
  by: Way | null;
  arriving: Arriving[];
}

/** Why there is no way to an SFU. `refused` comes with the focus's own words. */
export type LinkProblem =
  | { kind: "blocked" }
  | { kind: "unreachable" }
  | { kind: "refused"; sentence: string }
  | { kind: "media" }
  | { kind: "removed" }
  | { kind: "elsewhere" }
  | { kind: "ended" }
  /** So many servers are in the call already that no further one is connected to. */
  | { kind: "crowded" };

/** Of what one may publish. */
export type Source = "microphone" | "camera" | "screen";

/** Why a device did not come on. */
export type DeviceProblem = "refused" | "missing" | "busy" | "forbidden" | "unblurred" | "failed";

/** Media in all directions. */
export interface Media {
  readonly links: ReadonlySignal<Link[]>;
  /** Identities of which there is a key. */
  readonly keyed: ReadonlySignal<ReadonlySet<string>>;
  /** Identities whose media could not be opened with it, since their last key. */
  readonly sealed: ReadonlySignal<ReadonlySet<string>>;
  readonly on: ReadonlySignal<Record<Source, boolean>>;
  readonly ownCamera: ReadonlySignal<Playable | null>;
  readonly ownScreen: ReadonlySignal<Playable | null>;
  /** Whether this machine has a network at all, as far as the browser knows. */
  readonly isOnline: ReadonlySignal<boolean>;
  /** False while the browser waits for a click before it plays sound. */
  readonly mayPlay: ReadonlySignal<boolean>;
  /** Begins the way to an SFU; the first one to which one publishes. */
  open(focus: string, publish: boolean): void;
  close(focus: string): void;
  takeKey(key: Uint8Array<ArrayBuffer>, index: number, identity: string): void;
  /** @throws {DeviceRefusal} when it did not come on */
  turn(source: Source, on: boolean, deviceId?: string): Promise<void>;
  /** From now on the camera's picture is blurred behind people, or is not. When that cannot be done the camera is off. @throws {DeviceRefusal} */
  blur(on: boolean): Promise<void>;
  /** Whether blurring has stopped working, and the camera was turned off for that. */
  readonly hasBlurFailed: ReadonlySignal<boolean>;
  /** Shares one's screen. The browser asks what of it. @throws {DeviceRefusal} */
  share(extent: Extent): Promise<void>;
  /** Which devices are used; `null`: those that the system chooses. */
  readonly inUse: ReadonlySignal<Record<Gadget, string | null>>;
  /** Takes another device from now on. @throws when it cannot be had */
  use(gadget: Gadget, id: string): Promise<void>;
  /** Whether no pictures of others are received. */
  readonly savesData: ReadonlySignal<boolean>;
  saveData(on: boolean): void;
  /** Lets sound be heard, after a click. */
  play(): Promise<void>;
  end(): Promise<void>;
}

/** What can be chosen of. */
export type Gadget = "microphone" | "camera" | "speaker";

/** A device did not come on. */
export class DeviceRefusal extends Error {
  constructor(readonly problem: DeviceProblem) {
    super(problem);
  }
}

/** A camera, microphone or loudspeaker to choose. */
export interface Choice {
  id: string;
  label: string;
}
