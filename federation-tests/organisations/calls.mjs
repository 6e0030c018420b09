// Two organisations, each with a homeserver and a Hanse, and unmodified Element Call: everybody sees and hears everybody, and
// who has no key sees and hears nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { acquainted, entrance, everybodyMeets, hasNoTile, isGone, meets, PATIENCE_MS, TEST_MS } from "./meeting.mjs";

/** So many packets of a track are enough to decode it, for whoever has the key. */
const PACKETS = 100;

/** Who meets. */
const PEOPLE = ["alice", "bob", "carol"];

/** Registers the tests. */
export function calls(here) {
  const options = { timeout: TEST_MS };
  // The modes differ for clients; the room versions and the bridge users for the focus, which is asked for seats in all ways elsewhere
  // (admission.mjs, bans.mjs).
  for (const [mode, version, followed] of /** @type {const} */ ([["compatibility", "11", true], ["matrix_2_0", "12", false]])) {
    const bridges = followed ? "with" : "without";
    const sentence = `people of two organisations see and hear each other, ${mode}, room version ${version} ${bridges} the bridge users`;
    test(sentence, options, (t) => meet(here, t, mode, { version, followed }));
  }
  test("who was given no key decodes nothing, and everything once it has one", options, (t) => keyless(here, t));
}

async function meet(here, t, mode, wish) {
  const present = {};
  const step = story(t, present);
  const room = await here.organisations.room("Test", PEOPLE, wish);
  const enter = entrance(here, t, { room, mode });
  const [alice, bob, carol] = await acquainted(PEOPLE.map((user) => enter(user)));
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
    for (const viewer of Object.values(present)) await isGone(viewer, "bob");
    await everybodyMeets(present);
    for (const viewer of Object.values(present)) await hasNoTile(viewer, "bob");
  });
  await step("whoever left may come back", async () => {
    await bob.comeBack();
    present.bob = bob;
    await everybodyMeets(present);
  });
}

async function keyless(here, t) {
  const present = {};
  const step = story(t, present);
  const room = await here.organisations.room("Test", PEOPLE, { followed: true });
  const enter = entrance(here, t, { room });
  const ids = ["alice", "bob"].map((user) => here.organisations.people[user].account.id);
  await step("two people are in a call, and a third joins whom their keys do not reach", async () => {
    const [alice, bob, carol] = await acquainted([enter("alice"), enter("bob"), enter("carol", { withholdFrom: ids })]);
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
