import { expect, test } from "vitest";
import { initials, organisationOf, shownName, shownText } from "../src/state/name.ts";

test("a name cannot turn the text around it, hide in it, or break out of its line", () => {
  expect(shownName("Ali\u202Ece\u2066", "@alice:a.example")).toBe("Alice");
  expect(shownName("Al\u200Bi\u00ADce\u0000", "@alice:a.example")).toBe("Alice");
  expect(shownName("Alice\n\n\nModerator", "@alice:a.example")).toBe("Alice Moderator");
  expect(shownText(`Z${"\u0301".repeat(40)}algo`)).toMatch(/^[ZŹ]\u0301{0,3}algo$/u);
});

test("markup stays text", () => {
  expect(shownName("<b>Alice</b>", "@alice:a.example")).toBe("<b>Alice</b>");
});

test("who has no name that could be seen goes by the id, and nobody is nameless", () => {
  expect(shownName("\u200B\u2060 ", "@alice:a.example")).toBe("alice");
  expect(shownName(null, "@:a.example")).toBe("?");
});

test("names of other scripts stay whole, and long ones are cut", () => {
  expect(shownName("Žofie Nováková", "@z:a.example")).toBe("Žofie Nováková");
  expect(shownName("محمد", "@m:a.example")).toBe("محمد");
  expect([...shownName("x".repeat(500), "@x:a.example")].length).toBe(64);
});

test("the organisation comes from the id, which nobody can choose", () => {
  expect(organisationOf("@alice:a.example")).toBe("a.example");
  expect(organisationOf("@alice:a.example:8448")).toBe("a.example");
});

test("one or two letters stand for a picture", () => {
  expect(initials("Alice")).toBe("A");
  expect(initials("alice von Berg (City)")).toBe("AB");
  expect(initials("🎉")).toBe("?");
});
