import { expect, test } from "vitest";
import { de, en, languageOf, say, type Word } from "../src/words.ts";

const words = Object.keys(en) as Word[];
const blanks = (text: string) => text.match(/\{\w+\}/g)?.toSorted() ?? [];

test.each(words)("%s says the same in both languages", (word) => {
  expect(de[word]).not.toBe("");
  expect(blanks(de[word])).toEqual(blanks(en[word]));
});

test("blanks are filled, and a value that is missing stays visible", () => {
  expect(say("personJoined", { name: "Ada" })).toContain("Ada");
  expect(say("personJoined")).toContain("{name}");
});

test("German browsers get German, all others English", () => {
  expect(["de", "de-AT", "DE-ch"].map(languageOf)).toEqual(["de", "de", "de"]);
  expect(["en-GB", "fr", "den", ""].map(languageOf)).toEqual(["en", "en", "en", "en"]);
});
