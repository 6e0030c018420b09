// How people are said to be connected: lost are those of whom nothing is heard, and nobody else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { openLink } from "../harness/link.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 320, height: 180, fps: 15, mark: 5 };

const here = world();

/** What `viewer` was told of `identity`, the latest last. */
const told = async (viewer, identity) => {
  const grades = await viewer.grades();
  return grades.filter((each) => each.identity === identity).map(({ grade }) => grade);
};

const isTold = (viewer, identity, ...grades) =>
  until(`${identity} is said to be ${grades.join(" or ")}`, async () => {
    const all = await told(viewer, identity);
    assert.ok(grades.includes(all.at(-1)), `told: ${all}`);
    return true;
  });

const seat = (identity, room) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });

for (const dual of [false, true]) {
  const form = dual ? "two peer connections" : "one peer connection";
  test(`whose network is gone is lost, and found when it is back, with ${form}`, async (t) => {
    const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
    const step = story(t, { ada, ben });
    const link = await openLink({ mediaPort: here.hanse.mediaPort });
    t.after(() => link.close());
    const room = `lost-${form}`;
    await step("they see and hear each other, and are well", async () => {
      await Promise.all([ada.join({ ...seat("ada", room), dual, through: link.port }), ben.join({ ...seat("ben", room), dual })]);
      await Promise.all([ada.publishTone(440), ada.publishPicture("camera", CAMERA), ben.publishTone(660)]);
      await hears(ben, "ada", 440);
      await sees(ben, "ada", "camera", CAMERA.mark);
      await isTold(ben, "ada", "excellent");
    });
    await step("when nothing passes any more, she is said to be lost before her connection has ended", async () => {
      link.shape({ up: { loss: 1 }, down: { loss: 1 } });
      await isTold(ben, "ada", "lost");
    });
    await step("when it passes again, she is found, and her call goes on", async () => {
      link.shape({ up: { loss: 0 }, down: { loss: 0 } });
      await isTold(ben, "ada", "good", "excellent");
      await hears(ben, "ada", 440);
      await sees(ben, "ada", "camera", CAMERA.mark);
      await hears(ada, "ben", 660);
      assert.ok(!(await ben.happened()).some(({ event, identity }) => event === "went" && identity === "ada"));
      assert.ok(!(await told(ben, "ben")).includes("lost"), "his own network was well");
    });
  });
}

test("who sends nothing for a while though they should, and still receives, is not lost", async (t) => {
  const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
  const step = story(t, { ada, ben });
  // A transport of its own for what she sends: by the other one she is heard.
  await step("they see and hear each other", async () => {
    await Promise.all([ada.join({ ...seat("ada", "held"), dual: true }), ben.join(seat("ben", "held"))]);
    await Promise.all([ada.publishTone(440), ada.publishPicture("camera", CAMERA)]);
    await Promise.all([ben.publishTone(660), ben.publishPicture("camera", { ...CAMERA, mark: 6 })]);
    await hears(ben, "ada", 440);
    await sees(ben, "ada", "camera", CAMERA.mark);
    await sees(ada, "ben", "camera", 6);
  });
  await step("nothing of hers comes, though it should, and that is all that is said", async () => {
    for (const source of ["camera", "microphone"]) await ada.holdBack(source);
    await isTold(ben, "ada", "poor");
    // For longer than it takes a client to give itself up that is said to be lost.
    const { framesDecoded } = await trackOf(ada, "ben", "camera");
    await until("she has seen twelve seconds of Ben", async () => {
      const { framesDecoded: seen } = await trackOf(ada, "ben", "camera");
      return seen > framesDecoded + 12 * CAMERA.fps;
    });
    assert.equal((await told(ben, "ada")).at(-1), "poor");
  });
  await step("she puts them back, and all is well", async () => {
    for (const source of ["camera", "microphone"]) await ada.holdBack(source, false);
    await hears(ben, "ada", 440);
    await sees(ben, "ada", "camera", CAMERA.mark);
    await isTold(ben, "ada", "good", "excellent");
    for (const person of [ada, ben]) {
      for (const identity of ["ada", "ben"]) assert.ok(!(await told(person, identity)).includes("lost"));
      const trouble = (await person.happened()).filter(({ event }) => /reconnecting|disconnected/.test(event));
      assert.deepEqual(trouble, []);
    }
  });
});
