// What a person sees and hears, asked by content. Views come from browsers (page/page.ts) and from Python
// (python/person.py) alike.
import assert from "node:assert/strict";
import { until } from "./until.mjs";

/** A measured tone may be off by this much: the spectrum's bins are 6 Hz wide. */
const TONE_TOLERANCE_HZ = 10;

/** The view of one track, or undefined. */
export async function trackOf(viewer, identity, source) {
  const { people } = await viewer.view();
  return people.find((each) => each.identity === identity)?.tracks.find((each) => each.source === source);
}

/** `viewer` sees the test picture with `mark` from `identity`, and it goes on. */
export async function sees(viewer, identity, source, mark) {
  let first;
  await until(`the picture ${mark} of ${identity}'s ${source} arrives and goes on`, async () => {
    const track = await trackOf(viewer, identity, source);
    assert.equal(track?.picture?.mark, mark, `seen: ${JSON.stringify(track)}`);
    first ??= track;
    // Two things that must both move: the decoder, and what the picture says.
    return track.framesDecoded > first.framesDecoded + 3 && track.picture.counter !== first.picture.counter;
  });
}

/** `listener` hears the tone of `identity`. */
export async function hears(listener, identity, hertz) {
  await until(`${identity}'s tone of ${hertz} Hz arrives`, async () => {
    const track = await trackOf(listener, identity, "microphone");
    assert.ok(track?.tone != null && Math.abs(track.tone - hertz) <= TONE_TOLERANCE_HZ, `heard: ${JSON.stringify(track)}`);
    return true;
  });
}

/** `listener` hears nothing from `identity` any more, though the track is still there. */
export async function hearsSilence(listener, identity) {
  await until(`${identity} falls silent`, async () => (await trackOf(listener, identity, "microphone"))?.tone === null);
}

/** `viewer` knows of exactly these others. */
export async function meets(viewer, identities) {
  const expected = identities.toSorted();
  await until(`the others are ${expected.join(", ") || "nobody"}`, async () => {
    assert.deepEqual((await viewer.view()).people.map((each) => each.identity).toSorted(), expected);
    return true;
  });
}

/** Everything `viewer` receives is somebody else's: no participant, picture or tone is their own. */
export async function receivesNothingOfTheirOwn(viewer, identity, { marks, hertz }) {
  const { people } = await viewer.view();
  assert.ok(!people.some((each) => each.identity === identity), "one is not among the others");
  for (const track of people.flatMap((each) => each.tracks)) {
    assert.ok(!marks.includes(track.picture?.mark), `an own picture came back: ${JSON.stringify(track)}`);
    const own = track.tone != null && Math.abs(track.tone - hertz) <= TONE_TOLERANCE_HZ;
    assert.ok(!own, `an own tone came back: ${JSON.stringify(track)}`);
  }
}
