// Keys that are missing are asked for again: by a membership of one's own that is new, upon which everybody's client sends its key anew.

import { effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { Clock } from "./floor.ts";
import type { Tile } from "./tiles.ts";

/** How long a key may take before it is asked for, in ms, and how long one waits for an answer each time; after the last of these it is given up. */
export const PATIENCE_MS = [5_000, 10_000, 20_000, 40_000, 60_000] as const;

/** So many questions as nobody asks: what was asked before was in vain. */
const GIVEN_UP = PATIENCE_MS.length;

/** Between two questions, whoever they are about: each has everybody send something. */
export const GAP_MS = 10_000;

/** In one call. Somebody may seal with ever other keys on purpose. */
export const ASKS_MAX = 30;

/** What was done about a key that is missing: it may still be on its way, it was asked for, or that was in vain. */
export type Search = "waiting" | "asked" | "vain";

interface Missing {
  asks: number;
  /** When the next thing is to be done. */
  due: number;
}

export class LostKeys {
  private readonly missing = signal<ReadonlyMap<string, Missing>>(new Map());
  private asked = 0;
  private lastAt = Number.NEGATIVE_INFINITY;
  private isOver = false;
  private readonly stopFollowing: () => void;

  /** `ask` has everybody send their keys again. */
  constructor(
    tiles: ReadonlySignal<Tile[]>,
    private readonly ask: () => Promise<void>,
    private readonly clock: Clock,
  ) {
    this.stopFollowing = effect(() => {
      const without = tiles.value.filter(({ lack, isScreen }) => !isScreen && (lack?.kind === "no-key" || lack?.kind === "wrong-key"));
      untracked(() => this.follow(without.map(({ key }) => key)));
    });
  }

  /** How it stands with somebody's key that is missing. */
  of(key: string): Search {
    const asks = this.missing.value.get(key)?.asks ?? 0;
    if (asks === 0) return "waiting";
    return asks < GIVEN_UP ? "asked" : "vain";
  }

  close(): void {
    this.isOver = true;
    this.stopFollowing();
  }

  private follow(without: string[]): void {
    const before = this.missing.value;
    const isSame = before.size === without.length && without.every((key) => before.has(key));
    if (isSame) return;
    const due = this.clock.now() + PATIENCE_MS[0];
    this.missing.value = new Map(without.map((key) => [key, before.get(key) ?? { asks: 0, due }]));
    this.clock.wake(PATIENCE_MS[0], () => this.look());
  }

  private look(): void {
    const now = this.clock.now();
    const all = [...this.missing.value];
    const isDue = ({ asks, due }: Missing): boolean => due <= now && asks < GIVEN_UP;
    const due = all.filter(([, each]) => isDue(each));
    if (this.isOver || due.length === 0) return;
    const wishes = due.some(([, { asks }]) => asks < GIVEN_UP - 1);
    const pause = this.lastAt + GAP_MS - now;
    if (wishes && pause > 0) return this.clock.wake(pause, () => this.look());
    const mayAsk = this.asked < ASKS_MAX;
    this.missing.value = new Map(all.map(([key, each]) => [key, isDue(each) ? this.after(each, now, mayAsk) : each]));
    if (!wishes || !mayAsk) return undefined;
    this.asked += 1;
    this.lastAt = now;
    // What does not get through is tried again when its time has come.
    return void this.ask().catch(() => {});
  }

  private after({ asks }: Missing, now: number, mayAsk: boolean): Missing {
    const pause = PATIENCE_MS[asks + 1];
    if (!mayAsk || pause === undefined) return { asks: GIVEN_UP, due: Number.POSITIVE_INFINITY };
    this.clock.wake(pause, () => this.look());
    return { asks: asks + 1, due: now + pause };
  }
}
