// The participant without a screen, in calls with Element Call and with its like: it is seen and heard as anybody is, opens what
// others send, and changes its key as they do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { acquainted, entrance, everybodyMeets, hasNoTile, isGone, meets, PATIENCE_MS, TEST_MS } from "./meeting.mjs";
import { startParticipant } from "./native.mjs";

/** Registers the tests. */
export function participant(here) {
  const options = { timeout: TEST_MS };
  test("a participant without a screen is seen and heard by Element Call, and sees and hears it", options, (t) => withElementCall(here, t));
  test("two participants without a screen of two organisations call each other, and say what they saw", options, (t) => alone(here, t));
  test("a participant that is not let in says why, and leaves no device behind", options, (t) => refused(here, t));
}

async function withElementCall(here, t) {
  const present = {};
  const step = story(t, present);
  const room = await here.organisations.room("Test", ["alice", "bob", "carol"], { followed: true });
  const enter = entrance(here, t, { room });
  let native;
  await step("two people meet in Element Call, and a participant without a screen joins them", async () => {
    [present.alice, present.bob] = await acquainted([enter("alice"), enter("bob")]);
    await Promise.all([present.alice.join(), present.bob.join()]);
    await everybodyMeets(present);
    native = await startParticipant(here, t, "carol", { room });
    await native.connected();
  });
  await step("they see and hear it, and it sees and hears them, at both organisations' SFUs", async () => {
    for (const viewer of Object.values(present)) await meets(viewer, "clip");
    await native.meets("alice");
    await native.meets("bob");
  });
  await step("one of them leaves: the other still sees and hears it, sealed with another key", async () => {
    const { alice, bob } = present;
    const [first, ...more] = await keysOf(alice, here, "carol");
    assert.deepEqual(more, []);
    const { id } = here.organisations.people.carol.account;
    const sent = () => bob.arrived.filter(({ sender }) => sender === id).length;
    const before = sent();
    await bob.leave();
    delete present.bob;
    const [, second] = await until("a new key comes", async () => {
      const keys = await keysOf(alice, here, "carol");
      return keys.length > 1 && keys;
    }, PATIENCE_MS);
    assert.equal(second.index, first.index + 1);
    assert.notEqual(second.key, first.key);
    await meets(alice, "clip");
    assert.equal(sent(), before, "who has left is not sent it");
  });
  await step("it leaves: it is gone for the other at once, and has a report", async () => {
    const { code, report } = await native.leave();
    assert.equal(code, 0);
    assert.deepEqual(report.lost, []);
    assert.equal(report.is_encrypted, true);
    await isGone(present.alice, "clip");
    await hasNoTile(present.alice, "carol");
    for (const { sound, picture } of report.people) assert.ok(sound.opened > 0 && picture.opened > 0);
  });
}

async function alone(here, t) {
  const room = await here.organisations.room("Test", ["alice", "bob"]);
  const args = ["--people", "1"];
  const people = ["alice", "bob"];
  const both = await Promise.all(people.map((user) => startParticipant(here, t, user, { room, args })));
  await Promise.all(both.map((native, index) => native.meets(people[1 - index])));
  for (const [index, native] of both.entries()) {
    const { code, report } = await native.leave();
    assert.equal(code, 0);
    assert.deepEqual(report.people.map(({ user }) => user), [here.organisations.people[people[1 - index]].account.id]);
    assert.deepEqual(report.lost, []);
  }
}

async function refused(here, t) {
  const { alice, bob } = here.organisations.people;
  const devices = async () => (await bob.account.ask("devices")).devices.length;
  const before = await devices();
  const room = await alice.account.makeRoom({ name: "Closed", invite: [] });
  const native = await startParticipant(here, t, "bob", { room });
  const { code, report, complaints } = await native.left();
  assert.equal(code, 1);
  assert.equal(report, undefined);
  assert.match(complaints, /this user cannot join the room/);
  assert.equal(await devices(), before);
}

/** The keys of somebody that have reached a person's Element Call, in their order: `{ index, key }`. */
async function keysOf(viewer, here, user) {
  const { id } = here.organisations.people[user].account;
  return (await viewer.keys()).filter(({ sender }) => sender === id).flatMap(({ content }) => content.keys);
}
