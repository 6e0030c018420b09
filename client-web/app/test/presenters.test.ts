import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import type { Member, Role } from "../src/state/ports.ts";
import { Presenters } from "../src/state/presenters.ts";
import { PRESENTERS_MAX, type Rules } from "../src/state/rules.ts";

const person = (userId: string, role: Role = "participant") => ({ userId, role }) as Member;
const alice = person("@alice:a.example");
const grace = person("@hanse-guest-abc:a.example", "guest");

function stage({ role = "moderator" as Role, mayRule = true, presenters = [] as string[], fails = false } = {}) {
  const rules = signal<Rules>({ locked: null, presenters: new Set(presenters), without: new Set() });
  const written: string[][] = [];
  const rule = async (change: Partial<Rules>) => {
    if (fails) throw new Error("away");
    rules.value = { ...rules.value, ...change };
    written.push([...(change.presenters ?? [])]);
  };
  const members = signal([alice, grace]);
  return { presenters: new Presenters({ rules, members, mayRule: signal(mayRule), ownRole: signal(role), rule }), written };
}

test("a moderator makes a participant or a guest a presenter, and takes it away again", async () => {
  for (const who of [alice, grace]) {
    const { presenters, written } = stage();
    expect([presenters.mayGive(who), presenters.mayTake(who)]).toEqual([true, false]);
    await presenters.give(who);
    expect([presenters.mayGive(who), presenters.mayTake(who)]).toEqual([false, true]);
    await presenters.take(who);
    expect(written).toEqual([[who.userId], []]);
  }
});

test("nobody gives it themselves, and who has the power needs no gift", () => {
  for (const wish of [{ role: "participant" as const }, { role: "presenter" as const }, { role: "guest" as const }, { mayRule: false }]) {
    const { presenters } = stage({ ...wish, presenters: [grace.userId] });
    expect([presenters.mayGive(alice), presenters.mayTake(grace)], JSON.stringify(wish)).toEqual([false, false]);
  }
  for (const role of ["presenter", "moderator", "administrator"] as const) expect(stage().presenters.mayGive(person("@bob:b.example", role))).toBe(false);
});

test("once there are as many as there may be, those who are gone make room", async () => {
  const gone = Array.from({ length: PRESENTERS_MAX - 1 }, (_, number) => `@u${number}:a.example`);
  const { presenters, written } = stage({ presenters: [...gone, grace.userId] });
  await presenters.give(alice);
  expect(written).toEqual([[grace.userId, alice.userId]]);
});

test("a role that the homeserver does not take is told", async () => {
  const { presenters } = stage({ fails: true });
  await presenters.give(alice);
  expect(presenters.hasFailed.value).toBe(true);
});
