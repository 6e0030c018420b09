import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { isLockedOut, Lock } from "../src/state/lock.ts";
import type { Member, Role } from "../src/state/ports.ts";
import type { Rules } from "../src/state/rules.ts";

const OWN = "@own:a.example";
const BOB = "@bob:b.example";
const CAROL = "@carol:a.example";

function stage({ role = "moderator" as Role, mayRule = true, locked = null as string[] | null, there = [OWN, BOB], fails = false } = {}) {
  const rules = signal<Rules>({ locked: locked && new Set(locked), presenters: new Set(), without: new Set() });
  const members = signal(there.map((userId) => ({ userId, role: userId === OWN ? role : "participant" }) as Member));
  const written: (string[] | null)[] = [];
  const session = {
    own: { userId: OWN, deviceId: "D", identity: "i" },
    ownRole: signal(role),
    mayRule: signal(mayRule),
    members,
    rules,
    async rule(change: Partial<Rules>) {
      if (fails) throw new Error("away");
      rules.value = { ...rules.value, ...change };
      written.push(change.locked ? [...change.locked] : null);
    },
  };
  return { lock: new Lock(session), session, written, members };
}

test("a moderator locks with everybody in it who is there, and unlocks", async () => {
  const { lock, written } = stage({ there: [OWN, BOB, BOB] });
  expect([lock.mayTurn.value, lock.isLocked.value]).toEqual([true, false]);
  await lock.turn(true);
  expect(lock.isLocked.value).toBe(true);
  await lock.turn(false);
  expect(written).toEqual([[OWN, BOB], null]);
});

test("nobody turns it who is no moderator, or whom the room does not let change its rules", async () => {
  for (const wish of [{ role: "participant" as const }, { role: "presenter" as const }, { role: "guest" as const }, { mayRule: false }]) {
    const { lock, written } = stage({ ...wish, locked: [OWN, BOB], there: [OWN] });
    expect(lock.mayTurn.value, JSON.stringify(wish)).toBe(false);
    await lock.letIn(CAROL);
    await lock.keepOut(BOB);
    await lock.openIfAlone();
    expect(written).toEqual([]);
  }
});

test("single people are let in, and whoever is removed comes in no more", async () => {
  const { lock, written } = stage({ locked: [OWN, BOB] });
  await lock.letIn(CAROL);
  await lock.letIn(CAROL);
  await lock.keepOut(BOB);
  await lock.keepOut(BOB);
  expect(written).toEqual([
    [OWN, BOB, CAROL],
    [OWN, CAROL],
  ]);
  const open = stage();
  await open.lock.letIn(CAROL);
  expect(open.written, "nothing is locked").toEqual([]);
});

test("the first and the last one leave no lock for the next call", async () => {
  const alone = stage({ locked: [BOB], there: [] });
  await alone.lock.openIfAlone();
  expect(alone.written).toEqual([null]);
  const others = stage({ locked: [OWN, BOB] });
  await others.lock.openIfAlone();
  expect(others.written).toEqual([]);
});

test("at the door one is told whether it is shut", () => {
  expect(isLockedOut(stage({ role: "participant", locked: [BOB], there: [BOB] }).session)).toBe(true);
  expect(isLockedOut(stage({ role: "participant", locked: [BOB, OWN], there: [BOB] }).session)).toBe(false);
  expect(isLockedOut(stage({ role: "moderator", locked: [BOB], there: [BOB] }).session)).toBe(false);
});

test("a lock that the homeserver does not take is told", async () => {
  const { lock } = stage({ fails: true });
  await lock.turn(true);
  expect([lock.hasFailed.value, lock.isLocked.value, lock.isBusy.value]).toEqual([true, false, false]);
});
