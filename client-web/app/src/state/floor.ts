// Who has the floor: whoever has really been speaking. A cough, a word in between and a pause for breath change nothing.

import { type ReadonlySignal, signal } from "@preact/signals";

/** For how long somebody speaks, in ms, before the floor is theirs. */
export const TAKES_MS = 1_500;

/** A pause of at most this many ms is part of speaking. */
export const PAUSE_MS = 1_000;

interface Spell {
  since: number;
  /** When they fell silent; `null`: they speak. */
  until: number | null;
}

/** What the clock says in ms, and waking after some of them, is told from outside. */
export interface Clock {
  now(): number;
  wake(afterMs: number, run: () => void): void;
}

export class Floor {
  private readonly holder = signal<string | null>(null);
  private readonly spells = new Map<string, Spell>();

  constructor(private readonly clock: Clock) {}

  /** Who has it; `null`: nobody has spoken yet, or they are gone. */
  get of(): ReadonlySignal<string | null> {
    return this.holder;
  }

  /** Who is there, and who of them speaks now. */
  hear(present: ReadonlySet<string>, speaking: ReadonlySet<string>): void {
    const now = this.clock.now();
    for (const who of this.spells.keys()) if (!present.has(who)) this.spells.delete(who);
    for (const who of speaking) {
      const spell = this.spells.get(who);
      if (!spell || this.isOver(spell, now)) this.begin(who, now);
      else spell.until = null;
    }
    for (const [who, spell] of this.spells) {
      if (spell.until !== null || speaking.has(who)) continue;
      spell.until = now;
      // Others wait for the end of what may be a pause.
      this.clock.wake(PAUSE_MS, () => this.decide());
    }
    if (this.holder.peek() !== null && !present.has(this.holder.peek() ?? "")) this.holder.value = null;
    this.decide();
  }

  private begin(who: string, now: number): void {
    this.spells.set(who, { since: now, until: null });
    this.clock.wake(TAKES_MS, () => this.decide());
  }

  private isOver({ until }: Spell, now: number): boolean {
    return until !== null && now - until >= PAUSE_MS;
  }

  /** Whoever has the floor keeps it while they speak; then it goes to whoever has spoken for longest. */
  private decide(): void {
    const now = this.clock.now();
    const held = this.spells.get(this.holder.peek() ?? "");
    if (held && !this.isOver(held, now)) return;
    const ready = [...this.spells].filter(([, { since, until }]) => until === null && now - since >= TAKES_MS);
    const [next] = ready.toSorted(([, one], [, other]) => one.since - other.since);
    if (next) this.holder.value = next[0];
  }
}
