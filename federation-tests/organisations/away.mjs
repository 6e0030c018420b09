// A homeserver goes away in the middle of a call, and comes back: first it says nothing, then there is none.
import assert from "node:assert/strict";
import { until } from "../harness/until.mjs";
import { granted } from "./admission.mjs";
import { askToken, sessions, upgrade } from "./knock.mjs";
import { everybodyMeets } from "./meeting.mjs";

/** Steps of a story in which people are in a call of a room that is not followed: A's homeserver is asked who is in it. */
export async function homeserverAway(here, t, step, room, present) {
  const { organisations } = here;
  const { a, b, people } = organisations;
  const known = await organisations.room("Known", ["alice", "bob", "dave"], { followed: true });
  const [alice, carol] = await Promise.all(
    ["alice", "carol"].map(async (user) => {
      // Whoever of A asks is proven by what their homeserver said before.
      const token = await people[user].account.openIdToken();
      const account = { openIdToken: () => Promise.resolve(token) };
      granted(here, await askToken(a.focus, account, room));
      return account;
    }),
  );
  const [bob, dave] = ["bob", "dave"].map((user) => people[user].account);

  const whileAway = async () => {
    const refused = await Promise.all([bob, alice].map((account) => askToken(a.focus, account, room)));
    for (const { status, answer } of refused) {
      assert.deepEqual([status, answer.errcode], [503, "M_UNKNOWN"], JSON.stringify(answer));
      assert.match(answer.error, /^Whether you are in the Matrix room cannot be found out at the moment/);
    }
    for (const account of [alice, bob, dave]) granted(here, await askToken(a.focus, account, known));
    assert.equal((await askToken(a.focus, carol, known)).status, 403);
  };
  const onceBack = async () => {
    await until("Bob gets in", async () => (await askToken(a.focus, bob, room)).status === 200);
    granted(here, await askToken(a.focus, dave, known));
    assert.equal((await askToken(a.focus, carol, known)).status, 403);
    await everybodyMeets(present);
  };

  await step("A's homeserver says nothing: people stay in the call, and others get in where the room is known, if they are in it", async () => {
    a.homeserver.program.signal("SIGSTOP");
    await whileAway();
    await everybodyMeets(present);
  });
  await step("it is back: who is in the rooms gets in, who is not does not, and the call has gone on", async () => {
    a.homeserver.program.signal("SIGCONT");
    await onceBack();
  });
  await step("A's homeserver is stopped, and nothing listens where it was: nobody is put out of the call, at either organisation", async () => {
    const before = await sessions([a, b], present);
    await a.homeserver.program.stop();
    await assert.rejects(fetch(a.homeserver.url), ({ cause }) => cause.code === "ECONNREFUSED");
    await whileAway();
    assert.deepEqual(await sessions([a, b], present), before);
  });
  await step("it is started again: who is in the rooms gets in, who is not does not, and the call has gone on", async () => {
    await a.homeserver.startAgain();
    await onceBack();
  });
  await step("it tells of its rooms again: who is banned then is out, and the others are not", async () => {
    const tokens = await Promise.all([bob, dave].map(async (account) => granted(here, await askToken(a.focus, account, known)).jwt));
    const opened = () => Promise.all(tokens.map((jwt) => upgrade(a.url, jwt)));
    assert.deepEqual(await opened(), [101, 101]);
    const begin = performance.now();
    await people.alice.account.act(known, "ban", dave.id);
    await until("Dave's token opens A's SFU no more", async () => (await upgrade(a.url, tokens[1])) === 401);
    t.diagnostic(`after a new start Dave's seat ended ${Math.round(performance.now() - begin)} ms after his ban`);
    assert.deepEqual(await opened(), [101, 401]);
    assert.equal((await askToken(a.focus, dave, known)).status, 403);
    granted(here, await askToken(a.focus, bob, known));
    await until("B has heard of it", async () => (await askToken(b.focus, dave, known)).status === 403);
  });
}
