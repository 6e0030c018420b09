// Every video codec that Chromium can encode arrives as what was published, and of its layers, whether each is a stream of
// its own or all are in one, everybody gets what fits their tile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, sees, seesAtWidth, trackOf } from "../harness/judge.mjs";
import { story } from "../harness/story.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 960, height: 540, fps: 10, mark: 7 };
const HERTZ = 550;
const [LOW, MIDDLE, HIGH] = [240, 480, 960];

const here = world();

const MIME = { h264: "video/H264", vp9: "video/VP9", av1: "video/AV1" };
/** Layers that are streams of their own, and livekit-client's default for the codecs that have several in one stream. */
const STREAMS = { layers: [LOW, MIDDLE] };
const ONE_STREAM = { layers: [], scalabilityMode: "L3T3_KEY" };

/** Frame encryption of livekit-client leaves AV1 out: it throws. */
const CASES = [
  { codec: "h264", ...STREAMS },
  { codec: "h264", ...STREAMS, key: "codec key" },
  { codec: "h264", ...STREAMS, dual: true },
  { codec: "vp9", ...ONE_STREAM },
  { codec: "vp9", ...ONE_STREAM, key: "codec key" },
  { codec: "vp9", ...ONE_STREAM, dual: true },
  { codec: "av1", ...ONE_STREAM },
];

const ofAda = (viewer) => trackOf(viewer, "ada", "camera");

for (const { codec, layers, scalabilityMode, key, dual = false } of CASES) {
  const encryption = key ? "with frame encryption" : "without encryption";
  const title = dual
    ? `${codec} arrives as ${codec} with two peer connections`
    : `${codec} arrives as ${codec}, ${encryption}`;
  test(title, async (t) => {
    const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
    const step = story(t, { ada, ben, cleo });
    const room = `${codec}-${key ? "sealed" : "open"}-${dual ? "dual" : "single"}`;
    const join = (person, identity, options) =>
      person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room), dual, ...(key && { key }), ...options });
    await step("it is published and seen, and sound beside it is heard", async () => {
      await Promise.all([
        join(ada, "ada", { dynacast: true }),
        join(ben, "ben", { adaptive: true }),
        join(cleo, "cleo", { adaptive: true }),
      ]);
      await Promise.all([ada.publishPicture("camera", CAMERA, layers, { codec, scalabilityMode }), ada.publishTone(HERTZ)]);
      await sees(ben, "ada", "camera", CAMERA.mark);
      await hears(ben, "ada", HERTZ);
      assert.equal((await ofAda(ben)).codec, MIME[codec]);
    });
    await step("a large tile gets the large layer", async () => {
      await cleo.resize("ada", "camera", HIGH, 540);
      await seesAtWidth(cleo, "ada", "camera", HIGH);
      await sees(cleo, "ada", "camera", CAMERA.mark);
    });
    await step("another tile that grows gets it, too, one that shrinks the small one, and large again, beside the first", async () => {
      for (const width of [HIGH, LOW, HIGH]) {
        await ben.resize("ada", "camera", width, (width * 9) / 16);
        await seesAtWidth(ben, "ada", "camera", width);
        await sees(ben, "ada", "camera", CAMERA.mark);
        await seesAtWidth(cleo, "ada", "camera", HIGH);
      }
      await sees(cleo, "ada", "camera", CAMERA.mark);
    });
  });
}
