import { expect, test } from "vitest";
import { Reactions, SHOWN_MS, signOf } from "../src/state/reactions.ts";

test("a sign stands there for a moment, and a newer one takes its place", () => {
  let now = 0;
  const waiting: [number, () => void][] = [];
  const reactions = new Reactions(
    () => now,
    (after, run) => waiting.push([now + after, run]),
  );
  const pass = (ms: number): void => {
    now += ms;
    for (const [at, run] of waiting) if (at <= now) run();
  };
  const shown = () => reactions.shown.value.map(({ sign }) => sign);
  reactions.take("$bob", "@bob:b.example", "👍");
  pass(SHOWN_MS - 1);
  reactions.take("$bob", "@bob:b.example", "🎉");
  expect(shown()).toEqual(["🎉"]);
  pass(1);
  expect(shown()).toEqual(["🎉"]);
  pass(SHOWN_MS);
  expect(shown()).toEqual([]);
});

test("words, markup and long rows of signs are cut down to a sign or nothing", () => {
  expect(signOf("👍🏽👍🏽👍🏽")).toBe("👍🏽");
  expect(signOf("👩‍💻 works")).toBe("👩‍💻");
  for (const none of ["hello", "<b>", "", " 👍", "1", null, { emoji: "👍" }]) expect(signOf(none)).toBeNull();
});

test("however many signs come, only so many are kept", () => {
  const reactions = new Reactions(
    () => 0,
    () => {},
  );
  for (let index = 0; index < 500; index++) reactions.take(`$${index}`, "@bob:b.example", "👍");
  expect(reactions.shown.value.length).toBe(100);
});
