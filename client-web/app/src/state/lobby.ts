// Who knocks, for those who may let people in. The lobby is Matrix' knocking, so others may answer with any client.

import { computed, signal } from "@preact/signals";
import { organisationOf } from "./name.ts";
import type { CallSession } from "./ports.ts";
import { isGuest } from "./role.ts";

/** Somebody who wants in. */
export interface Knock {
  userId: string;
  name: string;
  /** When they knocked, in ms since 1970. */
  at: number;
}

/** The same with what one ought to know before one opens. */
export interface Visitor extends Knock {
  organisation: string;
  isGuest: boolean;
}

/** People that are shown at a time: a thousand that knock cover nobody's call. */
export const SHOWN_MAX = 3;

export class Lobby {
  private readonly answered = signal<ReadonlySet<string>>(new Set());
  readonly hasFailed = signal(false);
  /** Those who wait, the first one first; nobody for whoever may not let people in. */
  private readonly waiting = computed<Visitor[]>(() => {
    if (!this.session.mayAdmit.value) return [];
    return this.session.knocks.value
      .filter(({ userId }) => !this.answered.value.has(userId))
      .toSorted((one, other) => one.at - other.at)
      .map((knock) => Object.assign({}, knock, { organisation: organisationOf(knock.userId), isGuest: isGuest(knock.userId) }));
  });
  readonly visitors = computed(() => this.waiting.value.slice(0, SHOWN_MAX));
  /** How many wait behind those who are shown. */
  readonly more = computed(() => this.waiting.value.length - this.visitors.value.length);

  /** `unlock` lets somebody into a call that is locked. */
  constructor(
    private readonly session: Pick<CallSession, "knocks" | "mayAdmit" | "admit" | "refuse">,
    private readonly unlock: (userId: string) => Promise<void>,
  ) {}

  admit(userId: string): Promise<void> {
    return this.answer(userId, async () => {
      await this.unlock(userId);
      await this.session.admit(userId);
    });
  }

  refuse(userId: string): Promise<void> {
    return this.answer(userId, () => this.session.refuse(userId));
  }

  /** Is gone from the list at once, and back in it if the homeserver did not take the answer. */
  private async answer(userId: string, run: () => Promise<void>): Promise<void> {
    this.hasFailed.value = false;
    this.answered.value = new Set([...this.answered.value, userId]);
    try {
      await run();
    } catch {
      this.hasFailed.value = true;
    } finally {
      // Whoever was let in or refused does not knock any more; who knocks again later is seen again.
      this.answered.value = new Set([...this.answered.value].filter((each) => each !== userId));
    }
  }
}
