import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { TAKES_MS } from "../src/state/floor.ts";
import { Arrangement, PINS_MAX, SMALL_MAX, STRIP_MAX, TILES_MAX, type View } from "../src/state/layout.ts";
import type { Tile } from "../src/state/tiles.ts";
import { handClock } from "./clock.ts";

function tile(key: string, more: Partial<Tile> = {}): Tile {
  return {
    key,
    userId: `@${key}:a.example`,
    deviceId: "D",
    name: key,
    organisation: "a.example",
    role: "participant",
    isOwn: false,
    isVerified: false,
    isScreen: false,
    picture: null,
    sounds: [],
    speaksUp: true,
    isSpeaking: false,
    isWeak: false,
    hand: null,
    lack: null,
    presents: false, sign: null,
    ...more,
  };
}

function stage(...start: Tile[]) {
  const clock = handClock();
  const tiles = signal(start);
  const of = new Arrangement(tiles, clock);
  const shown = (): string => told(of.view.value);
  /** Has these speak for long enough, and nobody else. */
  const speak = (...who: string[]): void => {
    tiles.value = tiles.value.map((each) => Object.assign({}, each, { isSpeaking: who.includes(each.key) }));
    clock.pass(TAKES_MS + 1_000);
  };
  return { of, tiles, shown, speak };
}

/** What is shown, as a line: the interpreter, what is big, and all others. */
function told({ interpreter, big, others }: View): string {
  const names = (tiles: Tile[]): string => tiles.map(({ key }) => key).join(" ");
  return `${interpreter?.key ?? "-"} | ${names(big)} | ${names(others)}`;
}

const own = tile("own", { isOwn: true });
const many = (count: number): Tile[] => Array.from({ length: count }, (_, index) => tile(`p${index}`));

test("in the grid all are alike, and a shared screen is big", () => {
  const { tiles, shown } = stage(tile("ann"), tile("ben"), own);
  expect(shown()).toBe("- |  | ann ben own");
  tiles.value = [tile("ann screen", { isScreen: true }), ...tiles.value];
  expect(shown()).toBe("- | ann screen | ann ben own");
});

test("who speaks is big, stays so when silent, and oneself never is while others are there", () => {
  const { of, shown, speak } = stage(tile("ann"), tile("ben"), own);
  of.choose("speaker");
  expect(shown()).toBe("- | ann | ben own");
  speak("ben");
  expect(shown()).toBe("- | ben | ann own");
  speak();
  expect(shown()).toBe("- | ben | ann own");
  speak("own");
  expect(shown()).toBe("- | ben | ann own");
});

test("what one has chosen is big even while another shares or speaks, until one chooses again", () => {
  const { of, tiles, shown, speak } = stage(tile("ann"), tile("ben"), own);
  of.light("ben");
  tiles.value = [tile("ann screen", { isScreen: true }), ...tiles.value];
  speak("ann");
  expect(shown()).toBe("- | ben | ann screen ann own");
  of.light("ann screen");
  expect(shown()).toBe("- | ann screen | ann ben own");
  of.light("ann screen");
  expect(of.layout.value).toBe("grid");
});

test("the interpreter has the same place in every layout and on every page, and no second one", () => {
  const { of, tiles, shown, speak } = stage(...many(60));
  of.interpret("p40");
  for (const layout of ["grid", "speaker", "spotlight"] as const) {
    of.choose(layout);
    speak("p40");
    for (let page = 0; page < 9; page += 1) {
      expect(of.view.value.interpreter?.key).toBe("p40");
      expect([...of.view.value.big, ...of.view.value.others].map(({ key }) => key)).not.toContain("p40");
      of.turnPage(1);
    }
  }
  of.light("p40");
  expect(of.view.value.interpreter?.key).toBe("p40");
  // Whoever comes back is the interpreter again.
  const all = tiles.value;
  tiles.value = all.filter(({ key }) => key !== "p40");
  expect(shown()).toMatch(/^- /);
  tiles.value = all;
  expect(shown()).toMatch(/^p40 /);
  of.interpret("p1");
  expect(of.view.value.interpreter?.key).toBe("p1");
  of.interpret("p1");
  expect(of.view.value.interpreter).toBeNull();
});

test("never more than 25 are shown, all can be paged to, and nobody is shown twice", () => {
  const { of } = stage(...many(60));
  of.interpret("p59");
  of.pin("p58");
  const seen = new Set<string>();
  for (let page = 0; page < of.view.value.pages; page += 1) {
    const { interpreter, big, others } = of.view.value;
    const keys = [interpreter, ...big, ...others].flatMap((each) => each?.key ?? []);
    expect(keys.length).toBeLessThanOrEqual(TILES_MAX);
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) seen.add(key);
    of.turnPage(1);
  }
  expect(seen.size).toBe(60);
  expect(of.view.value.page).toBe(of.view.value.pages - 1);
});

test("a small screen has fewer at once, and so has the strip beside something big", () => {
  const { of } = stage(...many(60));
  of.isSmall.value = true;
  expect(of.view.value.others.length).toBe(SMALL_MAX);
  of.choose("speaker");
  expect(of.view.value.others.length).toBe(STRIP_MAX);
});

test("pinned tiles are first on every page, and there are only so many", () => {
  const { of } = stage(...many(60));
  for (let index = 0; index < 50; index += 1) of.pin(`p${index}`);
  for (const page of [0, 1, 2]) {
    expect(of.view.value.page).toBe(page);
    expect(of.view.value.others.slice(0, PINS_MAX).map(({ key }) => key)).toEqual(["p44", "p45", "p46", "p47", "p48", "p49"]);
    of.turnPage(1);
  }
  of.pin("p44");
  expect(of.isPinned("p44")).toBe(false);
});

test("whoever is left alone by a page that has gone is on the last one", () => {
  const { of, tiles } = stage(...many(60));
  of.turnPage(1);
  of.turnPage(1);
  tiles.value = many(10);
  expect(of.view.value).toMatchObject({ page: 0, pages: 1 });
});

test("who speaks and is not shown is named", () => {
  const { of, speak } = stage(...many(60));
  speak("p3", "p59");
  expect(of.view.value.unseen.map(({ key }) => key)).toEqual(["p59"]);
});
