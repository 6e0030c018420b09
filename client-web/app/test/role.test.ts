import { expect, test } from "vitest";
import { isGuest, roleOf } from "../src/state/role.ts";

const USER = "@alice:a.example";

test("roles follow the room's power levels as the focus takes them", () => {
  expect(roleOf(USER, 0, {}, {})).toBe("participant");
  expect(roleOf(USER, 50, {}, {})).toBe("moderator");
  expect(roleOf(USER, 50, { kick: 60 }, {})).toBe("presenter");
  expect(roleOf(USER, 100, {}, {})).toBe("administrator");
  expect(roleOf(USER, 100, { ban: 101 }, {})).toBe("moderator");
  expect(roleOf(USER, Number.POSITIVE_INFINITY, {}, {})).toBe("administrator");
});

test("the rules of a room may say otherwise", () => {
  const powers = { kick: 60, events: { "org.hanse.call_policy": 30 } };
  expect(roleOf(USER, 30, powers, {})).toBe("presenter");
  expect(roleOf(USER, 29, powers, {})).toBe("participant");
  expect(roleOf(USER, 10, powers, { present: 10 })).toBe("presenter");
  expect(roleOf(USER, 20, powers, { moderate: 20 })).toBe("moderator");
  expect(roleOf(USER, 40, powers, { administer: 40 })).toBe("administrator");
});

test("a presenter is whom the rules name, and is no more and no less than that", () => {
  expect(roleOf(USER, 0, {}, { presenters: [USER] })).toBe("presenter");
  expect(roleOf(USER, 50, {}, { presenters: [USER] })).toBe("moderator");
  for (const presenters of [["@bob:a.example"], USER, { [USER]: true }, true]) expect(roleOf(USER, 0, {}, { presenters })).toBe("participant");
  expect(roleOf("@hanse-guest-abc:a.example", 0, {}, { presenters: ["@hanse-guest-abc:a.example"] })).toBe("guest");
});

test("levels that are no numbers count as none", () => {
  expect(roleOf(USER, 50, { kick: "0", ban: null, events: [] }, { moderate: "0" })).toBe("moderator");
  expect(roleOf(USER, 0, { kick: Number.NaN, state_default: {} }, { administer: "x" })).toBe("participant");
});

test("a guest stays a guest whatever power they are given, and nobody else is taken for one", () => {
  expect(roleOf("@hanse-guest-abc:a.example", 100, {}, {})).toBe("guest");
  for (const other of ["@hanse:a.example", "@alice:hanse-guest-a.example", "@xhanse-guest-a:a.example"]) expect(isGuest(other)).toBe(false);
});
