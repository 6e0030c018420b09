// Who presents: moderators give that to single people and take it away, by a rule of the room. What presenters may share that others may
// not, the room's other rules say. A guest may present, and stays a guest in everything else.

import { signal } from "@preact/signals";
import type { CallSession, Role } from "./ports.ts";
import { atLeast } from "./role.ts";
import { PRESENTERS_MAX } from "./rules.ts";

type Person = { userId: string; role: Role };

export class Presenters {
  readonly hasFailed = signal(false);

  constructor(private readonly session: Pick<CallSession, "rules" | "mayRule" | "ownRole" | "rule" | "members">) {}

  /** Whether somebody was made one; those who moderate are none the less able to do all that presenters do. */
  isOne({ userId }: Person): boolean {
    return this.session.rules.value.presenters.has(userId);
  }

  /** Whether one may make one of them. */
  mayGive(person: Person): boolean {
    return this.mayRule && !this.isOne(person) && !atLeast(person.role, "presenter");
  }

  /** Whether one may take it away; what the power in the room says, nobody takes away here. */
  mayTake(person: Person): boolean {
    return this.mayRule && this.isOne(person);
  }

  give({ userId }: Person): Promise<void> {
    const { presenters } = this.session.rules.value;
    // There is no place for ever more, and none of those who are gone needs one.
    const there = new Set(this.session.members.value.map((member) => member.userId));
    const kept = presenters.size < PRESENTERS_MAX ? [...presenters] : [...presenters].filter((each) => there.has(each));
    return this.write(new Set([...kept, userId]));
  }

  take({ userId }: Person): Promise<void> {
    return this.write(new Set([...this.session.rules.value.presenters].filter((each) => each !== userId)));
  }

  private get mayRule(): boolean {
    return this.session.mayRule.value && atLeast(this.session.ownRole.value, "moderator");
  }

  private async write(presenters: ReadonlySet<string>): Promise<void> {
    this.hasFailed.value = false;
    try {
      await this.session.rule({ presenters });
    } catch {
      this.hasFailed.value = true;
    }
  }
}
