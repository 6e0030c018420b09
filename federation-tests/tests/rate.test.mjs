// People behind links that are too small for a while, and behind long ones: the picture fits, and stays what it is; sound is
// never touched.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, madeUp, sees, seesAtWidth, seesSmaller, trackOf } from "../harness/judge.mjs";
import { openLink } from "../harness/link.mjs";
import { story } from "../harness/story.mjs";
import { standsStill, until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

/** A megabit a second in all its layers' largest. */
const CAMERA = { width: 640, height: 360, fps: 10, mark: 7, grain: true };
const LAYERS = [160, 320];

/** What a link carries that has become bad, and how long what does not fit may wait there. */
const NARROW_BPS = 300_000;
const QUEUE_MS = 400;

/** A way around the world, each direction, and how much later than others a datagram comes. */
const [FAR_MS, JITTER_MS] = [150, 50];

/** So much more of the sound than with a clean link may be made up: while a link falls, and otherwise. */
const [FALL_SHARE, MADE_UP_SHARE] = [0.4, 0.05];
/** Of so many samples: a second has 48 000. */
const [FALL_SAMPLES, SAMPLES] = [2 * 48_000, 4 * 48_000];

/** A layer that has stayed for so long is the one that was found to fit. Before, others are tried. */
const SETTLED_MS = 3_000;
/** For so many pictures from then on it has to stay. */
const PICTURES = 100;

const here = world();

for (const dual of [false, true]) {
  const form = dual ? "two peer connections" : "one peer connection";
  test(`a link that falls to 300 kbit/s carries the sound and a smaller picture, and the large one when it is back, with ${form}`, async (t) => {
    const { ada, ben, cleo, step, link } = await scene(t, `narrow-${form}`, dual, { down: { queueMs: QUEUE_MS } });
    await step("the large picture is there", () => meet(ben));
    await step("the link falls: soon the picture is smaller, and goes on", async () => {
      const sound = madeUp(ben, cleo, "ada", FALL_SAMPLES);
      const before = await trackOf(ben, "ada", "camera");
      const fell = performance.now();
      link.shape({ down: { bitsPerSecond: NARROW_BPS } });
      await seesSmaller(ben, cleo, "ada", CAMERA.width);
      const took = performance.now() - fell;
      await sees(ben, "ada", "camera", CAMERA.mark);
      const { width, frozen } = await trackOf(ben, "ada", "camera");
      const share = await sound;
      t.diagnostic(
        `after ${Math.round(took)} ms it is ${width} wide, has stood still for ${Math.round((frozen - before.frozen) * 1000)} ms, ` +
          `and ${(share * 100).toFixed(1)} % more of the sound was made up than with a clean link`,
      );
      assert.ok(share <= FALL_SHARE, `${share} of the sound`);
    });
    await step("on the narrow link all of the sound is heard", async () => {
      const share = await madeUp(ben, cleo, "ada", SAMPLES);
      t.diagnostic(`on the narrow link ${(share * 100).toFixed(1)} % more of the sound was made up than with a clean one`);
      assert.ok(share <= MADE_UP_SHARE, `${share} of the sound`);
      await hears(ben, "ada", 440);
      await seesSmaller(ben, cleo, "ada", CAMERA.width);
    });
    await step("the link is back, and so is the large picture", async () => {
      const back = performance.now();
      link.shape({ down: { bitsPerSecond: Infinity } });
      await seesAtWidth(ben, "ada", "camera", CAMERA.width);
      t.diagnostic(`the large picture was there ${Math.round(performance.now() - back)} ms after the link`);
      await meet(ben);
    });
    await step("nobody had to come again", () => isUntroubled([ada, ben, cleo]));
  });
}

test("a round trip of 300 ms with 50 ms of jitter costs no layer, and the layer does not change", async (t) => {
  const way = { delayMs: FAR_MS, jitterMs: JITTER_MS, isOrdered: true };
  const { ada, ben, cleo, step } = await scene(t, "far", false, { up: way, down: way });
  await step("the large picture is there, once the way is measured", async () => {
    await standsStill("the picture keeps its size", async () => (await trackOf(ben, "ada", "camera"))?.resized, SETTLED_MS);
    await meet(ben);
  });
  await step("it stays for ten seconds, and the sound is heard", async () => {
    const before = await look(ben, cleo);
    const sound = madeUp(ben, cleo, "ada", SAMPLES);
    const after = await until("ten seconds have passed", async () => {
      const now = await look(ben, cleo);
      return now[0].framesDecoded > before[0].framesDecoded + PICTURES && now;
    });
    const share = await sound;
    // Her own browser may rest a layer, on a loaded machine, and then it rests for everybody.
    const [far, near] = after.map(({ resized }, index) => resized - before[index].resized);
    t.diagnostic(`the picture has changed ${far} times, and ${near} times with a clean link`);
    assert.ok(far <= near, `${far} changes, ${near} of them hers`);
    assert.ok(share <= MADE_UP_SHARE, `${share} of the sound`);
    await meet(ben);
  });
  await step("nobody had to come again", () => isUntroubled([ada, ben, cleo]));
});

/** Ada publishes, Ben sees and hears her over a link, Cleo over none. */
async function scene(t, room, dual, ways) {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const step = story(t, { ada, ben, cleo });
  const link = await openLink({ mediaPort: here.hanse.mediaPort, ...ways });
  t.after(() => link.close());
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room), dual });
  await step("three people meet", async () => {
    await Promise.all([ada.join(seat("ada")), ben.join({ ...seat("ben"), through: link.port }), cleo.join(seat("cleo"))]);
    await Promise.all([ada.publishTone(440), ada.publishPicture("camera", CAMERA, LAYERS)]);
    await meet(cleo);
  });
  return { ada, ben, cleo, step, link };
}

/** What comes of Ada's camera. */
const look = (...viewers) => Promise.all(viewers.map((viewer) => trackOf(viewer, "ada", "camera")));

/** Somebody hears Ada and sees her as large as she is. */
async function meet(viewer) {
  await hears(viewer, "ada", 440);
  await seesAtWidth(viewer, "ada", "camera", CAMERA.width);
  await sees(viewer, "ada", "camera", CAMERA.mark);
}

async function isUntroubled(everybody) {
  for (const person of everybody) {
    const trouble = (await person.happened()).filter(({ event }) => /reconnecting|disconnected/.test(event));
    assert.deepEqual(trouble, []);
  }
}
