import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { type DevicePorts, Door, type Kind } from "../src/state/door.ts";
import type { Playable, Source } from "../src/state/ports.ts";

function stage(without: Source[] = []) {
  const did: string[] = [];
  const rules = signal({ without: new Set(without) });
  const devices: DevicePorts = {
    list: async () => ({ microphone: [], camera: [], speaker: [] }),
    onChange: () => () => did.push("listens no more"),
    async preview(kind) {
      did.push(`${kind} on`);
      return { level: signal(0), picture: {} as Playable, stop: () => void did.push(`${kind} off`) };
    },
  };
  return { door: new Door(devices, rules), did, rules };
}

const BOTH: Kind[] = ["microphone", "camera"];

test("everything is off until somebody turns it on, and what is on goes in", async () => {
  const { door } = stage();
  expect(door.wish).toEqual({ on: { microphone: false, camera: false }, chosen: { microphone: null, camera: null }, savesData: false });
  await door.turn("camera", true);
  door.savesData.value = true;
  expect(door.wish).toEqual({ on: { microphone: false, camera: true }, chosen: { microphone: null, camera: null }, savesData: true });
});

test("a meeting with sound alone offers no camera, and one in writing nothing", async () => {
  for (const [without, offered] of [
    [["camera", "screen"], ["microphone"]],
    [["camera", "screen", "microphone"], []],
  ] as [Source[], Kind[]][]) {
    const { door, did } = stage(without);
    for (const kind of BOTH) await door.turn(kind, true);
    expect(BOTH.filter((kind) => door.offers(kind))).toEqual(offered);
    expect(did).toEqual(offered.map((kind) => `${kind} on`));
  }
});

test("a camera that is tried when the meeting becomes one with sound alone goes off", async () => {
  const { door, did, rules } = stage();
  for (const kind of BOTH) await door.turn(kind, true);
  rules.value = { without: new Set<Source>(["camera", "screen"]) };
  expect(did).toEqual(["microphone on", "camera on", "camera off"]);
  expect(door.wish.on).toEqual({ microphone: true, camera: false });
  door.close();
  rules.value = { without: new Set<Source>(["microphone"]) };
  expect(did).toEqual(["microphone on", "camera on", "camera off", "listens no more", "microphone off"]);
});
