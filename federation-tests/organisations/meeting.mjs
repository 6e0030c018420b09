// People in Element Call who meet, and whom each of them sees and hears.
import assert from "node:assert/strict";
import { until } from "../harness/until.mjs";

/** Many encoders and decoders share this machine's cores: a small camera is enough to tell who is who. */
const CAMERA = { width: 320, height: 180, fps: 5 };

/** Everybody's own picture and tone. */
export const SIGNS = {
  alice: { mark: 1, hertz: 440 },
  bob: { mark: 2, hertz: 660 },
  carol: { mark: 3, hertz: 880 },
  dave: { mark: 4, hertz: 1100 },
  // Has no account.
  grace: { mark: 5, hertz: 1320 },
  // Whoever has no screen and shows what was recorded (record-clip.mjs).
  clip: { mark: 173, hertz: 1150 },
};

/** A measured tone may be off by this much: the spectrum's bins are 6 Hz wide. */
const TONE_TOLERANCE_HZ = 10;

/** How long anything may take, in milliseconds: two homeservers and three browsers' encoders share this machine with it. */
export const PATIENCE_MS = 120_000;

/** A test that takes longer has failed: something hangs that no wait gives up. */
export const TEST_MS = 600_000;

/** Gives what opens somebody's page in a room, in the browser of all tests or in one of their own. */
export function entrance(here, t, { room, mode = "compatibility" }) {
  return async (user, signs = {}, browser = here.browser) => {
    const person = await browser.open(here.organisations.site.link(user, { room, mode }), { ...CAMERA, ...SIGNS[user], ...signs });
    t.after(() => person.close());
    here.held.push(person.held);
    return person;
  };
}

/**
 * Those who are entering a room, once everybody's device has the keys of all the others: `matrix_2_0` has memberships encrypted
 * for the devices that one knows, and whichever becomes known later cannot read them.
 */
export async function acquainted(entering) {
  const people = await Promise.all(entering);
  for (const { devices } of people) {
    await until("the devices of all others are known", () => {
      for (const { devices: { own } } of people) assert.ok(devices.known(own.user).includes(own.id), `${own.user} in ${own.id}`);
      return true;
    }, PATIENCE_MS);
  }
  return people;
}

/** People open a room's page, and meet: a step of a story. `present` has them by name then. */
export async function gather(enter, step, users, present) {
  await step(`${users.length} people of two organisations meet`, async () => {
    const opened = await acquainted(users.map((user) => enter(user)));
    users.forEach((user, index) => (present[user] = opened[index]));
    await Promise.all(opened.map((person) => person.join()));
    await everybodyMeets(present);
  });
}

/** Everybody sees and hears all the others, and nobody themselves. */
export async function everybodyMeets(present) {
  for (const [viewer, person] of Object.entries(present)) {
    for (const other of Object.keys(present)) if (other !== viewer) await meets(person, other);
    const own = (await person.view()).filter((each) => each.picture?.mark === SIGNS[viewer].mark);
    assert.deepEqual(own, [], `${viewer} receives their own picture`);
  }
}

/** `viewer` sees the other's picture, which goes on, and hears their tone. */
export async function meets(viewer, other) {
  await sees(viewer, other);
  await hears(viewer, other);
}

/** `viewer` sees the other's picture, and it goes on. */
export async function sees(viewer, other) {
  const { mark } = SIGNS[other];
  let first;
  await until(`${other} is seen`, async () => {
    const tracks = await viewer.view();
    const seen = tracks.find((each) => each.picture?.mark === mark);
    assert.ok(seen, `seen: ${JSON.stringify(tracks)}`);
    // A person who came back begins to count anew.
    if (!(seen.framesDecoded >= first?.framesDecoded)) first = seen;
    return seen.framesDecoded > first.framesDecoded + 3 && seen.picture.counter !== first.picture.counter;
  }, PATIENCE_MS);
}

/** `viewer` hears the other's tone. */
export async function hears(viewer, other) {
  await until(`${other} is heard`, async () => {
    const tracks = await viewer.view();
    assert.ok(tracks.some(isToneOf(other)), `heard: ${JSON.stringify(tracks)}`);
    return true;
  }, PATIENCE_MS);
}

/** `viewer` does not see the other any more. */
export function isUnseen(viewer, other) {
  const unseen = async () => !(await viewer.view()).some((each) => each.picture?.mark === SIGNS[other].mark);
  return until(`${other} is not seen`, unseen, PATIENCE_MS);
}

/** `viewer` does not hear the other any more. */
export function isUnheard(viewer, other) {
  return until(`${other} is not heard`, async () => !(await viewer.view()).some(isToneOf(other)), PATIENCE_MS);
}

/** `viewer` neither sees nor hears the other any more. */
export async function isGone(viewer, other) {
  await isUnseen(viewer, other);
  await isUnheard(viewer, other);
}

/**
 * `viewer`'s Element Call knows that the other has left. Whoever comes back sooner is somebody new in `matrix_2_0`, and their key
 * would be taken for that of who they were.
 */
export function hasNoTile(viewer, other) {
  return until(`${other} has no tile`, async () => !(await viewer.tiles()).some((name) => name.toLowerCase().startsWith(other)), PATIENCE_MS);
}

function isToneOf(person) {
  return ({ tone }) => tone !== null && Math.abs(tone - SIGNS[person].hertz) <= TONE_TOLERANCE_HZ;
}
