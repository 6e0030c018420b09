// A lock on the call: nobody new gets in. Moderators turn it, for all organisations at once, by a rule of the room, and the focuses hold
// to it. It names those who are there, so that they come back by any server after a lost connection.

import { computed, signal } from "@preact/signals";
import type { CallSession, Member } from "./ports.ts";
import { atLeast } from "./role.ts";
import { locksOut } from "./rules.ts";

type Ports = Pick<CallSession, "members" | "rules" | "mayRule" | "ownRole" | "own" | "rule">;

/** Whether a lock keeps one out oneself. */
export function isLockedOut({ rules, own, ownRole, members }: Pick<Ports, "rules" | "own" | "ownRole" | "members">): boolean {
  return locksOut(rules.value, { userId: own.userId, role: ownRole.value }, members.value);
}

export class Lock {
  readonly hasFailed = signal(false);
  readonly isBusy = signal(false);
  readonly isLocked = computed(() => this.session.rules.value.locked !== null);
  /** Whether one may turn it. */
  readonly mayTurn = computed(() => this.session.mayRule.value && atLeast(this.session.ownRole.value, "moderator"));

  constructor(private readonly session: Ports) {}

  /** Whether it keeps out somebody who says that they are in the call. */
  isOut({ userId, role }: Pick<Member, "userId" | "role">): boolean {
    return locksOut(this.session.rules.value, { userId, role }, this.session.members.value);
  }

  async turn(on: boolean): Promise<void> {
    await this.write(on ? new Set(this.session.members.value.map(({ userId }) => userId)) : null);
  }

  /** Takes somebody in although it is locked; nothing to do if it is not, or for whoever may not. */
  async letIn(userId: string): Promise<void> {
    const { locked } = this.session.rules.value;
    if (locked && this.mayTurn.value && !locked.has(userId)) await this.write(new Set([...locked, userId]));
  }

  /** Takes in somebody no more who was there. */
  async keepOut(userId: string): Promise<void> {
    const { locked } = this.session.rules.value;
    if (locked?.has(userId) && this.mayTurn.value) await this.write(new Set([...locked].filter((each) => each !== userId)));
  }

  /** One is the first in the call, or the last one: a lock of before keeps nobody from the next call. */
  async openIfAlone(): Promise<void> {
    const { own, members } = this.session;
    const isAlone = members.value.every(({ userId }) => userId === own.userId);
    if (isAlone && this.isLocked.value && this.mayTurn.value) await this.write(null);
  }

  private async write(locked: ReadonlySet<string> | null): Promise<void> {
    if (this.isBusy.value) return;
    this.isBusy.value = true;
    this.hasFailed.value = false;
    try {
      await this.session.rule({ locked });
    } catch {
      this.hasFailed.value = true;
    } finally {
      this.isBusy.value = false;
    }
  }
}
