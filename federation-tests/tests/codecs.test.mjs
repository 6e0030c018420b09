// Every video codec that Chromium can encode arrives as what was published; layers of H264 are chosen by the tile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 960, height: 540, fps: 10, mark: 7 };
const HERTZ = 550;
const [LOW, HIGH] = [240, 960];

const here = world();

/** Frame encryption of livekit-client leaves AV1 out: it throws. */
const CASES = [
  { codec: "h264", mime: "video/H264", layers: [240, 480] },
  { codec: "h264", mime: "video/H264", layers: [240, 480], key: "codec key" },
  { codec: "vp9", mime: "video/VP9", layers: [], scalabilityMode: "L3T3_KEY" },
  { codec: "vp9", mime: "video/VP9", layers: [], scalabilityMode: "L3T3_KEY", key: "codec key" },
  { codec: "av1", mime: "video/AV1", layers: [], scalabilityMode: "L3T3_KEY" },
];

for (const { codec, mime, layers, scalabilityMode, key } of CASES) {
  const encryption = key ? "with frame encryption" : "without encryption";
  test(`${codec} arrives as ${codec}, ${encryption}`, async (t) => {
    const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
    const step = story(t, { ada, ben });
    const room = `${codec}-${key ? "sealed" : "open"}`;
    const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room), ...(key && { key }) });
    await step("it is published and seen, and sound beside it is heard", async () => {
      await Promise.all([ada.join({ ...seat("ada"), dynacast: true }), ben.join({ ...seat("ben"), adaptive: true })]);
      await Promise.all([ada.publishPicture("camera", CAMERA, layers, { codec, scalabilityMode }), ada.publishTone(HERTZ)]);
      await sees(ben, "ada", "camera", CAMERA.mark);
      await hears(ben, "ada", HERTZ);
      assert.equal((await trackOf(ben, "ada", "camera")).codec, mime);
    });
    if (layers.length === 0) return;
    await step("a tile that grows gets the large layer, one that shrinks the small one, and large again", async () => {
      for (const width of [HIGH, LOW, HIGH]) {
        await ben.resize("ada", "camera", width, (width * 9) / 16);
        await until(`the picture is ${width} wide`, async () => {
          assert.equal((await trackOf(ben, "ada", "camera"))?.width, width);
          return true;
        });
        await sees(ben, "ada", "camera", CAMERA.mark);
      }
    });
  });
}
