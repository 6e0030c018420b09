import { signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";
import { type Announcement, ANNOUNCEMENTS, Announcements, GATHERED_MS, isTold, STANDS_MS, tell } from "../src/state/announcements.ts";
import type { Hand, Member } from "../src/state/ports.ts";
import type { Reaction } from "../src/state/reactions.ts";
import { handClock } from "./clock.ts";

beforeEach(() => {
  for (const kind of ANNOUNCEMENTS) tell(kind, true);
});

function member(name: string, more: Partial<Member> = {}): Member {
  const userId = `@${name.toLowerCase()}:a.example`;
  const known = { role: "participant", power: 0, trust: null, focus: null, joinedAt: 1, isOwn: false } as const;
  return { ...known, key: name, userId, deviceId: "D", identity: `${userId}:D`, name, eventId: `$${name}`, ...more };
}

const OWN = member("Own", { isOwn: true });

/** A call in which one is already, with Bob. */
function stage(present: Member[] = [OWN, member("Bob")]) {
  const clock = handClock();
  const members = signal(present);
  const hands = signal<Hand[]>([]);
  const reactions = signal<Reaction[]>([]);
  const announcements = new Announcements({ members, hands, reactions, own: OWN }, clock);
  const told = () => announcements.told.value.map(({ what, names, count, sign }) => [what, names.join("+") || count, sign].join(" ").trim());
  return { clock, members, hands, reactions, announcements, told };
}

test("who comes and who goes is told by name, and of many how many they are", () => {
  const { clock, members, told } = stage();
  members.value = [OWN, member("Carol"), member("Dave")];
  expect(told()).toEqual([]);
  clock.pass(GATHERED_MS);
  expect(told()).toEqual(["joined Carol+Dave", "left Bob"]);
  clock.pass(STANDS_MS);
  expect(told()).toEqual([]);
  members.value = [...members.value, ...["E", "F", "G", "H"].map((name) => member(name))];
  clock.pass(GATHERED_MS);
  expect(told()).toEqual(["joined 4"]);
});

test("nobody is told of those who were there before, of themselves, of a second device, or of a moment's absence", () => {
  const early = stage([member("Bob")]);
  early.members.value = [member("Bob"), OWN];
  early.members.value = [member("Bob"), member("Bob", { key: "Bob 2", deviceId: "E" }), OWN, member("Own", { key: "Own 2" })];
  early.clock.pass(GATHERED_MS);
  expect(early.told()).toEqual([]);

  const { clock, members, told } = stage();
  members.value = [OWN];
  members.value = [OWN, member("Bob", { eventId: "$new" })];
  clock.pass(GATHERED_MS);
  expect(told()).toEqual([]);
});

test("hands and reactions of others are told once each, and one's own are not", () => {
  const { hands, reactions, members, told } = stage();
  hands.value = [{ userId: "@bob:a.example", since: 1 }, { userId: OWN.userId, since: 2 }];
  const sign = { membership: "$Bob", userId: "@bob:a.example", sign: "👍", until: 3 };
  reactions.value = [sign];
  reactions.value = [sign, { ...sign, userId: OWN.userId }];
  hands.value = [];
  expect(told()).toEqual(["hand-up Bob", "sign Bob 👍", "hand-down Bob"]);
  hands.value = [{ userId: "@bob:a.example", since: 1 }];
  members.value = [OWN];
  hands.value = [];
  expect(told().slice(3)).toEqual(["hand-up Bob"]);
});

test("each kind is quietened by itself, and told again when it is wanted", () => {
  const { clock, members, hands, reactions, told } = stage();
  const happen = (round: number): void => {
    members.value = round % 2 === 0 ? [OWN, member("Bob"), member("Carol")] : [OWN, member("Bob")];
    clock.pass(GATHERED_MS);
    hands.value = [{ userId: "@bob:a.example", since: round }];
    hands.value = [];
    reactions.value = [{ membership: "$Bob", userId: "@bob:a.example", sign: "👏", until: round }];
  };
  const kinds = { people: /^(joined|left)/, hands: /^hand/, reactions: /^sign/ };
  Object.entries(kinds).forEach(([kind, pattern], round) => {
    tell(kind as Announcement, false);
    happen(round);
    expect(told().some((each) => pattern.test(each)), `${kind} is quiet`).toBe(false);
    for (const [other, its] of Object.entries(kinds)) if (other !== kind) expect(told().some((each) => its.test(each)), other).toBe(true);
    clock.pass(STANDS_MS);
    tell(kind as Announcement, true);
  });
  happen(3);
  expect(told().length).toBe(4);
});

test("the choice is kept in this browser, and what it does not know is told", async () => {
  const kept = new Map<string, string>([["hanse.quiet", "hands nonsense"]]);
  vi.stubGlobal("localStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) });
  vi.resetModules();
  const fresh = await import("../src/state/announcements.ts");
  expect(ANNOUNCEMENTS.filter((kind) => !fresh.isTold(kind))).toEqual(["hands"]);
  fresh.tell("chat", false);
  fresh.tell("hands", true);
  expect(kept.get("hanse.quiet")).toBe("chat");
  vi.unstubAllGlobals();
  expect(isTold("chat")).toBe(true);
});

test("after a call nothing is told any more", () => {
  const { clock, members, announcements, told } = stage();
  members.value = [OWN];
  announcements.close();
  clock.pass(GATHERED_MS);
  expect(told()).toEqual([]);
});
