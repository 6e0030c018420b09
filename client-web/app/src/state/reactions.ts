// A sign on somebody's tile for a moment.

import { computed, signal } from "@preact/signals";

/** A sign that somebody sent. */
export interface Reaction {
  /** The membership to which it refers: a device in the call. */
  membership: string;
  userId: string;
  sign: string;
  /** When it is to go, in ms of the clock that says `now`. */
  until: number;
}

/** Signs to choose from, with the names that Element Call gives them. */
export const SIGNS = [
  { sign: "👍", name: "thumbsup" },
  { sign: "👎", name: "thumbsdown" },
  { sign: "👏", name: "clapping" },
  { sign: "🎉", name: "party" },
  { sign: "😄", name: "laugh" },
  { sign: "👋", name: "wave" },
] as const;

/** For how long a sign stands there, as in Element Call. */
export const SHOWN_MS = 3_000;

/** Signs that stand there at a time; with more, the oldest go. */
const REACTIONS_MAX = 100;

/** Signs that stand on tiles now. What the clock says, and waking when a sign is to go, is told from outside. */
export class Reactions {
  private readonly all = signal<Reaction[]>([]);
  readonly shown = computed(() => this.all.value);

  constructor(
    private readonly now: () => number,
    private readonly wake: (afterMs: number, run: () => void) => void,
  ) {}

  /** Somebody has sent something; what is no sign is passed over. A newer one takes the place of one's last. */
  take(membership: string, userId: string, given: unknown): void {
    const sign = signOf(given);
    if (sign === null) return;
    const rest = this.all.value.filter((each) => each.membership !== membership);
    this.all.value = [...rest, { membership, userId, sign, until: this.now() + SHOWN_MS }].slice(-REACTIONS_MAX);
    this.wake(SHOWN_MS, () => {
      this.all.value = this.all.value.filter(({ until }) => until > this.now());
    });
  }
}

/** The first sign of a text, if it begins with one; words are none. */
export function signOf(given: unknown): string | null {
  if (typeof given !== "string") return null;
  const [first] = new Intl.Segmenter("en", { granularity: "grapheme" }).segment(given.slice(0, 64));
  return first && /^\p{Extended_Pictographic}/u.test(first.segment) ? first.segment : null;
}
