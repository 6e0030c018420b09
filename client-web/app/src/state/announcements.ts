// What screen readers are told while a call goes on, and which of it somebody wants to hear. What one's own doing leads to is told always.

import { effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { Clock } from "./floor.ts";
import type { Hand, Member } from "./ports.ts";
import type { Reaction } from "./reactions.ts";

/**
 * Kinds that can be quietened each: who comes and goes; raised hands; reactions; what is written; who wants to be let in; what holds in the
 * meeting (its lock, its kind); why somebody is not seen; how it stands with the connection.
 */
export const ANNOUNCEMENTS = ["people", "hands", "reactions", "chat", "lobby", "meeting", "media", "connection"] as const;
export type Announcement = (typeof ANNOUNCEMENTS)[number];

/** Where the choice is kept: the kinds that are quiet, so that what is new one day is told. */
const KEPT = "hanse.quiet";

const quiet = signal<ReadonlySet<Announcement>>(kept());

function kept(): ReadonlySet<Announcement> {
  const names = new Set((globalThis.localStorage?.getItem(KEPT) ?? "").split(" "));
  return new Set(ANNOUNCEMENTS.filter((each) => names.has(each)));
}

/** Whether this kind is told. */
export function isTold(kind: Announcement): boolean {
  return !quiet.value.has(kind);
}

/** Has a kind be told from now on, or not. */
export function tell(kind: Announcement, on: boolean): void {
  quiet.value = new Set(ANNOUNCEMENTS.filter((each) => (each === kind ? !on : quiet.value.has(each))));
  globalThis.localStorage?.setItem(KEPT, [...quiet.value].join(" "));
}

/** One thing that is told. With more people than can be named there are none, and how many. */
export interface Told {
  id: number;
  what: "joined" | "left" | "hand-up" | "hand-down" | "sign" | "wrote";
  names: string[];
  count: number;
  /** Of a reaction. */
  sign: string;
}

/** Who comes and goes within this many ms is told at once. */
export const GATHERED_MS = 1_000;

/** People who are named; of more it is told how many they are. */
export const NAMED_MAX = 3;

/** How long it stands where screen readers find it, in ms, and how much at a time: what is told later than that is no news. */
export const STANDS_MS = 10_000;
const STANDING_MAX = 8;

interface Seen {
  members: ReadonlySignal<Member[]>;
  hands: ReadonlySignal<Hand[]>;
  reactions: ReadonlySignal<Reaction[]>;
  own: { userId: string };
}

export class Announcements {
  private readonly standing = signal<Told[]>([]);
  private last = 0;
  /** Whom one knows to be there; `null`: nobody has looked yet, and whoever is there is no news. */
  private present: ReadonlyMap<string, string> | null = null;
  private isGathering = false;
  private isOver = false;
  private raised: ReadonlySet<string>;
  private signs: ReadonlySet<Reaction>;
  private readonly stops: (() => void)[];

  constructor(
    private readonly seen: Seen,
    private readonly clock: Clock,
  ) {
    this.raised = new Set(seen.hands.peek().map(({ userId }) => userId));
    this.signs = new Set(seen.reactions.peek());
    this.stops = [
      effect(() => {
        const { value } = seen.members;
        untracked(() => this.gather(value));
      }),
      effect(() => {
        const { value } = seen.hands;
        untracked(() => this.followHands(value));
      }),
      effect(() => {
        const { value } = seen.reactions;
        untracked(() => this.followSigns(value));
      }),
    ];
  }

  /** What is told now, the last at the end. */
  get told(): ReadonlySignal<Told[]> {
    return this.standing;
  }

  close(): void {
    this.isOver = true;
    for (const stop of this.stops) stop();
  }

  /** Tells something, if its kind is told. */
  put(kind: Announcement, what: Told["what"], names: string[], sign = ""): void {
    if (names.length === 0 || !isTold(kind)) return;
    this.last += 1;
    const id = this.last;
    const told: Told = { id, what, names: names.length > NAMED_MAX ? [] : names, count: names.length, sign };
    this.standing.value = [...this.standing.value, told].slice(-STANDING_MAX);
    this.clock.wake(STANDS_MS, () => {
      this.standing.value = this.standing.value.filter((each) => each.id !== id);
    });
  }

  /** Somebody whose connection is lost for a moment comes back before anybody is told that they left. */
  private gather(members: Member[]): void {
    // Before one is there oneself, the others are no news.
    if (this.present === null) {
      if (members.some(({ isOwn }) => isOwn)) this.present = this.othersIn(members);
      return;
    }
    if (this.isGathering) return;
    this.isGathering = true;
    this.clock.wake(GATHERED_MS, () => this.compare());
  }

  private compare(): void {
    this.isGathering = false;
    if (this.isOver || this.present === null) return;
    const before = this.present;
    const now = this.othersIn(this.seen.members.peek());
    this.present = now;
    this.put("people", "joined", [...now].filter(([userId]) => !before.has(userId)).map(([, name]) => name));
    this.put("people", "left", [...before].filter(([userId]) => !now.has(userId)).map(([, name]) => name));
  }

  private followHands(hands: Hand[]): void {
    const now = new Set(hands.map(({ userId }) => userId).filter((userId) => userId !== this.seen.own.userId));
    const before = this.raised;
    this.raised = now;
    this.put("hands", "hand-up", this.namesOf([...now].filter((userId) => !before.has(userId))));
    // Whoever leaves has not lowered it.
    const there = this.othersIn(this.seen.members.peek());
    this.put("hands", "hand-down", this.namesOf([...before].filter((userId) => !now.has(userId) && there.has(userId))));
  }

  private followSigns(signs: Reaction[]): void {
    const before = this.signs;
    this.signs = new Set(signs);
    for (const each of signs) {
      if (!before.has(each) && each.userId !== this.seen.own.userId) this.put("reactions", "sign", this.namesOf([each.userId]), each.sign);
    }
  }

  private othersIn(members: Member[]): ReadonlyMap<string, string> {
    return new Map(members.flatMap(({ userId, name }) => (userId === this.seen.own.userId ? [] : [[userId, name] as const])));
  }

  private namesOf(userIds: string[]): string[] {
    const people = this.othersIn(this.seen.members.peek());
    return userIds.map((userId) => people.get(userId) ?? userId);
  }
}
