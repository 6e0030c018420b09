// Two organisations, each with a homeserver and a Hanse, and unmodified Element Call: everybody sees and hears everybody, and
// who has no key sees and hears nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";

/** Three encoders and three decoders share this machine's cores: a small camera is enough to tell who is who. */
const CAMERA = { width: 640, height: 360, fps: 10 };

/** Everybody's own picture and tone. */
const SIGNS = { alice: { mark: 1, hertz: 440 }, bob: { mark: 2, hertz: 660 }, carol: { mark: 3, hertz: 880 } };

/** A measured tone may be off by this much: the spectrum's bins are 6 Hz wide. */
const TONE_TOLERANCE_HZ = 10;

/** So many packets of a track are enough to decode it, for whoever has the key. */
const PACKETS = 100;

/** How long anything may take, in milliseconds: two homeservers and three browsers' encoders share this machine with it. */
const PATIENCE_MS = 120_000;

/** A test that takes longer has failed: something hangs that no wait gives up. */
const TEST_MS = 600_000;

/** Registers the tests. */
export function calls(here) {
  const options = { timeout: TEST_MS };
  for (const mode of ["compatibility", "matrix_2_0"]) {
    for (const version of ["11", "12"]) {
      const sentence = `people of two organisations see and hear each other, ${mode}, room version ${version}`;
      test(sentence, options, (t) => meet(here, t, mode, version));
    }
    test(`who was given no key decodes nothing, and everything once it has one, ${mode}`, options, (t) => keyless(here, t, mode));
  }
}

async function meet(here, t, mode, version) {
  const present = {};
  const step = story(t, present);
  const enter = await opener(here, t, mode, version);
  // Every device is there before the call begins: `matrix_2_0` has memberships encrypted for the devices that are in the room,
  // and one that comes later cannot read them.
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((user) => enter(user)));
  await step("two people meet", async () => {
    Object.assign(present, { alice, bob });
    await alice.join();
    await bob.join();
    await everybodyMeets(present);
  });
  await step("a late joiner meets those who are there, and they meet her", async () => {
    await carol.join();
    present.carol = carol;
    await everybodyMeets(present);
  });
  await step("one who leaves is gone for the others, and they go on", async () => {
    await bob.leave();
    delete present.bob;
    for (const viewer of Object.values(present)) {
      const gone = async () => !(await viewer.view()).some((each) => each.picture?.mark === SIGNS.bob.mark);
      await until("Bob is gone", gone, PATIENCE_MS);
    }
    await everybodyMeets(present);
  });
  await step("whoever left may come back", async () => {
    await bob.comeBack();
    present.bob = bob;
    await everybodyMeets(present);
  });
}

async function keyless(here, t, mode) {
  const present = {};
  const step = story(t, present);
  const enter = await opener(here, t, mode);
  const ids = ["alice", "bob"].map((user) => here.organisations.people[user].account.id);
  await step("two people are in a call, and a third joins whom their keys do not reach", async () => {
    const [alice, bob, carol] = await Promise.all([enter("alice"), enter("bob"), enter("carol", { withholdFrom: ids })]);
    Object.assign(present, { alice, bob, carol });
    await present.alice.join();
    await present.bob.join();
    await everybodyMeets({ alice: present.alice, bob: present.bob });
    await present.carol.join();
  });
  const { alice, bob, carol } = present;
  await step("she receives all of it, and decodes nothing", async () => {
    await until("both have sent her a key", async () => (await carol.withheldFrom()).length === 2, PATIENCE_MS);
    const tracks = await until("enough packets of every track arrive", async () => {
      const flowing = (await carol.view()).filter((each) => each.packets > PACKETS);
      assert.deepEqual(flowing.map((each) => each.kind).toSorted(), ["audio", "audio", "video", "video"]);
      return flowing;
    }, PATIENCE_MS);
    for (const { framesDecoded, picture, tone } of tracks) {
      assert.deepEqual({ framesDecoded, picture, tone }, { framesDecoded: 0, picture: null, tone: null });
    }
    assert.deepEqual(await carol.keys(), [], "no key has reached her Element Call");
  });
  await step("those who have her key see and hear her, and each other", async () => {
    for (const viewer of [alice, bob]) await meets(viewer, "carol");
    await everybodyMeets({ alice, bob });
  });
  await step("once she is given the keys, she sees and hears them", async () => {
    await carol.letKeysThrough();
    await everybodyMeets(present);
  });
}

/** Makes a room for this test; gives what opens a person's page in it. */
async function opener(here, t, mode, version) {
  const { organisations, browser } = here;
  const room = await organisations.room("Test", Object.keys(SIGNS), version);
  return async (user, more = {}) => {
    const person = await browser.open(organisations.site.link(user, { room, mode }), { ...CAMERA, ...SIGNS[user], ...more });
    t.after(() => person.close());
    here.held.push(person.held);
    return person;
  };
}

async function everybodyMeets(present) {
  for (const [viewer, person] of Object.entries(present)) {
    for (const other of Object.keys(present)) if (other !== viewer) await meets(person, other);
    const own = (await person.view()).filter((each) => each.picture?.mark === SIGNS[viewer].mark);
    assert.deepEqual(own, [], `${viewer} receives their own picture`);
  }
}

/** `viewer` sees the other's picture, which goes on, and hears their tone. */
async function meets(viewer, other) {
  const { mark, hertz } = SIGNS[other];
  let first;
  await until(`${other} is seen`, async () => {
    const tracks = await viewer.view();
    const seen = tracks.find((each) => each.picture?.mark === mark);
    assert.ok(seen, `seen: ${JSON.stringify(tracks)}`);
    // A person who came back begins to count anew.
    if (!(seen.framesDecoded >= first?.framesDecoded)) first = seen;
    return seen.framesDecoded > first.framesDecoded + 3 && seen.picture.counter !== first.picture.counter;
  }, PATIENCE_MS);
  await until(`${other} is heard`, async () => {
    const tracks = await viewer.view();
    assert.ok(tracks.some((each) => each.tone !== null && Math.abs(each.tone - hertz) <= TONE_TOLERANCE_HZ), `heard: ${JSON.stringify(tracks)}`);
    return true;
  }, PATIENCE_MS);
}
