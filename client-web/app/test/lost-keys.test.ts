import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { ASKS_MAX, GAP_MS, LostKeys, PATIENCE_MS } from "../src/state/lost-keys.ts";
import type { Lack, Tile } from "../src/state/tiles.ts";
import { handClock } from "./clock.ts";

const tile = (key: string, lack: Lack["kind"] | null): Tile => ({ key, isScreen: false, lack: lack && { kind: lack } }) as Tile;

function stage(ask: () => Promise<void> = async () => {}) {
  const clock = handClock();
  const tiles = signal<Tile[]>([]);
  const at: number[] = [];
  const keys = new LostKeys(
    tiles,
    () => {
      at.push(clock.now());
      return ask();
    },
    clock,
  );
  return { clock, tiles, at, keys };
}

test("a key that is on its way is not asked for", () => {
  const { clock, tiles, at, keys } = stage();
  tiles.value = [tile("bob", "no-key")];
  clock.pass(PATIENCE_MS[0] - 1);
  expect(keys.of("bob")).toBe("waiting");
  tiles.value = [tile("bob", null)];
  clock.pass(600_000);
  expect(at).toEqual([]);
});

test("a key that stays away is asked for at ever longer intervals, and then given up", () => {
  const { clock, tiles, at, keys } = stage();
  tiles.value = [tile("bob", "wrong-key")];
  clock.pass(PATIENCE_MS[0]);
  expect(keys.of("bob")).toBe("asked");
  clock.pass(129_999);
  expect(keys.of("bob")).toBe("asked");
  clock.pass(3_600_000);
  expect(at).toEqual([5_000, 15_000, 35_000, 75_000]);
  expect(keys.of("bob")).toBe("vain");
});

test("one question is for all who lack a key, and nobody is asked without a pause", () => {
  const { clock, tiles, at, keys } = stage();
  tiles.value = [tile("bob", "no-key"), tile("eve", "wrong-key")];
  clock.pass(1_000);
  tiles.value = [...tiles.value, tile("late", "no-key")];
  clock.pass(PATIENCE_MS[0]);
  expect(at).toEqual([5_000]);
  clock.pass(GAP_MS);
  expect(at).toEqual([5_000, 15_000]);
  expect(["bob", "eve", "late"].map((key) => keys.of(key))).toEqual(["asked", "asked", "asked"]);
});

test("what is missing besides a key is not asked for", () => {
  const { clock, tiles, at } = stage();
  tiles.value = [tile("a", "no-media"), tile("b", "no-focus"), tile("c", "connecting"), tile("d", "unsealed"), tile("e", "no-route")];
  clock.pass(600_000);
  expect(at).toEqual([]);
});

test("whoever seals with ever other keys has others asked only so often", () => {
  const { clock, tiles, at, keys } = stage();
  for (let turn = 0; turn < 100; turn += 1) {
    tiles.value = [tile("mallory", "wrong-key")];
    clock.pass(PATIENCE_MS[0] + GAP_MS);
    tiles.value = [tile("mallory", null)];
  }
  expect(at.length).toBe(ASKS_MAX);
  tiles.value = [tile("mallory", "wrong-key")];
  clock.pass(60_000);
  expect(keys.of("mallory")).toBe("vain");
});

test("a homeserver that does not take the question is asked again, and nothing is after the call", () => {
  const { clock, tiles, at, keys } = stage(() => Promise.reject(new Error("away")));
  tiles.value = [tile("bob", "no-key")];
  clock.pass(PATIENCE_MS[0] + PATIENCE_MS[1]);
  expect(at.length).toBe(2);
  keys.close();
  clock.pass(600_000);
  expect(at.length).toBe(2);
});
