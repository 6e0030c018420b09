// The Python SDK behind a link that loses, and that is too small for a while. Native clients take the server's address as it is:
// the link is there, and the server at another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, madeUp, sees, seesAtWidth, seesSmaller } from "../harness/judge.mjs";
import { openLink } from "../harness/link.mjs";
import { pythonPerson } from "../harness/python.mjs";
import { story } from "../harness/story.mjs";
import { people, world } from "../harness/world.mjs";

/** Where the server says to be, and where it is. */
const [LINK_ADDRESS, SERVER_ADDRESS] = ["127.0.0.2", "127.0.0.1"];

const CAMERA = { width: 640, height: 360, fps: 10, mark: 12, grain: true };
const LAYERS = [160, 320];

const LOSS = 0.05;
const NARROW_BPS = 300_000;
const QUEUE_MS = 400;

/** So much more of the sound than with a clean link may be made up. Without repair it would be a tenth; a busy machine makes up 2 % alone. */
const MADE_UP_SHARE = 0.05;
/** Four seconds. */
const SAMPLES = 4 * 48_000;

const here = world({ address: LINK_ADDRESS, listenAddress: SERVER_ADDRESS });

for (const dual of [false, true]) {
  const form = dual ? "two peer connections" : "one peer connection";
  test(`the Python SDK hears and sees everything over a link that loses, and over a narrow one a smaller picture, with ${form}`, (t) =>
    badLink(t, dual, `python-link-${form}`));
}

async function badLink(t, dual, room) {
  const { mediaPort } = here.hanse;
  const link = await openLink({ mediaPort, at: { host: LINK_ADDRESS, port: mediaPort }, down: { queueMs: QUEUE_MS } });
  const clean = await openLink({ mediaPort, at: { host: LINK_ADDRESS } });
  t.after(() => [link, clean].forEach((each) => each.close()));
  const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
  const present = { ada, ben };
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room), dual });
  let pia;

  await step("a person with Python meets two with Chromium", async () => {
    for (const [name, person] of Object.entries({ ada, ben })) await person.join({ ...seat(name), through: clean.port });
    await Promise.all([ada.publishTone(440), ada.publishPicture("camera", CAMERA, LAYERS)]);
    pia = present.pia = await pythonPerson(t, { ...seat("pia"), mark: 11, hertz: 660 });
    await hears(pia, "ada", 440);
    await seesAtWidth(pia, "ada", "camera", CAMERA.width);
    await sees(pia, "ada", "camera", CAMERA.mark);
    await hears(ben, "pia", 660);
    await sees(ben, "pia", "camera", 11);
  });
  await step("her link loses every twentieth datagram each way: she hears and sees everything, and is heard and seen", async () => {
    link.shape({ up: { loss: LOSS }, down: { loss: LOSS } });
    const share = await madeUp(pia, ben, "ada", SAMPLES);
    t.diagnostic(`with loss ${(share * 100).toFixed(2)} % more of the sound was made up than with a clean link`);
    assert.ok(share <= MADE_UP_SHARE, `${share} of the sound`);
    await hears(pia, "ada", 440);
    await sees(pia, "ada", "camera", CAMERA.mark);
    await seesAtWidth(pia, "ada", "camera", CAMERA.width);
    await hears(ben, "pia", 660);
    await sees(ben, "pia", "camera", 11);
    const { carried, lost } = link.counts().down;
    assert.ok(lost > (carried * LOSS) / 4, `${lost} of ${carried + lost} were lost`);
  });
  await step("her link loses nothing and falls to 300 kbit/s: the picture is smaller, and she hears everything", async () => {
    const fell = performance.now();
    link.shape({ up: { loss: 0 }, down: { loss: 0, bitsPerSecond: NARROW_BPS } });
    await seesSmaller(pia, ben, "ada", CAMERA.width);
    t.diagnostic(`the picture was smaller ${Math.round(performance.now() - fell)} ms after the link`);
    await sees(pia, "ada", "camera", CAMERA.mark);
    const share = await madeUp(pia, ben, "ada", SAMPLES);
    assert.ok(share <= MADE_UP_SHARE, `${share} of the sound`);
    await hears(pia, "ada", 440);
  });
  await step("her link is large again, and so is the picture", async () => {
    link.shape({ down: { bitsPerSecond: Infinity } });
    await seesAtWidth(pia, "ada", "camera", CAMERA.width);
    await sees(pia, "ada", "camera", CAMERA.mark);
    assert.deepEqual((await pia.view()).happened, [], "she never had to come again");
  });
}
