// Simulcast: everybody gets the layer that fits their tile, and what nobody looks at is not even made.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sees, seesAtWidth, trackOf } from "../harness/judge.mjs";
import { story } from "../harness/story.mjs";
import { standsStill, until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 960, height: 540, fps: 10, mark: 1 };
const [LOW, MIDDLE, HIGH] = [240, 480, 960];
/** Some frames long. */
const MOMENT_MS = 1000;

const here = world();

for (const [encryption, key] of [["without encryption", undefined], ["with frame encryption", "layer key"]]) {
  test(`each subscriber gets the layer that fits their tile, and unwatched layers rest, ${encryption}`, (t) =>
    layers(t, `layers-${key ? "sealed" : "open"}`, key));
}

async function layers(t, room, key) {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const step = story(t, { ada, ben, cleo });
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room), ...(key && { key }) });
  await step("three layers are published", async () => {
    await ada.join({ ...seat("ada"), dynacast: true });
    await ada.publishPicture("camera", CAMERA, [LOW, MIDDLE]);
    assert.equal((await ada.view()).sending["camera"].length, 3);
  });
  await step("a small tile gets the low layer and a large one the high layer, at the same time", async () => {
    await Promise.all([ben.join({ ...seat("ben"), adaptive: true }), cleo.join({ ...seat("cleo"), adaptive: true })]);
    await sees(ben, "ada", "camera", CAMERA.mark);
    await sees(cleo, "ada", "camera", CAMERA.mark);
    await ben.resize("ada", "camera", 200, 112);
    await cleo.resize("ada", "camera", 960, 540);
    await shows(cleo, HIGH);
    await shows(ben, LOW);
  });
  await step("a tile that grows gets the next layer, one that shrinks the lower one", async () => {
    await ben.resize("ada", "camera", 400, 225);
    await shows(ben, MIDDLE);
    await cleo.resize("ada", "camera", 200, 112);
    await shows(cleo, LOW);
    await shows(ben, MIDDLE);
  });
  await step("a layer that nobody looks at is not made any more", () => makes(ada, 2));
  await step("it is made again as soon as somebody looks", async () => {
    await cleo.resize("ada", "camera", 960, 540);
    await shows(cleo, HIGH);
  });
  await step("a hidden tile gets nothing, the other viewer goes on, and shown again it goes on", async () => {
    await ben.resize("ada", "camera", 0, 0);
    await standsStill("no more packets arrive", async () => (await trackOf(ben, "ada", "camera")).packets);
    await sees(cleo, "ada", "camera", CAMERA.mark);
    await ben.resize("ada", "camera", 200, 112);
    await shows(ben, LOW);
  });
  await step("when nobody looks at all, nothing is made", async () => {
    await cleo.leave();
    await ben.resize("ada", "camera", 0, 0);
    await makes(ada, 0);
    await ben.resize("ada", "camera", 960, 540);
    await shows(ben, HIGH);
  });
}

/** Ada's camera arrives at this width, and goes on. */
async function shows(viewer, width) {
  await seesAtWidth(viewer, "ada", "camera", width);
  await sees(viewer, "ada", "camera", CAMERA.mark);
}

/** Waits until exactly so many layers of a camera are encoded, by whose frame counts grow in a moment. */
async function makes(publisher, count) {
  const samples = [];
  await until(`${count} layers are made`, async () => {
    const now = { at: performance.now(), layers: (await publisher.view()).sending.camera };
    samples.push(now);
    const before = samples.findLast((sample) => now.at - sample.at >= MOMENT_MS);
    if (!before) return false;
    const growing = now.layers.filter((each, index) => each.frames > before.layers[index].frames);
    assert.equal(growing.length, count, JSON.stringify(now.layers));
    return true;
  });
}
