// What somebody is in a room, by the power levels (docs/rooms-and-roles.md). The focus decides by the same; this only shows it.

import type { Role } from "./ports.ts";

/** From the one who may least. */
const ROLES: readonly Role[] = ["guest", "participant", "presenter", "moderator", "administrator"];

/** Whether a role is this one, or one with more power. */
export function atLeast(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

/** Of `m.room.power_levels`, as far as it matters here. */
export interface Powers {
  ban?: unknown;
  kick?: unknown;
  state_default?: unknown;
  events?: unknown;
}

/** Of `org.hanse.call_policy`, as far as it matters here. */
export interface CallPolicy {
  present?: unknown;
  moderate?: unknown;
  administer?: unknown;
  presenters?: unknown;
}

export const CALL_POLICY = "org.hanse.call_policy";

/** Power that Matrix takes for granted where a room says nothing. */
const USUAL = 50;

/** Whoever administers has at least as much, unless the room's rules say otherwise. */
const ADMINISTRATOR = 100;

/** How the ids of all begin who have no account and are here for one meeting. */
const GUEST = "@hanse-guest-";

/** Whether somebody is a guest of the organisation that their id names. */
export function isGuest(userId: string): boolean {
  return userId.startsWith(GUEST);
}

/** The role of somebody with this much power. A guest stays one, whatever power they are given. */
export function roleOf(userId: string, power: number, powers: Powers, policy: CallPolicy): Role {
  if (isGuest(userId)) return "guest";
  const events = typeof powers.events === "object" && powers.events !== null ? (powers.events as Record<string, unknown>) : {};
  const rules = level(events[CALL_POLICY]) ?? level(powers.state_default) ?? USUAL;
  const administer = level(policy.administer) ?? Math.max(level(powers.ban) ?? USUAL, ADMINISTRATOR);
  if (power >= administer) return "administrator";
  const moderate = level(policy.moderate) ?? level(powers.kick) ?? USUAL;
  if (power >= moderate) return "moderator";
  if (power >= (level(policy.present) ?? Math.min(rules, moderate))) return "presenter";
  return Array.isArray(policy.presenters) && policy.presenters.includes(userId) ? "presenter" : "participant";
}

function level(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
