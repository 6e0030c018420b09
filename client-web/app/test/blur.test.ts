import { readFileSync } from "node:fs";
import { signal } from "@preact/signals";
import { afterEach, expect, test } from "vitest";
import { described } from "../src/media/blur/model.ts";
import { wishBlur } from "../src/state/blur.ts";
import { type DevicePorts, Door } from "../src/state/door.ts";
import { DeviceRefusal, type Source } from "../src/state/ports.ts";

const MODEL = new URL("../node_modules/@mediapipe/selfie_segmentation/selfie_segmentation_landscape.tflite", import.meta.url);

afterEach(() => wishBlur(false));

function stage(canBlur = true) {
  const came: string[] = [];
  let fail = (): void => {};
  const devices: DevicePorts = {
    list: async () => ({ microphone: [], camera: [], speaker: [] }),
    onChange: () => () => {},
    async preview(kind, _id, blur) {
      if (blur && !canBlur) throw new DeviceRefusal("unblurred");
      came.push(blur ? `${kind} blurred` : kind);
      fail = blur ?? fail;
      return { level: signal(0), picture: { attach: () => {}, detach: () => {} }, stop: () => came.push(`${kind} off`) };
    },
  };
  const door = new Door(devices, signal({ without: new Set<Source>() }));
  return { door, came, fail: () => fail() };
}

test("whoever wants to be blurred is so from the first picture, and only their camera", async () => {
  const { door, came } = stage();
  await door.blur(true);
  expect(came).toEqual([]);
  await door.turn("microphone", true);
  await door.turn("camera", true);
  await door.blur(false);
  expect(came).toEqual(["microphone", "camera blurred", "camera off", "camera"]);
});

test("where it cannot be blurred the camera does not come on, until one does without", async () => {
  const { door, came } = stage(false);
  await door.blur(true);
  await door.turn("camera", true);
  expect([came, door.problems.value.camera, door.wish.on.camera]).toEqual([[], "unblurred", false]);
  await door.blur(false);
  expect([came, door.problems.value.camera]).toEqual([["camera"], null]);
});

test("a blur that stops takes the camera with it, and says so", async () => {
  const { door, came, fail } = stage();
  await door.blur(true);
  await door.turn("camera", true);
  fail();
  expect([came, door.problems.value.camera, door.wish.on.camera]).toEqual([["camera blurred", "camera off"], "unblurred", false]);
});

test("the model is described in front of what it was, once", () => {
  const model = new Uint8Array(readFileSync(MODEL));
  const whole = described(model);
  expect((whole.length - model.length) % 16).toBe(0);
  expect(Buffer.from(whole.subarray(whole.length - model.length)).equals(Buffer.from(model))).toBe(true);
  const front = Buffer.from(whole.subarray(0, whole.length - model.length)).toString("latin1");
  expect([front.slice(4, 8), front.includes("TFLITE_METADATA"), front.includes("M001")]).toEqual(["TFL3", true, true]);
  expect(() => described(whole)).toThrow("look at it anew");
});
