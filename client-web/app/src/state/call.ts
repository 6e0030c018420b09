// A call as one is in it: who is seen, what one sends, who can read what, and what is wrong.

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { Announcements } from "./announcements.ts";
import { isBlurred, wishBlur } from "./blur.ts";
import { Chat } from "./chat.ts";
import type { DevicePorts, Wish } from "./door.ts";
import type { Clock } from "./floor.ts";
import { Gear } from "./gear.ts";
import { Invite } from "./invite.ts";
import { Arrangement } from "./layout.ts";
import { Kind } from "./kind.ts";
import { Lobby } from "./lobby.ts";
import { isLockedOut, Lock } from "./lock.ts";
import { LostKeys } from "./lost-keys.ts";
import { Moderation } from "./moderation.ts";
import { organisationOf } from "./name.ts";
import type { Way } from "./network.ts";
import { Private } from "./private.ts";
import { Presenters } from "./presenters.ts";
import { type CallSession, type DeviceProblem, DeviceRefusal, type Extent, type LinkProblem, type Media, type Member, type Source, type Trust } from "./ports.ts";
import { FOCUSES_MAX, type Sight, strangersIn, tilesOf } from "./tiles.ts";

/** What one ought to know. */
export type Trouble =
  | { kind: "device"; source: Source; problem: DeviceProblem }
  | { kind: "link"; problem: LinkProblem | null }
  | { kind: "locked" }
  | { kind: "lock" }
  | { kind: "presenters" }
  | { kind: "meeting" }
  | { kind: "offline" }
  | { kind: "homeserver" }
  | { kind: "hand" }
  | { kind: "sign" };

/** How a call ends for somebody who has not left it. */
export type Ending = "removed" | "elsewhere" | "ended";

/** Somebody with a key of this call. */
export interface Reader {
  userId: string;
  name: string;
  organisation: string;
  devices: { id: string; trust: Trust | null }[];
  isOwn: boolean;
}

/** What can be open beside the tiles: who can read it, the chat, links for guests, devices, or what is told. */
export type Beside = "readers" | "chat" | "invite" | "gear" | "announcements";

/** What comes on again by itself after the way was lost: whoever shares a screen is asked anew what of it. */
const TURNED = ["microphone", "camera"] as const;
type Turned = (typeof TURNED)[number];

const OFF: Record<Source, boolean> = { microphone: false, camera: false, screen: false };

/** The time of this machine. */
const CLOCK: Clock = { now: () => Date.now(), wake: (afterMs, run) => void setTimeout(run, afterMs) };

export class Call {
  /** What is open beside the tiles. */
  readonly beside = signal<Beside | null>(null);
  readonly busy = signal(OFF);
  readonly isLeaving = signal(false);
  private readonly refused = signal<Trouble | null>(null);
  private readonly ownFocus = signal("");
  private stopFollowing = (): void => {};
  /** Whether the key for speaking is held. */
  private isTalking = false;

  readonly sight = computed<Sight>(() => ({
    members: this.session.members.value,
    hands: this.session.hands.value,
    reactions: this.session.reactions.value,
    links: this.media.links.value,
    rules: this.session.rules.value,
    encrypted: this.session.encrypted,
    keyed: this.media.keyed.value,
    sealed: this.media.sealed.value,
    own: { camera: this.media.ownCamera.value, screen: this.media.ownScreen.value, microphone: this.media.on.value.microphone },
  }));
  readonly tiles = computed(() => tilesOf(this.sight.value));
  readonly people = computed(() => this.tiles.value.filter(({ isScreen }) => !isScreen).length);
  readonly strangers = computed(() => strangersIn(this.sight.value));
  readonly isHandUp = computed(() => this.session.hands.value.some(({ userId }) => userId === this.session.own.userId));
  /** Everybody to whose device the keys of this call go, oneself included. */
  readonly readers = computed<Reader[]>(() => {
    const readers = new Map<string, Reader>();
    for (const { userId, name, deviceId: id, isOwn, trust } of this.session.members.value) {
      const known = readers.get(userId) ?? { userId, name, organisation: organisationOf(userId), devices: [], isOwn: false };
      readers.set(userId, { ...known, devices: [...known.devices, { id, trust }], isOwn: known.isOwn || isOwn });
    }
    return [...readers.values()];
  });
  private readonly own = computed(() => this.media.links.value.find(({ focus }) => focus === this.ownFocus.value));
  readonly trouble = computed<Trouble | null>(() => {
    if (this.refused.value) return this.refused.value;
    if (this.media.hasBlurFailed.value) return { kind: "device", source: "camera", problem: "unblurred" };
    if (this.lock.hasFailed.value) return { kind: "lock" };
    if (this.presenters.hasFailed.value) return { kind: "presenters" };
    if (this.kind.hasFailed.value) return { kind: "meeting" };
    if (!this.media.isOnline.value) return { kind: "offline" };
    const own = this.own.value;
    if (own?.problem?.kind === "refused" && isLockedOut(this.session)) return { kind: "locked" };
    if (own?.state === "failed") return { kind: "link", problem: own.problem };
    return this.session.isPresent.value ? null : { kind: "homeserver" };
  });
  /** Why it is over for oneself without one's own doing; `null`: it is not. */
  readonly over = computed<Ending | null>(() => {
    const kind = this.own.value?.problem?.kind;
    return kind === "removed" || kind === "elsewhere" || kind === "ended" ? kind : null;
  });
  /** Whether one may make links for guests: as the server will see it, unless the room says more. */
  readonly mayInvite = computed(() => this.moderation.isModerator.value && this.session.mayAdmit.value && this.session.guestLinks !== null);
  /** Whether one's own media has its way. */
  readonly state = computed(() => this.own.value?.state ?? "connecting");
  /** By what one's media has to go because the network lets it not go straight; `null`: it does, or one knows. */
  readonly detour = computed<Exclude<Way, "udp"> | null>(() => {
    const by = this.own.value?.by ?? "udp";
    return by === "udp" || by === this.knownDetour.value ? null : by;
  });
  private readonly knownDetour = signal<Way | null>(null);
  /** Organisations whose server was lost and is being looked for, while one's own is there. */
  readonly lost = computed(() => {
    if (this.state.value !== "connected") return [];
    const focuses = new Set(this.media.links.value.filter(({ state }) => state === "reconnecting").map(({ focus }) => focus));
    const members = this.session.members.value.filter(({ focus }) => focus !== null && focuses.has(focus));
    return [...new Set(members.map(({ userId }) => organisationOf(userId)))];
  });

  readonly announcements: Announcements;
  readonly arrangement: Arrangement;
  readonly lostKeys: LostKeys;
  readonly moderation: Moderation;
  readonly chat: Chat;
  readonly private: Private;
  readonly gear: Gear;
  readonly lobby: Lobby;
  readonly lock: Lock;
  readonly presenters: Presenters;
  readonly kind: Kind;
  /** `null`: this organisation has no guests. */
  readonly invite: Invite | null;

  constructor(
    readonly session: CallSession,
    readonly media: Media,
    devices: Pick<DevicePorts, "list" | "onChange">,
    clock: Clock = CLOCK,
  ) {
    this.announcements = new Announcements(session, clock);
    this.arrangement = new Arrangement(this.tiles, clock);
    this.lostKeys = new LostKeys(this.tiles, () => this.session.askForKeys(), clock);
    this.gear = new Gear(devices, media);
    this.moderation = new Moderation(session);
    this.lock = new Lock(session);
    this.presenters = new Presenters(session);
    this.kind = new Kind(session);
    this.lobby = new Lobby(session, (userId) => this.lock.letIn(userId));
    this.invite = session.guestLinks && new Invite(session.guestLinks);
    const since = Date.now();
    this.chat = new Chat(session.chat, since);
    this.private = new Private(session.private, session.own, since, (name) => this.announcements.put("chat", "wrote", [name]));
  }

  /** Goes in, with what was on at the door. */
  async enter(wish: Wish): Promise<void> {
    const wanted = new Map<Turned, string | undefined>();
    for (const source of TURNED) if (wish.on[source]) wanted.set(source, wish.chosen[source] ?? undefined);
    let last = OFF;
    const own = await this.session.ownFocus();
    this.ownFocus.value = own;
    // Nothing is published yet: it is about what will be.
    await this.media.blur(isBlurred.value);
    await this.lock.openIfAlone();
    if (wish.savesData) this.media.saveData(true);
    this.media.open(own, true);
    const stops: (() => void)[] = [];
    this.stopFollowing = () => {
      for (const stop of stops) stop();
    };
    // On the way to those who are there already while they are told of oneself.
    stops.push(
      effect(() => {
        const { value } = this.session.members;
        untracked(() => this.follow(value));
      }),
    );
    await this.session.join(own, (key, index, identity) => this.media.takeKey(key, index, identity));
    // Somebody may have left meanwhile.
    if (this.isLeaving.value) return;
    const untilConnected = (): void => {
      if (this.state.value !== "connected") return;
      untracked(() => {
        for (const [source, device] of wanted) void this.turn(source, true, device);
        wanted.clear();
      });
    };
    const remember = (): void => {
      const [state, on, inUse] = [this.state.value, this.media.on.value, this.media.inUse.value];
      // What was on when the way was lost comes on again with it; what somebody has switched off meanwhile was off before.
      if (state === "connected") last = on;
      else if (state === "failed" && !this.isLeaving.value) {
        for (const source of TURNED) if (last[source]) wanted.set(source, inUse[source] ?? undefined);
        last = OFF;
      }
    };
    const obey = (): void => {
      const { without } = this.session.rules.value;
      const isWritten = this.kind.now.value === "text";
      untracked(() => {
        // The server has ended it. That the device's light goes out as well is up to us.
        for (const source of without) if (this.media.on.value[source]) void this.turn(source, false);
        if (isWritten) this.beside.value = "chat";
      });
    };
    for (const act of [untilConnected, remember, obey]) stops.push(effect(act));
  }

  /** What somebody in the call is called. */
  nameOf(userId: string): string {
    return this.session.members.value.find((member) => member.userId === userId)?.name ?? userId;
  }

  /** Whether this meeting has a place for it. */
  offers(source: Source): boolean {
    return !this.session.rules.value.without.has(source);
  }

  async turn(source: Source, on: boolean, deviceId?: string): Promise<void> {
    if (on && !this.offers(source)) return;
    await this.attempt(source, () => this.media.turn(source, on, deviceId));
  }

  private async attempt(source: Source, run: () => Promise<void>): Promise<void> {
    if (this.busy.value[source]) return;
    batch(() => {
      this.busy.value = { ...this.busy.value, [source]: true };
      this.refused.value = null;
    });
    try {
      await run();
    } catch (error) {
      const problem = error instanceof DeviceRefusal ? error.problem : "failed";
      // Whoever closes the choice of screens has changed their mind.
      if (!(source === "screen" && problem === "refused")) this.refused.value = { kind: "device", source, problem };
    } finally {
      this.busy.value = { ...this.busy.value, [source]: false };
    }
  }

  /** Whether what is behind oneself is blurred, from now on. */
  async blur(on: boolean): Promise<void> {
    wishBlur(on);
    await this.attempt("camera", () => this.media.blur(on));
  }

  /** Speaks for as long as a key is held, with a microphone that is off otherwise. */
  async pushToTalk(isHeld: boolean): Promise<void> {
    if (isHeld === this.isTalking || (isHeld && this.media.on.value.microphone)) return;
    this.isTalking = isHeld;
    await this.turn("microphone", isHeld);
    // Whoever let go while it came on has not wanted it to stay.
    if (this.media.on.value.microphone !== this.isTalking) await this.turn("microphone", this.isTalking);
  }

  toggle(source: Source): Promise<void> {
    return this.turn(source, !this.media.on.value[source]);
  }

  async toggleHand(): Promise<void> {
    try {
      await this.session.raiseHand(!this.isHandUp.value);
    } catch {
      this.refused.value = { kind: "hand" };
    }
  }

  /** Shares one's screen, or what one chooses of it. */
  share(extent: Extent): Promise<void> {
    return this.attempt("screen", () => this.media.share(extent));
  }

  async react(sign: string, name: string): Promise<void> {
    try {
      await this.session.react(sign, name);
    } catch {
      this.refused.value = { kind: "sign" };
    }
  }

  /** Opens it, or closes it if it is what is open. */
  show(beside: Beside): void {
    this.beside.value = this.beside.value === beside ? null : beside;
  }

  /** Writes to one person alone, beside the call. */
  writeTo(userId: string): void {
    this.private.open(userId, this.nameOf(userId));
    this.beside.value = "chat";
  }

  /** Out of the call; and, if it is locked, not in again. */
  async remove(userId: string): Promise<void> {
    await this.lock.keepOut(userId);
    await this.moderation.remove(userId);
  }

  /** One knows by what one's media goes, and need not be told any longer. */
  dismissDetour(): void {
    this.knownDetour.value = this.detour.value;
  }

  dismissTrouble(): void {
    this.refused.value = null;
    this.lock.hasFailed.value = false;
    this.presenters.hasFailed.value = false;
    this.kind.hasFailed.value = false;
  }

  async leave(): Promise<void> {
    if (this.isLeaving.value) return;
    this.isLeaving.value = true;
    this.stopFollowing();
    this.announcements.close();
    this.chat.close();
    this.private.close();
    this.gear.close();
    this.arrangement.close();
    this.lostKeys.close();
    await this.lock.openIfAlone();
    await Promise.allSettled([this.media.end(), this.session.leave()]);
  }

  /** Ways are there for as long as somebody publishes at their end. */
  private follow(members: Member[]): void {
    const inOrder = members.toSorted((one, other) => one.joinedAt - other.joinedAt);
    const named = new Set(inOrder.flatMap(({ focus, isOwn }) => (focus === null || isOwn ? [] : [focus])));
    // Anybody in the room may name any server, and each that is connected to learns one's address.
    const wanted = new Set([...named].slice(0, FOCUSES_MAX));
    const open = this.media.links.value.map(({ focus }) => focus);
    for (const focus of wanted) this.media.open(focus, false);
    for (const focus of open) if (focus !== this.ownFocus.value && !wanted.has(focus)) this.media.close(focus);
  }
}
