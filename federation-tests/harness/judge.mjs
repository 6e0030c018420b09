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

/** The picture of `identity` arrives at this width. */
export async function seesAtWidth(viewer, identity, source, width) {
  await until(`the picture of ${identity}'s ${source} is ${width} wide`, async () => {
    assert.equal((await trackOf(viewer, identity, source))?.width, width);
    return true;
  });
}

/** The picture of `identity` is smaller for `viewer` than for `other`, who has a clean link and sees it in its full width. */
export async function seesSmaller(viewer, other, identity, full) {
  await until(`the picture of ${identity} is smaller`, async () => {
    const [small, large] = (await Promise.all([viewer, other].map((each) => trackOf(each, identity, "camera")))).map(({ width }) => width);
    assert.ok(small < full && large === full, `${small} and ${large}`);
    return true;
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

/** `listener` hears one tone of `identity` on the left side and another on the right. */
export async function hearsSides(listener, identity, tones) {
  await until(`${identity}'s tones of ${tones.join(" and ")} Hz arrive, left and right`, async () => {
    const track = await trackOf(listener, identity, "microphone");
    const heard = tones.every((hertz, side) => {
      const tone = track?.sides?.[side];
      return tone != null && Math.abs(tone - hertz) <= TONE_TOLERANCE_HZ;
    });
    assert.ok(heard, `heard: ${JSON.stringify(track)}`);
    return true;
  });
}

/** Sound that carries a copy of each packet before is twice as large as plain sound; this is between the two. */
const LARGER_WITH_COPIES = 1.5;
/** A second of sound. */
const PACKETS_MIN = 50;

/** Bytes of a packet of sound, on average over a second or more. */
async function packetSize(read) {
  const { bytes, packets } = await until("there is a second of sound", async () => {
    const counts = await read();
    return counts.packets >= PACKETS_MIN && counts;
  });
  return bytes / packets;
}

/**
 * Whether a sound that was sent or received carries copies of itself (RED), by its size beside that of the same sound
 * without. Both are read as `{ bytes, packets }`.
 */
export async function hasCopies(read, readPlain) {
  return (await packetSize(read)) > LARGER_WITH_COPIES * (await packetSize(readPlain));
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

/**
 * How much more of somebody's sound is made up for `listener` than for `other`, who has a clean link, as a share of all, over so
 * many samples: the rest is what this machine can do.
 */
export async function madeUp(listener, other, identity, samples) {
  const look = () => Promise.all([listener, other].map((person) => trackOf(person, identity, "microphone")));
  const before = await look();
  const after = await until(`${samples} samples of ${identity}'s sound have been played`, async () => {
    const now = await look();
    return now.every((each, index) => each.samples >= before[index].samples + samples) && now;
  });
  const [share, clean] = after.map((each, index) => (each.concealed - before[index].concealed) / (each.samples - before[index].samples));
  return share - clean;
}
