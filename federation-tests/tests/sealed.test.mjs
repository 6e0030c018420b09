// What the SFU forwards, taken from it by the debug tap (test builds only): with frame encryption on, nothing of it can be
// decoded without the key, and all of it with the key; with frame encryption off, the same check finds everything open.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openBrowser } from "../harness/browser.mjs";
import { frameKey, isKeyFrame, open, opusFrames, SOUNDS_BY_CHANCE_MAX, vp8Frames } from "../harness/frames.mjs";
import { startHanse } from "../harness/hanse.mjs";
import { hears, sees } from "../harness/judge.mjs";
import { until } from "../harness/until.mjs";
import { people } from "../harness/world.mjs";

/** How many frames of each codec the tap writes. */
const FRAMES = 100;
const MARK = 7;
const HERTZ = 440;
const PASSPHRASE = "only browsers know this";
/** Opus frames before a judged one that a decoder needs to be settled. */
const WARM_UP = 5;

for (const sealed of [true, false]) {
  const what = sealed
    ? "of frames sealed by the browsers, plain decoding shows none, but for sounds by chance, and the key opens every one"
    : "of frames without encryption, plain decoding shows every one and the key opens none";
  test(what, (t) => judgeForwarded(t, sealed));
}

async function judgeForwarded(t, sealed) {
  const hanse = await startHanse();
  t.after(() => hanse.stop());
  const browser = await openBrowser();
  t.after(() => browser.close());
  const { ada, ben } = await people(t, browser, ["ada", "ben"]);
  for (const [identity, person] of Object.entries({ ada, ben })) {
    await person.join({ url: hanse.url, token: hanse.seat(identity, "room"), ...(sealed && { key: PASSPHRASE }) });
  }
  await ada.publishPicture("camera", { width: 320, height: 180, fps: 25, mark: MARK });
  // A packet is a frame, as when it is sealed.
  await ada.publishTone(HERTZ, { red: false });
  await sees(ben, "ada", "camera", MARK);
  await hears(ben, "ada", HERTZ);
  const { video, audio } = await until("enough frames are forwarded", async () => {
    const packets = await hanse.tapped();
    const of = (codec) => packets.filter((each) => each.codec === codec);
    const frames = { video: vp8Frames(of("vp8")), audio: opusFrames(of("opus")) };
    return frames.video.length >= FRAMES && frames.audio.length >= FRAMES && frames;
  });
  await Promise.all([ada.leave(), ben.leave()]);

  const key = await frameKey(PASSPHRASE);
  await t.test("pictures", () => judgePictures(ben, video.slice(0, FRAMES), key, sealed));
  await t.test("sounds", () => judgeSounds(ben, audio.slice(0, FRAMES), key, sealed));
}

async function judgePictures(decoder, frames, key, sealed) {
  assert.ok(isKeyFrame(frames[0]), "the first frame that was forwarded is a key frame");
  const opened = await openAll(frames, key, "vp8");
  assert.equal(opened.filter(Boolean).length, sealed ? FRAMES : 0, "frames that the key opens");
  const clear = sealed ? opened : frames;
  let shown = 0;
  let counter;
  for (const [index, frame] of frames.entries()) {
    // Somebody who has everything up to the frame before and lacks only the key for this one.
    const start = clear.slice(0, index + 1).findLastIndex(isKeyFrame);
    const past = base64(clear.slice(start, index));
    const truth = await decoder.decodeVp8(past, clear[index].toString("base64"));
    assert.equal(truth?.mark, MARK, `picture ${index} shows what was published`);
    assert.ok(counter === undefined || (truth.counter - counter + 256) % 256 > 0, `picture ${index} is a new one`);
    counter = truth.counter;
    const plain = sealed ? await decoder.decodeVp8(past, frame.toString("base64")) : truth;
    if (plain?.mark === MARK && plain.counter === truth.counter) shown += 1;
  }
  assert.equal(shown, sealed ? 0 : FRAMES, "pictures that plain decoding shows");
}

async function judgeSounds(decoder, frames, key, sealed) {
  const opened = await openAll(frames, key, "opus");
  assert.equal(opened.filter(Boolean).length, sealed ? FRAMES : 0, "sounds that the key opens");
  const clear = sealed ? opened : frames;
  let heard = 0;
  for (const [index, frame] of frames.entries()) {
    // The first frames have too little before them: their past is put together from those that follow.
    const past = base64(index < WARM_UP ? clear.slice(index + 1, index + 1 + WARM_UP) : clear.slice(index - WARM_UP, index));
    if (index >= WARM_UP) {
      assert.ok(await decoder.decodeOpus(past, clear[index].toString("base64"), HERTZ), `sound ${index} is the tone`);
    }
    if (await decoder.decodeOpus(past, frame.toString("base64"), HERTZ)) heard += 1;
  }
  if (sealed) assert.ok(heard <= SOUNDS_BY_CHANCE_MAX, `plain decoding lets one hear ${heard} sounds`);
  else assert.ok(heard >= FRAMES - WARM_UP, `plain decoding lets one hear ${heard} sounds`);
}

/** Each frame opened, or null. */
function openAll(frames, key, codec) {
  return Promise.all(frames.map((each) => open(key, each, codec).catch(() => null)));
}

function base64(frames) {
  return frames.map((each) => each.toString("base64"));
}
