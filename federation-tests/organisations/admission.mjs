// Who gets a token: people who are in the room.
import assert from "node:assert/strict";
import { test } from "node:test";
import { askToken } from "./knock.mjs";

/** A test that takes longer has failed. */
const TEST_MS = 120_000;

/** How long a focus waits for somebody whose join may be on its way (docs/rooms-and-roles.md), with what asking takes. */
const WAITED_MS = { min: 2_500, max: 10_000 };

/** How rooms are known, in the words of the tests. */
export const WAYS = [
  { followed: false, how: "where the homeserver is asked" },
  { followed: true, how: "where the bridge users are in the room" },
];

/** Registers the tests. */
export function admission(here) {
  const options = { timeout: TEST_MS };
  for (const { followed, how } of WAYS) {
    test(`who is not in the room gets no token and is told why, and who is in it gets one, ${how}`, options, (t) => strangers(here, t, followed));
    test(`who joins while asking gets a token, ${how}`, options, () => late(here, followed));
  }
}

async function strangers(here, t, followed) {
  const { organisations } = here;
  const { people } = organisations;
  const room = await organisations.room("Closed", ["alice", "bob"], { followed, invited: ["carol"] });
  const ask = (focus, users, place = room) => users.map((user) => askToken(focus, people[user].account, place));
  const focuses = organisations.all.map(({ focus }) => focus);
  const inside = focuses.flatMap((focus) => ask(focus, ["alice", "bob"]));
  // A room that there is not has nobody in it.
  const outside = focuses.flatMap((focus) => [...ask(focus, ["carol", "dave"]), ...ask(focus, ["alice"], "!nowhere:organisation-a.localhost")]);
  for (const reply of await Promise.all(inside)) granted(here, reply);
  for (const { status, answer, ms } of await Promise.all(outside)) {
    assert.deepEqual({ status, errcode: answer.errcode }, { status: 403, errcode: "M_FORBIDDEN" }, JSON.stringify(answer));
    assert.equal(answer.error, "You are not in the Matrix room of this call.");
    assert.ok(ms > WAITED_MS.min && ms < WAITED_MS.max, `after ${ms} ms`);
    t.diagnostic(`refused after ${Math.round(ms)} ms`);
  }
}

async function late(here, followed) {
  const { organisations } = here;
  const { people, a, b } = organisations;
  const room = await organisations.room("Late", ["alice", "dave"], { followed, invited: ["bob", "carol"] });
  // Bob asks the other organisation's focus and his own before he has joined, over federation. Carol never does.
  const asked = [a, b].map(({ focus }) => askToken(focus, people.bob.account, room));
  const never = askToken(a.focus, people.carol.account, room);
  await people.bob.account.join(room);
  for (const reply of await Promise.all(asked)) granted(here, reply);
  assert.equal((await never).status, 403);
}

/** A grant; what it says must not be in a log. */
export function granted(here, { status, answer }) {
  assert.equal(status, 200, JSON.stringify(answer));
  here.jwts.push(answer.jwt);
  return answer;
}
