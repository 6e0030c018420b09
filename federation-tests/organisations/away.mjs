// A homeserver goes away in the middle of a call, and comes back.
import assert from "node:assert/strict";
import { until } from "../harness/until.mjs";
import { granted } from "./admission.mjs";
import { askToken } from "./knock.mjs";
import { everybodyMeets } from "./meeting.mjs";

/** Steps of a story in which people are in a call of a room that is not followed: A's homeserver is asked who is in it. */
export async function homeserverAway(here, step, room, present) {
  const { organisations } = here;
  const { a, people } = organisations;
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

  await step("A's homeserver is away: people stay in the call, and others get in where the room is known, if they are in it", async () => {
    a.homeserver.program.signal("SIGSTOP");
    const refused = await Promise.all([bob, alice].map((account) => askToken(a.focus, account, room)));
    for (const { status, answer } of refused) {
      assert.deepEqual([status, answer.errcode], [503, "M_UNKNOWN"], JSON.stringify(answer));
      assert.match(answer.error, /^Whether you are in the Matrix room cannot be found out at the moment/);
    }
    for (const account of [alice, bob, dave]) granted(here, await askToken(a.focus, account, known));
    assert.equal((await askToken(a.focus, carol, known)).status, 403);
    await everybodyMeets(present);
  });
  await step("it is back: who is in the rooms gets in, who is not does not, and the call has gone on", async () => {
    a.homeserver.program.signal("SIGCONT");
    await until("Bob gets in", async () => (await askToken(a.focus, bob, room)).status === 200);
    granted(here, await askToken(a.focus, dave, known));
    assert.equal((await askToken(a.focus, carol, known)).status, 403);
    await everybodyMeets(present);
  });
}
