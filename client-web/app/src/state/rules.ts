// The room's rules for its calls, as far as moderators change them in a call (docs/rooms-and-roles.md). The focuses enforce them; this
// reads them as they do, and writes them.

import { atLeast } from "./role.ts";
import type { Member, Role, Source } from "./ports.ts";

/** Presenters whom the focuses take from a room. */
export const PRESENTERS_MAX = 256;

export interface Rules {
  /** Whom a locked call takes in, besides moderators and those who are in it; `null`: it is not locked. */
  locked: ReadonlySet<string> | null;
  /** Who is a presenter without the power that it takes otherwise. */
  presenters: ReadonlySet<string>;
  /** What nobody publishes, whatever power they have. */
  without: ReadonlySet<Source>;
}

/** Everything that can be published. */
const SOURCES: readonly Source[] = ["camera", "microphone", "screen"];

/** Of `org.hanse.call_policy`. What cannot be understood is closed. */
export function readRules(content: Record<string, unknown>): Rules {
  const { locked, presenters, without } = content;
  return {
    locked: locked === undefined || locked === false ? null : new Set(texts(locked)),
    presenters: new Set(texts(presenters).slice(0, PRESENTERS_MAX)),
    without: new Set(without === undefined ? [] : sources(without)),
  };
}

function sources(value: unknown): readonly Source[] {
  return Array.isArray(value) && value.every((each) => SOURCES.includes(each)) ? value : SOURCES;
}

/** The event with some rules changed; all others stay as they are. */
export function changedRules(content: Record<string, unknown>, { locked, presenters, without }: Partial<Rules>): Record<string, unknown> {
  return {
    ...content,
    ...(locked !== undefined && { locked: locked === null ? false : [...locked] }),
    ...(presenters !== undefined && { presenters: [...presenters] }),
    ...(without !== undefined && { without: [...without] }),
  };
}

/** Whether a lock keeps somebody out who is not in the call: as the focus sees it. */
export function locksOut({ locked }: Rules, who: { userId: string; role: Role }, members: Member[]): boolean {
  if (locked === null || mayPass(locked, who)) return false;
  // A lock is for the call that goes on. Whoever is kept out may say that they are in it, and keeps out nobody.
  return members.some((member) => member.userId !== who.userId && (locked.size === 0 || mayPass(locked, member)));
}

function mayPass(locked: ReadonlySet<string>, { userId, role }: { userId: string; role: Role }): boolean {
  return locked.has(userId) || atLeast(role, "moderator");
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
