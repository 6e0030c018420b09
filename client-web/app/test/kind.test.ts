import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { Kind, KINDS, kindOf, type MeetingKind } from "../src/state/kind.ts";
import type { Role, Source } from "../src/state/ports.ts";
import type { Rules } from "../src/state/rules.ts";

function stage({ role = "moderator" as Role, mayRule = true, without = [] as Source[], fails = false } = {}) {
  const rules = signal<Rules>({ locked: null, presenters: new Set(), without: new Set(without) });
  const rule = async (change: Partial<Rules>) => {
    if (fails) throw new Error("away");
    rules.value = { ...rules.value, ...change };
  };
  return { kind: new Kind({ rules, mayRule: signal(mayRule), ownRole: signal(role), rule }), rules };
}

test("a moderator chooses between pictures, sound alone, and writing alone", async () => {
  const { kind, rules } = stage();
  for (const wanted of [...KINDS, "pictures"] as MeetingKind[]) {
    await kind.choose(wanted);
    expect(kind.now.value).toBe(wanted);
  }
  await kind.choose("sound");
  expect(rules.value.without).toEqual(new Set(["camera", "screen"]));
  await kind.choose("text");
  expect(rules.value.without).toEqual(new Set(["camera", "screen", "microphone"]));
});

test("a room that goes without cameras alone still shows screens, and is a meeting with pictures", () => {
  expect(kindOf(new Set(["camera"]))).toBe("pictures");
  expect(kindOf(new Set(["camera", "microphone"]))).toBe("pictures");
});

test("who is no moderator, or may not change rules, is offered no choice", () => {
  for (const wish of [{ role: "participant" as const }, { role: "presenter" as const }, { role: "guest" as const }, { mayRule: false }]) {
    expect(stage(wish).kind.mayChoose.value, JSON.stringify(wish)).toBe(false);
  }
  expect(stage().kind.mayChoose.value).toBe(true);
});

test("a choice that the homeserver does not take is told", async () => {
  const { kind } = stage({ fails: true });
  await kind.choose("text");
  expect([kind.hasFailed.value, kind.now.value]).toEqual([true, "pictures"]);
});
