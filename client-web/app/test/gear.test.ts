import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { Gear } from "../src/state/gear.ts";
import type { Gadget } from "../src/state/ports.ts";

function stage(fail = false) {
  const inUse = signal<Record<Gadget, string | null>>({ microphone: null, camera: null, speaker: null });
  const plugged = [{ id: "one", label: "One" }];
  let changed = (): void => {};
  const gear = new Gear(
    {
      list: async () => ({ microphone: [...plugged], camera: [], speaker: [] }),
      onChange(listener) {
        changed = listener;
        return () => (changed = () => {});
      },
    },
    {
      inUse,
      async use(gadget, id) {
        if (fail) throw new Error("gone");
        inUse.value = { ...inUse.value, [gadget]: id };
      },
    },
  );
  return { gear, plugged, plug: () => changed() };
}

test("a device is changed while a call goes on, and one that is gone is told", async () => {
  const { gear } = stage();
  await gear.choose("microphone", "one");
  expect([gear.inUse("microphone"), gear.inUse("camera"), gear.hasFailed.value]).toEqual(["one", null, false]);
  const broken = stage(true).gear;
  await broken.choose("microphone", "one");
  expect([broken.inUse("microphone"), broken.hasFailed.value]).toEqual([null, true]);
});

test("what is plugged in shows up, until nobody looks any more", async () => {
  const { gear, plugged, plug } = stage();
  await gear.look();
  plugged.push({ id: "two", label: "Two" });
  plug();
  await Promise.resolve();
  await Promise.resolve();
  expect(gear.choices.value.microphone.map(({ id }) => id)).toEqual(["one", "two"]);
  gear.close();
  plugged.length = 0;
  plug();
  await Promise.resolve();
  await Promise.resolve();
  expect(gear.choices.value.microphone.length).toBe(2);
});
