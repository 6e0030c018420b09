// Whoever is gone without a word is gone from the room soon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { entrance, isGone, meets, TEST_MS } from "./meeting.mjs";
import { openBrowser } from "./people.mjs";

/** How soon somebody is gone from the room whose leave is in the hands of their focus. */
const DELEGATED_MS = 20_000;

/** A delay of Element Call's that somebody else must keep an eye on: an hour, a little less or more. */
const LONG_MS = 30 * 60_000;

const MEMBERSHIP = "org.matrix.msc3401.call.member";

/** Registers the tests. */
export function leaves(here) {
  const sentence =
    "a device that dies, or is cut off, is gone from the room within 20 s, or within its own delay where no focus has its leave; others stay";
  test(sentence, { timeout: TEST_MS }, (t) => gone(here, t));
}

/** Registers the test. Focus and SFU are apart in it: another focus of theirs takes over. */
export function takenOver(here) {
  test("the leaves that a killed focus had are sent by another one on the same database", { timeout: TEST_MS }, (t) => secondFocus(here, t));
}

async function gone(here, t) {
  const { alice, bob, carol, dave, step, present, members, mortal } = await meeting(here, t, "leaves", ["bob", "carol", "dave"], ["dave"]);
  for (const user of ["bob", "carol"]) {
    assert.ok(present[user].delays.some((delay) => delay > LONG_MS), `${user}'s leave is an hour ahead: ${present[user].delays}`);
  }
  const own = Math.max(...present.dave.delays);
  assert.ok(own < LONG_MS, `Dave's is ${own} ms ahead`);
  await step("two browsers are killed, and one neither sends nor receives anything any more", async () => {
    await Promise.all([
      goneAfter(t, "bob's browser was killed", members, bob, () => mortal.bob.signal("SIGKILL"), DELEGATED_MS),
      goneAfter(t, "carol's browser fell silent", members, carol, () => mortal.carol.signal("SIGSTOP"), DELEGATED_MS),
      goneAfter(t, `dave's browser was killed, who had a delay of ${own} ms`, members, dave, () => mortal.dave.signal("SIGKILL"), own + 2_000),
    ]);
    for (const user of ["bob", "carol", "dave"]) {
      await isGone(present.alice, user);
      delete present[user];
    }
    assert.deepEqual(await members(), [alice.id]);
    assert.deepEqual(await present.alice.sends(), ["audio", "video"]);
  });
}

async function secondFocus(here, t) {
  const { b } = here.organisations;
  const second = await b.secondFocus();
  here.hanses.push(second);
  const { alice, bob, step, present, members, mortal } = await meeting(here, t, "two focuses", ["bob"]);
  assert.ok(present.bob.delays.some((delay) => delay > LONG_MS), "Bob's leave is an hour ahead");
  await step("the focus that has it is killed: the call goes on", async () => {
    await b.admits.program.kill();
    await meets(present.alice, "bob");
    await meets(present.bob, "alice");
  });
  await step("the browser is killed as well: the other focus sends the leave", async () => {
    await goneAfter(t, "bob's focus and browser were killed", members, bob, () => mortal.bob.signal("SIGKILL"), TAKEN_OVER_MS);
    delete present.bob;
    await isGone(present.alice, "bob");
    assert.deepEqual(await members(), [alice.id]);
  });
  await second.program.stop();
}

/** After this a process that was killed has no leases any more, and another one has looked for the jobs that it had. */
const TAKEN_OVER_MS = 75_000;

/**
 * Alice and others meet, whose browsers are their own. `keepers`: those from whom no focus takes a leave over, as one says that
 * does not do so. `members`: who is in the call, as Alice's homeserver has it.
 */
async function meeting(here, t, name, users, keepers = []) {
  const { organisations } = here;
  const everybody = ["alice", ...users];
  const room = await organisations.room(name, everybody);
  const enter = entrance(here, t, { room });
  const present = {};
  const step = story(t, present);
  const mortal = {};
  for (const user of users) {
    mortal[user] = await openBrowser();
    t.after(() => mortal[user].close());
  }
  await step("they meet", async () => {
    const opened = await Promise.all(everybody.map((user) => enter(user, { keepsLeaves: keepers.includes(user) }, mortal[user])));
    everybody.forEach((user, index) => (present[user] = opened[index]));
    await Promise.all(opened.map((person) => person.join()));
    for (const user of users) {
      await meets(present.alice, user);
      await meets(present[user], "alice");
    }
  });
  const accounts = Object.fromEntries(everybody.map((user) => [user, organisations.people[user].account]));
  const members = async () => {
    const state = await accounts.alice.ask(`rooms/${encodeURIComponent(room)}/state`);
    return state.filter(({ type, content }) => type === MEMBERSHIP && content.application).map(({ sender }) => sender);
  };
  await until("all are members", async () => (await members()).length === everybody.length);
  return { ...accounts, step, present, members, mortal };
}

/** Somebody stops existing, and is no member of the call soon after. */
async function goneAfter(t, what, members, account, happen, limit) {
  assert.ok((await members()).includes(account.id));
  const begin = performance.now();
  happen();
  await until(`${account.id} is gone`, async () => !(await members()).includes(account.id), 2 * limit);
  const took = performance.now() - begin;
  t.diagnostic(`gone from the room ${(took / 1000).toFixed(1)} s after ${what}`);
  assert.ok(took < limit, `after ${Math.round(took)} ms`);
}
