import { expect, test } from "vitest";
import type { Member, Role, Source } from "../src/state/ports.ts";
import { changedRules, locksOut, PRESENTERS_MAX, readRules } from "../src/state/rules.ts";

const ALICE = "@alice:a.example";
const BOB = "@bob:b.example";

const member = (userId: string, role: Role = "participant") => ({ userId, role }) as Member;
const NONE = { locked: null, presenters: new Set<string>(), without: new Set<Source>() };
const locked = (...users: string[]) => ({ ...NONE, locked: new Set(users) });

test("rules are read as the focus reads them: what cannot be understood lets nobody in", () => {
  expect(readRules({})).toEqual(NONE);
  expect(readRules({ locked: false }).locked).toBeNull();
  for (const strange of [true, "false", null, 0, {}]) expect(readRules({ locked: strange }).locked, String(strange)).toEqual(new Set());
  expect(readRules({ locked: [ALICE, 7] }).locked).toEqual(new Set([ALICE]));
});

test("who changes one rule leaves the others as they are, also those that this page does not know", () => {
  const before = { screen: 50, homeservers: { "b.example": { access: "deny" } }, later: [1] };
  expect(changedRules(before, { locked: new Set([ALICE]) })).toEqual({ ...before, locked: [ALICE] });
  expect(changedRules({ ...before, locked: [ALICE] }, { locked: null })).toEqual({ ...before, locked: false });
  expect(changedRules({ ...before, locked: [ALICE] }, {})).toEqual({ ...before, locked: [ALICE] });
});

test("presenters are those whom the room names, and no more than the focus takes", () => {
  expect(readRules({ presenters: [ALICE, 7, BOB] }).presenters).toEqual(new Set([ALICE, BOB]));
  for (const strange of [true, ALICE, null, { [ALICE]: true }]) expect(readRules({ presenters: strange }).presenters.size).toBe(0);
  const many = Array.from({ length: PRESENTERS_MAX + 1 }, (_, number) => `@u${number}:a.example`);
  expect(readRules({ presenters: many }).presenters.size).toBe(PRESENTERS_MAX);
  expect(changedRules({ screen: 50 }, { presenters: new Set([BOB]) })).toEqual({ screen: 50, presenters: [BOB] });
});

test("a meeting goes without what the room names, and without all that can be published if that cannot be understood", () => {
  expect(readRules({ without: ["camera", "screen"] }).without).toEqual(new Set(["camera", "screen"]));
  for (const strange of [true, "camera", null, ["camera", "pictures"], [1]]) expect(readRules({ without: strange }).without.size, String(strange)).toBe(3);
  expect(changedRules({ screen: 50 }, { without: new Set<Source>(["camera"]) })).toEqual({ screen: 50, without: ["camera"] });
});

test("a lock keeps out whom it does not name, unless they moderate or nobody is there", () => {
  const there = [member(ALICE)];
  expect(locksOut(locked(ALICE), member(BOB), there)).toBe(true);
  expect(locksOut(NONE, member(BOB), there)).toBe(false);
  expect(locksOut(locked(ALICE, BOB), member(BOB), there)).toBe(false);
  for (const role of ["moderator", "administrator"] as const) expect(locksOut(locked(ALICE), member(BOB, role), there), role).toBe(false);
  for (const role of ["guest", "presenter"] as const) expect(locksOut(locked(ALICE), member(BOB, role), there), role).toBe(true);
  expect(locksOut(locked(ALICE), member(BOB), [member(BOB)]), "nobody but himself").toBe(false);
  // Whoever says that they are there, and is kept out as well, keeps out nobody.
  expect(locksOut(locked(ALICE), member(BOB), [member("@carol:a.example")])).toBe(false);
  expect(locksOut(locked(ALICE), member(BOB), [member("@mod:a.example", "moderator")])).toBe(true);
  expect(locksOut(locked(), member(BOB), [member("@carol:a.example")])).toBe(true);
});
