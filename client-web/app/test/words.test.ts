import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FluentResource } from "@fluent/bundle";

const SOURCES = join(import.meta.dirname, "../src");

function messages(language: string): Map<string, string> {
  const text = readFileSync(join(SOURCES, `words/${language}.ftl`), "utf8");
  return new Map(new FluentResource(text).body.map(({ id, value }) => [id, JSON.stringify(value)]));
}

/** The names of what is filled in. */
function variables(pattern: string): string[] {
  return [...new Set([...pattern.matchAll(/"type":"var","name":"(\w+)"/g)].map(([, name]) => name ?? ""))].toSorted();
}

test("both languages say the same things, with the same values in them", () => {
  const [en, de] = [messages("en"), messages("de")];
  expect([...de.keys()].toSorted()).toEqual([...en.keys()].toSorted());
  for (const [id, pattern] of en) expect(variables(de.get(id) ?? ""), id).toEqual(variables(pattern));
});

test("everything that the page says has words, and no words are left over", () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
  const text = files.map((name) => readFileSync(join(SOURCES, name), "utf8")).join("\n");
  const ids = new Set(messages("en").keys());
  // Ids that are put together begin with what stands before the value.
  const said = [...text.matchAll(/say\(\s*(?:[^"`()]*\? *)?["`]([a-z-]+)(\$\{)?/g)];
  expect(said.length).toBeGreaterThan(40);
  for (const [, id, isBeginning] of said) {
    const found = isBeginning ? [...ids].some((each) => each.startsWith(id ?? "")) : ids.has(id ?? "");
    expect(found, id).toBe(true);
  }
  const unused = [...ids].filter((id) => !text.includes(`"${id}"`) && !said.some(([, begun, put]) => put && id.startsWith(begun ?? "")));
  expect(unused).toEqual([]);
});
