import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { type Knock, Lobby, SHOWN_MAX } from "../src/state/lobby.ts";

function stage(knocks: Knock[], { mayAdmit = true, fail = false } = {}) {
  const answers: string[] = [];
  const there = signal(knocks);
  const answer = (what: string) => async (userId: string) => {
    if (fail) throw new Error("M_FORBIDDEN");
    answers.push(`${what} ${userId}`);
    there.value = there.value.filter((knock) => knock.userId !== userId);
  };
  const lobby = new Lobby({ knocks: there, mayAdmit: signal(mayAdmit), admit: answer("admit"), refuse: answer("refuse") }, answer("unlock"));
  return { lobby, answers, there };
}

const guest: Knock = { userId: "@hanse-guest-abc:a.example", name: "Director", at: 2 };
const bob: Knock = { userId: "@bob:b.example", name: "Bob", at: 1 };

test("those who may let people in see who knocks, and who of them is a guest of whom", () => {
  const { lobby } = stage([guest, bob]);
  expect(lobby.visitors.value).toEqual([
    { ...bob, organisation: "b.example", isGuest: false },
    { ...guest, organisation: "a.example", isGuest: true },
  ]);
});

test("nobody else sees them", () => {
  expect(stage([guest, bob], { mayAdmit: false }).lobby.visitors.value).toEqual([]);
});

test("an answer is given once, and takes whoever it is about from the list", async () => {
  const { lobby, answers } = stage([guest, bob]);
  await lobby.admit(bob.userId);
  await lobby.refuse(guest.userId);
  expect(answers).toEqual([`unlock ${bob.userId}`, `admit ${bob.userId}`, `refuse ${guest.userId}`]);
  expect(lobby.visitors.value).toEqual([]);
});

test("an answer that the homeserver does not take leaves them waiting, and is told", async () => {
  const { lobby } = stage([bob], { fail: true });
  await lobby.admit(bob.userId);
  expect([lobby.hasFailed.value, lobby.visitors.value.length]).toEqual([true, 1]);
});

test("a thousand who knock at once are a number, and not a thousand questions", () => {
  const many = Array.from({ length: 1_000 }, (_, at) => ({ userId: `@hanse-guest-${at}:a.example`, name: "x", at }));
  const { lobby } = stage(many);
  expect([lobby.visitors.value.length, lobby.more.value]).toEqual([SHOWN_MAX, 1_000 - SHOWN_MAX]);
});
