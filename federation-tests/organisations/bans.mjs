// Somebody is put out of the room in the middle of a call: they are out of the call, and the others go on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { granted, WAYS } from "./admission.mjs";
import { homeserverAway } from "./away.mjs";
import { askToken, claims, outstay, participants, upgrade } from "./knock.mjs";
import { entrance, everybodyMeets, gather, isGone, TEST_MS } from "./meeting.mjs";

/** Registers the tests. */
export function bans(here) {
  const options = { timeout: TEST_MS };
  for (const { followed, how } of WAYS) {
    test(`who is banned or removed in mid-call is out of it, and the others go on, ${how}`, options, (t) => outOfTheCall(here, t, followed));
  }
}

async function outOfTheCall(here, t, followed) {
  const { organisations } = here;
  const { a, b, people } = organisations;
  const [alice, carol, dave] = ["alice", "carol", "dave"].map((user) => people[user].account);
  // Each organisation has somebody who may put people out; Dave does so without being in the call.
  const room = await organisations.room("Bans", ["alice", "bob", "carol", "dave"], { followed, powers: { dave: 50 } });
  const enter = entrance(here, t, { room });
  const present = {};
  const step = story(t, present);
  // Tokens of somebody else of B, which nobody uses: they must open the SFUs all the time.
  const spare = await Promise.all([a, b].map(async (sfu) => ({ sfu, ...granted(here, await askToken(sfu.focus, dave, room)) })));

  await gather(enter, step, ["alice", "bob", "carol"], present);
  if (!followed) await homeserverAway(here, t, step, room, present);
  const putOut = async (user, act) => {
    const person = present[user];
    for (const { title, ms } of await timesUntilOut([a, b], person, act)) t.diagnostic(`${user} was out of ${title}'s SFU after ${ms} ms`);
    delete present[user];
    for (const viewer of Object.values(present)) await isGone(viewer, user);
    await until(`${user} sees and hears nobody`, async () => (await person.view().catch(() => [])).length === 0);
    await everybodyMeets(present);
    for (const jwt of person.held.jwts) {
      const sfu = [a, b].find(({ key }) => key.name === claims(jwt).iss);
      // Element Call may have left by itself, before its focus knew; then they are found out when they come again.
      await until(`${user}'s token opens ${sfu.title}'s SFU no more`, async () => (await outstay(sfu.url, jwt)) === 401);
    }
    for (const { sfu, jwt } of spare) assert.equal(await upgrade(sfu.url, jwt), 101, `${sfu.title}'s SFU lets others in`);
    for (const { focus } of [a, b]) {
      const { status, answer } = await askToken(focus, people[user].account, room);
      assert.deepEqual([status, answer.errcode], [403, "M_FORBIDDEN"], JSON.stringify(answer));
      assert.match(answer.error, /^You are (banned from|not in) the Matrix room of this call\.$/);
    }
  };
  await step("one of the other organisation is banned", () => putOut("bob", () => alice.act(room, "ban", people.bob.account.id)));
  await step("one is removed by the other organisation's moderator", () => putOut("carol", () => dave.act(room, "kick", carol.id)));
  await step("who is let into the room again may come back into the call", async () => {
    await alice.act(room, "invite", carol.id);
    await carol.join(room);
    present.carol = await enter("carol");
    await present.carol.join();
    await everybodyMeets(present);
  });
}

/**
 * Does something that ends somebody's seats, and gives the milliseconds until they were out of each SFU that they were at:
 * where nobody publishes, Element Call is not.
 */
async function timesUntilOut(sfus, person, act) {
  const seats = person.held.jwts.map(claims);
  const places = [];
  for (const sfu of sfus) {
    const own = seats.filter(({ iss }) => iss === sfu.key.name);
    const identities = new Set(own.map(({ sub }) => sub));
    const isIn = async () => (await participants(sfu, own[0].video.room)).some(({ identity }) => identities.has(identity));
    if (own.length > 0 && (await isIn())) places.push({ title: sfu.title, isIn });
  }
  assert.ok(places.length > 0, "they are in the call");
  const begin = performance.now();
  const acted = act();
  const gone = places.map(async ({ title, isIn }) => {
    await until(`they are out of ${title}'s SFU`, async () => !(await isIn()));
    return { title, ms: Math.round(performance.now() - begin) };
  });
  await acted;
  return Promise.all(gone);
}
