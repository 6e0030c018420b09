import { expect, test } from "vitest";
import { Floor, PAUSE_MS, TAKES_MS } from "../src/state/floor.ts";
import { handClock } from "./clock.ts";

const PEOPLE = new Set(["ann", "ben", "eve"]);

function room() {
  const clock = handClock();
  const floor = new Floor(clock);
  return { clock, of: () => floor.of.value, speak: (...who: string[]) => floor.hear(PEOPLE, new Set(who)), hear: floor.hear.bind(floor) };
}

test("whoever speaks for a while gets the floor, and whoever coughs does not", () => {
  const { clock, of, speak } = room();
  speak("ann");
  clock.pass(TAKES_MS - 1);
  expect(of()).toBeNull();
  clock.pass(1);
  expect(of()).toBe("ann");
  speak();
  clock.pass(PAUSE_MS * 2);
  speak("ben");
  clock.pass(300);
  speak();
  clock.pass(60_000);
  expect(of()).toBe("ann");
});

test("whoever speaks keeps the floor, through pauses for breath, however long another talks in between", () => {
  const { clock, of, speak } = room();
  speak("ann");
  clock.pass(TAKES_MS);
  for (let turn = 0; turn < 20; turn += 1) {
    speak("ben");
    clock.pass(PAUSE_MS - 1);
    speak("ann", "ben");
    clock.pass(2_000);
  }
  expect(of()).toBe("ann");
  speak("ben");
  clock.pass(PAUSE_MS);
  expect(of()).toBe("ben");
});

test("short words with silence between them never add up to speaking", () => {
  const { clock, of, speak } = room();
  for (let turn = 0; turn < 20; turn += 1) {
    speak("ann");
    clock.pass(400);
    speak();
    clock.pass(PAUSE_MS);
  }
  expect(of()).toBeNull();
});

test("the floor of whoever has left goes to whoever has spoken for longest", () => {
  const { clock, of, hear } = room();
  hear(PEOPLE, new Set(["ann"]));
  clock.pass(TAKES_MS);
  hear(PEOPLE, new Set(["ann", "ben"]));
  clock.pass(500);
  hear(PEOPLE, new Set(["ann", "ben", "eve"]));
  clock.pass(TAKES_MS);
  hear(new Set(["ben", "eve"]), new Set(["ben", "eve"]));
  expect(of()).toBe("ben");
  hear(new Set(), new Set());
  expect(of()).toBeNull();
});
