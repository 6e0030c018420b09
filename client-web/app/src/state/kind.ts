// What kind of meeting it is: with pictures, with sound alone, or in writing alone. Moderators choose, by a rule of the room that holds for
// themselves as well, and the focuses and SFUs hold to it.

import { computed, signal } from "@preact/signals";
import type { CallSession, Source } from "./ports.ts";
import { atLeast } from "./role.ts";

export type MeetingKind = "pictures" | "sound" | "text";

export const KINDS: readonly MeetingKind[] = ["pictures", "sound", "text"];

const WITHOUT: Record<MeetingKind, readonly Source[]> = {
  pictures: [],
  sound: ["camera", "screen"],
  text: ["camera", "screen", "microphone"],
};

/** What a meeting is that goes without these. */
export function kindOf(without: ReadonlySet<Source>): MeetingKind {
  if (WITHOUT.text.every((source) => without.has(source))) return "text";
  return WITHOUT.sound.every((source) => without.has(source)) ? "sound" : "pictures";
}

export class Kind {
  readonly hasFailed = signal(false);
  readonly now = computed(() => kindOf(this.session.rules.value.without));
  readonly mayChoose = computed(() => this.session.mayRule.value && atLeast(this.session.ownRole.value, "moderator"));

  constructor(private readonly session: Pick<CallSession, "rules" | "mayRule" | "ownRole" | "rule">) {}

  async choose(kind: MeetingKind): Promise<void> {
    this.hasFailed.value = false;
    try {
      await this.session.rule({ without: new Set(WITHOUT[kind]) });
    } catch {
      this.hasFailed.value = true;
    }
  }
}
