// A camera in a codec that not everybody can decode: whoever cannot gets its backup, which is made only as long as somebody
// needs it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sees, seesAtWidth } from "../harness/judge.mjs";
import { story } from "../harness/story.mjs";
import { standsStill, until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 960, height: 540, fps: 10, mark: 9 };
const [LOW, MIDDLE, HIGH] = [240, 480, 960];
const ENCODING = { scalabilityMode: "L3T3_KEY", backup: "vp8" };
const BACKUP = "video/VP8";

const here = world();

for (const [codec, mime, dual] of [["vp9", "video/VP9", false], ["av1", "video/AV1", true]]) {
  const form = dual ? "two peer connections" : "one peer connection";
  test(`whoever cannot decode ${codec} gets its backup in VP8, everybody else ${codec}, with ${form}`, (t) =>
    backup(t, codec, mime, dual));
}

test("where the publisher wants one codec for all, everybody gets the backup once somebody needs it", async (t) => {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const step = story(t, { ada, ben, cleo });
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, "regression") });
  await step("as long as everybody can decode the first codec, they get it", async () => {
    await Promise.all([ada.join({ ...seat("ada"), dynacast: true }), cleo.join(seat("cleo"))]);
    await ada.publishPicture("camera", CAMERA, [LOW, MIDDLE], { codec: "vp9", ...ENCODING, policy: "regression" });
    await receivesAs(cleo, "video/VP9");
  });
  await step("somebody who cannot decode it comes, and everybody gets the backup", async () => {
    await ben.join({ ...seat("ben"), lacks: ["video/VP9"] });
    await Promise.all([ben, cleo].map((viewer) => until("it is VP8", () => receivesAs(viewer, BACKUP).then(() => true))));
  });
  await step("the first codec rests", async () => {
    await until("it is turned off", async () =>
      (await ada.view()).sending.camera.filter((each) => each.codec !== BACKUP).every((each) => !each.active));
  });
});

/** Somebody sees Ada's one camera, in this codec. */
async function receivesAs(viewer, mime) {
  await sees(viewer, "ada", "camera", CAMERA.mark);
  const { people: others } = await viewer.view();
  const { tracks } = others.find((each) => each.identity === "ada");
  assert.deepEqual(tracks.map((each) => each.codec), [mime]);
}

async function backup(t, codec, mime, dual) {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const step = story(t, { ada, ben, cleo });
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, `backup-${codec}`), dual });
  const sent = async () => (await ada.view()).sending.camera;
  const backups = async () => (await sent()).filter((each) => each.codec === BACKUP);

  await step("as long as everybody can decode the first codec, the backup is not made", async () => {
    await Promise.all([ada.join({ ...seat("ada"), dynacast: true }), cleo.join({ ...seat("cleo"), adaptive: true })]);
    await ada.publishPicture("camera", CAMERA, [LOW, MIDDLE], { codec, ...ENCODING });
    await receivesAs(cleo, mime);
    await cleo.resize("ada", "camera", HIGH, 540);
    await seesAtWidth(cleo, "ada", "camera", HIGH);
    assert.deepEqual((await sent()).map((each) => each.codec), [mime]);
  });
  await step("somebody who cannot decode it comes and gets the backup, everybody else what they had", async () => {
    await ben.join({ ...seat("ben"), adaptive: true, lacks: [mime] });
    await receivesAs(ben, BACKUP);
    await receivesAs(cleo, mime);
  });
  await step("of the backup, too, a tile gets the layer that fits", async () => {
    for (const width of [HIGH, LOW]) {
      await ben.resize("ada", "camera", width, (width * 9) / 16);
      await seesAtWidth(ben, "ada", "camera", width);
    }
    await receivesAs(ben, BACKUP);
  });
  await step("once they have left, the backup rests, and the others see what they saw", async () => {
    await ben.leave();
    await until("it is turned off", async () => (await backups()).every((each) => !each.active));
    await standsStill("no more of it is made", async () => (await backups()).map((each) => each.frames));
    await receivesAs(cleo, mime);
    await seesAtWidth(cleo, "ada", "camera", HIGH);
  });
  await step("it is made again for the next one", async () => {
    await ben.join({ ...seat("ben"), adaptive: true });
    await receivesAs(ben, BACKUP);
    await receivesAs(cleo, mime);
  });
}
