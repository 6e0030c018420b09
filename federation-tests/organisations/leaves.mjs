// Whoever is gone without a word is gone from the room soon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { standsStill, until } from "../harness/until.mjs";
import { acquainted, entrance, isGone, meets, TEST_MS } from "./meeting.mjs";
import { openBrowser } from "./people.mjs";

/** How soon somebody is gone from the room whose leave is in the hands of their focus. */
const DELEGATED_MS = 20_000;

/** A delay of Element Call's that somebody else must keep an eye on: an hour, a little less or more. */
const LONG_MS = 30 * 60_000;

/** A request that was not answered within this is lost: all of this is on one machine. */
const ANSWER_MS = 2_000;

/** Of sticky events with the same one, the last holds (MSC4354). */
const STICKY_KEY = "msc4354_sticky_key";

/** Who is in a room's call, as a homeserver has it, by how Element Call speaks of it there. */
export const MEMBERS = {
  async compatibility(account, room) {
    const state = await account.ask(`rooms/${encodeURIComponent(room)}/state`);
    return state
      .filter(({ type, content }) => type === "org.matrix.msc3401.call.member" && content.application)
      .map(({ sender }) => sender);
  },
  // A membership is an encrypted sticky event. A leave is one in the clear with nothing but the key: it lay with the homeserver,
  // and nobody encrypts what may be sent much later.
  async matrix_2_0(account, room) {
    const sticky = (await account.latest(room)).filter((event) => event.msc4354_sticky);
    const last = new Map(sticky.toReversed().map((event) => [event.sender, event.content]));
    return [...last].filter(([, content]) => Object.keys(content).some((key) => key !== STICKY_KEY)).map(([sender]) => sender);
  },
};

/** Registers the tests. */
export function leaves(here) {
  const sentence =
    "a device that is cut off is gone from the room within 20 s, and one that dies within its own delay where no focus has its leave; others stay";
  test(sentence, { timeout: TEST_MS }, (t) => gone(here, t));
  const encrypted = "a device that dies leaves the room within 20 s where memberships are encrypted, too (matrix_2_0); others stay";
  test(encrypted, { timeout: TEST_MS }, (t) => goneUnread(here, t));
}

/** Registers the test. Focus and SFU are apart in it: another focus of theirs takes over. */
export function takenOver(here) {
  test("the leaves that a killed focus had are sent by another one on the same database", { timeout: TEST_MS }, (t) => secondFocus(here, t));
}

async function gone(here, t) {
  const wish = { keepers: ["dave"] };
  const { alice, carol, dave, step, present, members, mortal } = await meeting(here, t, "leaves", ["carol", "dave"], wish);
  assert.ok(present.carol.delays.some((delay) => delay > LONG_MS), `Carol's leave is an hour ahead: ${present.carol.delays}`);
  const own = Math.max(...present.dave.delays);
  assert.ok(own < LONG_MS, `Dave's is ${own} ms ahead`);
  const dropped = () => cutOff(mortal.carol, present.carol, present.alice, carol);
  await step("one browser is killed, and all packets of another that goes on are dropped", async () => {
    await Promise.all([
      goneAfter(t, "all packets of carol's browser were dropped", members, carol, dropped, DELEGATED_MS),
      goneAfter(t, `dave's browser was killed, who had a delay of ${own} ms`, members, dave, mortal.dave.kill, own + 2_000),
    ]);
    assert.ok(!(await reaches(present.carol, carol)), "Carol's page goes on, and is cut off still");
    for (const user of ["carol", "dave"]) {
      await isGone(present.alice, user);
      delete present[user];
    }
    assert.deepEqual(await members(), [alice.id]);
    assert.deepEqual(await present.alice.sends(), ["audio", "video"]);
  });
}

async function goneUnread(here, t) {
  const wish = { mode: "matrix_2_0", mortals: ["bob"] };
  const { alice, bob, carol, step, present, members, mortal } = await meeting(here, t, "sticky leaves", ["bob", "carol"], wish);
  const { delays, held } = present.bob;
  assert.ok(delays.some((delay) => delay > LONG_MS), `Bob's leave is an hour ahead: ${delays}`);
  assert.ok(held.delays.length > 0, "his focus has it");
  await step("a browser is killed: its person is gone, and the others go on", async () => {
    await goneAfter(t, "bob's browser was killed, matrix_2_0", members, bob, mortal.bob.kill, DELEGATED_MS);
    delete present.bob;
    for (const viewer of [present.alice, present.carol]) await isGone(viewer, "bob");
    assert.deepEqual((await members()).toSorted(), [alice.id, carol.id].toSorted());
    await meets(present.alice, "carol");
    await meets(present.carol, "alice");
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
    await goneAfter(t, "bob's focus and browser were killed", members, bob, mortal.bob.kill, TAKEN_OVER_MS);
    delete present.bob;
    await isGone(present.alice, "bob");
    assert.deepEqual(await members(), [alice.id]);
  });
  await second.program.stop();
}

/** After this a process that was killed has no leases any more, and another one has looked for the jobs that it had. */
const TAKEN_OVER_MS = 75_000;

/**
 * Alice and others meet. `mortals`: those whose browsers are their own, which can be killed. `keepers`: those from whom no focus
 * takes a leave over, as one says that does not do so. `members`: who is in the call, as Alice's homeserver has it.
 */
async function meeting(here, t, name, users, { keepers = [], mode = "compatibility", mortals = users } = {}) {
  const { organisations } = here;
  const everybody = ["alice", ...users];
  const room = await organisations.room(name, everybody);
  const enter = entrance(here, t, { room, mode });
  const present = {};
  const step = story(t, present);
  const mortal = {};
  for (const user of mortals) {
    mortal[user] = await openBrowser();
    t.after(() => mortal[user].close());
  }
  await step("they meet", async () => {
    const entering = everybody.map((user) => enter(user, { keepsLeaves: keepers.includes(user) }, mortal[user]));
    const opened = await acquainted(entering);
    everybody.forEach((user, index) => (present[user] = opened[index]));
    await Promise.all(opened.map((person) => person.join()));
    for (const user of users) {
      await meets(present.alice, user);
      await meets(present[user], "alice");
    }
  });
  const accounts = Object.fromEntries(everybody.map((user) => [user, organisations.people[user].account]));
  const members = () => MEMBERS[mode](accounts.alice, room);
  await until("all are members", async () => (await members()).length === everybody.length);
  return { ...accounts, step, present, members, mortal };
}

/** Somebody stops existing, and is no member of the call soon after. */
async function goneAfter(t, what, members, account, happen, limit) {
  assert.ok((await members()).includes(account.id));
  const begin = performance.now();
  await happen();
  await until(`${account.id} is gone`, async () => !(await members()).includes(account.id), 2 * limit);
  const took = performance.now() - begin;
  t.diagnostic(`gone from the room ${(took / 1000).toFixed(1)} s after ${what}`);
  assert.ok(took < limit, `after ${Math.round(took)} ms`);
}

/** Somebody's packets are dropped, both ways, and their page goes on: it says so itself. `viewer` receives nobody else any more. */
async function cutOff(browser, person, viewer, account) {
  assert.ok(await reaches(person, account));
  await browser.cutOff();
  await Promise.all([
    standsStill("nothing reaches who is cut off", () => arriving(person)),
    standsStill("nothing comes from who is cut off", () => arriving(viewer)),
  ]);
  assert.ok(!(await reaches(person, account)), "no request gets through");
}

/** What has arrived of each track. */
async function arriving(person) {
  const tracks = await person.view();
  assert.ok(tracks.length > 0, "they are in the call still");
  return tracks.map(({ packets, framesDecoded }) => ({ packets, framesDecoded }));
}

/** Whether somebody's page is answered by their homeserver. */
function reaches(person, { homeserver }) {
  return person.page.evaluate(isAnswered, /** @type {const} */ ([`${homeserver}/_matrix/client/versions`, ANSWER_MS]));
}

/** In a page. */
async function isAnswered([url, patience]) {
  const reply = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(patience) }).catch(() => null);
  return reply !== null;
}
