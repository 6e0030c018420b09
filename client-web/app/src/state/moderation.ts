// What moderators do to others in a call: mute, remove, end it for all. Nobody switches anything of somebody else on. The focus of each
// organisation decides and acts on its own SFU; this only shows what it would allow.

import { computed, signal } from "@preact/signals";
import type { CallSession, Member, Source } from "./ports.ts";

/** What is asked of a focus. */
export type Act = { action: "mute"; userId: string; source: Source } | { action: "remove"; userId: string } | { action: "end" };

/** Why it was not done: a focus' own words, or none if it did not answer. */
export interface Refusal {
  sentence: string | null;
}

export class Moderation {
  readonly refusal = signal<Refusal | null>(null);
  readonly isBusy = signal(false);
  private readonly own = computed(() => this.session.members.value.find(({ isOwn }) => isOwn) ?? null);
  /** Whether one moderates here at all. */
  readonly isModerator = computed(() => ["moderator", "administrator"].includes(this.own.value?.role ?? ""));

  constructor(private readonly session: Pick<CallSession, "members" | "moderate">) {}

  /** Whether one may act on somebody: nobody does on those with more power, nor, here, on themselves. */
  mayActOn(userId: string): boolean {
    const own = this.own.value;
    const other = this.session.members.value.find((member) => member.userId === userId);
    return this.isModerator.value && own !== null && other !== undefined && other.userId !== own.userId && other.power <= own.power;
  }

  mute(userId: string, source: Source): Promise<void> {
    return this.ask(this.focusesOf((member) => member.userId === userId), { action: "mute", userId, source });
  }

  /** Out of the call; they stay in the room. Whoever publishes at one server sees and hears at all of them. */
  remove(userId: string): Promise<void> {
    return this.ask(this.focusesOf(() => true), { action: "remove", userId });
  }

  /** The call is over for all, on the servers of all organisations that are in it; one's own comes last. */
  async endForAll(): Promise<void> {
    const own = this.own.value?.focus;
    const others = this.focusesOf(() => true).filter((focus) => focus !== own);
    await this.ask(others, { action: "end" });
    if (own && this.refusal.value === null) await this.ask([own], { action: "end" });
  }

  dismiss(): void {
    this.refusal.value = null;
  }

  private focusesOf(is: (member: Member) => boolean): string[] {
    return [...new Set(this.session.members.value.filter(is).flatMap(({ focus }) => (focus === null ? [] : [focus])))];
  }

  private async ask(focuses: string[], act: Act): Promise<void> {
    if (this.isBusy.value) return;
    this.isBusy.value = true;
    this.refusal.value = null;
    const done = await Promise.allSettled(focuses.map((focus) => this.session.moderate(focus, act)));
    const refused = done.filter((each) => each.status === "rejected");
    // Whoever is not at a server cannot be put out of it; somebody who is at none is told.
    const failed = refused.find(({ reason }) => !isNotThere(reason)) ?? (refused.length === done.length ? refused[0] : undefined);
    if (failed) this.refusal.value = { sentence: sentenceOf(failed.reason) };
    this.isBusy.value = false;
  }
}

function isNotThere(error: unknown): boolean {
  return (error as { status?: unknown } | null)?.status === 404;
}

/** What a server said; `null`: nothing. */
export function sentenceOf(error: unknown): string | null {
  const { status, message } = (error ?? {}) as { status?: unknown; message?: unknown };
  return typeof status === "number" && typeof message === "string" && message !== "" ? message : null;
}
