// The rules of a room change in the middle of a call, and those of an organisation; and moderators act on others in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { granted } from "./admission.mjs";
import { askToken, claims, moderate, participants } from "./knock.mjs";
import { entrance, everybodyMeets, gather, hears, isGone, isUnheard, isUnseen, meets, sees, TEST_MS } from "./meeting.mjs";

/** The state event that holds the rules. */
const POLICY = "org.hanse.call_policy";

/** What a moderator did, as the room is told. */
const RECORD = "org.hanse.call_moderation";

/** Registers the tests. */
export function rules(here) {
  const options = { timeout: TEST_MS };
  test("rules of a room, moderators, and rules of an organisation: in mid-call they end what they mean to, and nothing else", options, (t) => midCall(here, t));
  test("rules and power levels that make no sense open nothing and close only what they are about", options, () => absurd(here));
}

async function midCall(here, t) {
  const { organisations } = here;
  const { a, b, people } = organisations;
  const [alice, bob, carol] = ["alice", "bob", "carol"].map((user) => people[user].account);
  const { room, step, present, enter } = await meeting(here, t);
  const allowed = async (user, { focus }) => claims(granted(here, await askToken(focus, people[user].account, room)).jwt).video;

  await step("a camera takes power that two of three do not have: theirs end, and everything else goes on", async () => {
    const begin = performance.now();
    await alice.setState(room, POLICY, { camera: 50 });
    await Promise.all(
      [["bob", b], ["carol", a]].map(async ([user, sfu]) => {
        await until(`${user}'s camera has ended`, async () => !(await published(sfu, present[user])).includes("CAMERA"));
        t.diagnostic(`${user}'s camera had ended at ${sfu.title}'s SFU after ${Math.round(performance.now() - begin)} ms`);
      }),
    );
    for (const [viewer, other] of [["alice", "bob"], ["alice", "carol"], ["bob", "carol"], ["carol", "bob"]]) {
      await isUnseen(present[viewer], other);
      await hears(present[viewer], other);
    }
    for (const viewer of ["bob", "carol"]) {
      await sees(present[viewer], "alice");
      await hears(present[viewer], "alice");
    }
    assert.deepEqual((await published(a, present.alice)).toSorted(), ["CAMERA", "MICROPHONE"]);
    const sources = (await allowed("carol", a)).canPublishSources;
    assert.deepEqual(sources.toSorted(), ["microphone", "screen_share", "screen_share_audio"]);
    assert.equal((await allowed("alice", a)).canPublishSources, undefined, "everything");
  });
  await step("whoever is given the power may switch the camera on again, and the other may not", async () => {
    const levels = await alice.state(room, "m.room.power_levels");
    await alice.setState(room, "m.room.power_levels", { ...levels, users: { ...levels.users, [bob.id]: 50 } });
    await until("Bob's focus knows", async () => (await allowed("bob", b)).canPublishSources === undefined);
    await present.bob.switchCamera();
    for (const viewer of ["alice", "carol"]) await sees(present[viewer], "bob");
    assert.ok(!(await published(a, present.carol)).includes("CAMERA"));
    await alice.setState(room, "m.room.power_levels", levels);
    for (const viewer of ["alice", "carol"]) await isUnseen(present[viewer], "bob");
  });
  await step("once the rules allow it again, both may", async () => {
    await alice.setState(room, POLICY, {});
    await until("the focuses know", async () => (await Promise.all([allowed("bob", b), allowed("carol", a)])).every(({ canPublishSources }) => canPublishSources === undefined));
    for (const user of ["bob", "carol"]) await present[user].switchCamera();
    await everybodyMeets(present);
  });

  const act = async (organisation, account, what, status = 200) => {
    const reply = await moderate(organisation.focus, account, room, what);
    assert.equal(reply.status, status, JSON.stringify(reply.answer));
    return reply;
  };
  const mute = (user) => ({ action: "mute", user_id: people[user].account.id, source: "microphone" });

  await step("who is no moderator may do nothing, and nobody acts where the other is not", async () => {
    for (const what of [mute("alice"), { action: "remove", user_id: alice.id }, { action: "end" }]) {
      for (const [organisation, account] of [[a, carol], [b, carol], [a, bob]]) {
        assert.equal((await act(organisation, account, what, 403)).answer.errcode, "M_FORBIDDEN");
      }
    }
    await act(a, people.dave.account, { action: "end" }, 403);
    await everybodyMeets(present);
  });
  await step("one of the other organisation is muted by its focus: they are heard no more, seen as before, and the others go on", async () => {
    await act(b, alice, mute("bob"));
    for (const viewer of ["alice", "carol"]) {
      await isUnheard(present[viewer], "bob");
      await sees(present[viewer], "bob");
    }
    await hears(present.alice, "carol");
    await hears(present.carol, "alice");
  });
  await step("whoever was muted may speak again by themselves", async () => {
    await present.bob.switchMicrophone();
    await everybodyMeets(present);
  });
  await step("one is removed by both focuses: they are out, still in the room, and may come back", async () => {
    for (const organisation of [a, b]) await act(organisation, alice, { action: "remove", user_id: carol.id });
    const removed = present.carol;
    delete present.carol;
    for (const viewer of Object.values(present)) await isGone(viewer, "carol");
    await everybodyMeets(present);
    await removed.close();
    assert.equal((await carol.state(room, "m.room.member", carol.id)).membership, "join");
    present.carol = await enter("carol");
    await present.carol.join();
    await everybodyMeets(present);
  });
  await step("A denies B: Bob sees nobody of A any more, and A's people go on", async () => {
    assert.ok(await a.admits.reload({ policy: { denied_homeservers: [b.homeserver.name] } }));
    for (const other of ["alice", "carol"]) await isGone(present.bob, other);
    await meets(present.alice, "carol");
    await meets(present.carol, "alice");
    const refused = await askToken(a.focus, bob, room);
    assert.deepEqual([refused.status, refused.answer.errcode], [403, "M_FORBIDDEN"], JSON.stringify(refused.answer));
    assert.equal(refused.answer.error, "This organisation's rules admit nobody of your homeserver to its calls.");
    granted(here, await askToken(a.focus, alice, room));
    // B has its own rules.
    for (const account of [alice, bob]) granted(here, await askToken(b.focus, account, room));
  });
  await step("rules that cannot be understood change nothing", async () => {
    assert.ok(!(await a.admits.reload({ policy: { denied_homeservers: "all of them" } })));
    assert.equal((await askToken(a.focus, bob, room)).status, 403);
    granted(here, await askToken(a.focus, alice, room));
  });
  await step("A lets B in again", async () => {
    assert.ok(await a.admits.reload({}));
    granted(here, await askToken(a.focus, bob, room));
  });
  await step("the call is ended at both organisations: everybody is out", async () => {
    const rooms = [a, b].map((sfu) => ({ sfu, room: seat(sfu, present.alice).video.room }));
    for (const organisation of [a, b]) await act(organisation, alice, { action: "end" });
    for (const each of rooms) {
      await until("nobody is there", async () => (await participants(each.sfu, each.room)).length === 0);
    }
  });
  await step("the room says what was done, in all of its homeservers", async () => {
    for (const account of [alice, bob]) {
      const told = await until("all of it is there", async () => {
        const events = (await account.latest(room)).filter(({ type }) => type === RECORD).toReversed();
        return events.length === 5 && events;
      });
      const said = told.map(({ content: { action, by, user_id: user, source } }) => ({ action, by, user, source }));
      const whole = [
        { action: "mute", by: alice.id, user: bob.id, source: "microphone" },
        { action: "remove", by: alice.id, user: carol.id, source: undefined },
        { action: "remove", by: alice.id, user: carol.id, source: undefined },
        { action: "end", by: alice.id, user: undefined, source: undefined },
        { action: "end", by: alice.id, user: undefined, source: undefined },
      ];
      assert.deepEqual(said, whole);
      const bridges = organisations.all.map(({ homeserver }) => homeserver.bridgeUser);
      assert.ok(told.every(({ sender }) => bridges.includes(sender)), "the bridge users say it");
    }
  });
}

async function absurd(here) {
  const { organisations } = here;
  const { a, b, people } = organisations;
  const most = Number.MAX_SAFE_INTEGER;
  const room = await organisations.room("Absurd", ["alice", "bob", "carol"], {
    followed: true,
    powers: { alice: most, bob: -most, carol: 1 },
    levels: { kick: most, ban: most, state_default: most, events_default: -most, users_default: -5, redact: -most },
  });
  const alice = people.alice.account;
  const may = async (user, { focus }) => {
    const { canPublish, canPublishSources } = claims(granted(here, await askToken(focus, people[user].account, room)).jwt).video;
    return { canPublish, canPublishSources };
  };
  const everything = { canPublish: true, canPublishSources: undefined };
  assert.deepEqual(await may("alice", a), everything);
  assert.deepEqual(await may("carol", a), everything, "the rules ask for 0");
  const powerless = await askToken(b.focus, people.bob.account, room);
  assert.deepEqual([powerless.status, powerless.answer.errcode], [403, "M_FORBIDDEN"], "less power than nothing starts no call");
  // Nobody but Alice moderates.
  assert.equal((await moderate(a.focus, people.carol.account, room, { action: "end" })).status, 403);
  assert.equal((await moderate(a.focus, alice, room, { action: "end" })).status, 200);

  await alice.setState(room, POLICY, {
    screen: "whatever",
    camera: -most,
    wat: { deep: [[[[[[[[[[]]]]]]]]]] },
    homeservers: { "not a server": 7, "organisation-b.localhost": { access: "publish" } },
    "": null,
  });
  await until("screens are closed, and nothing else", async () => {
    const { canPublishSources } = await may("carol", a);
    assert.deepEqual(canPublishSources?.toSorted(), ["camera", "microphone"]);
    return true;
  });
  await alice.setState(room, POLICY, { homeservers: "none", seats: "many" });
  const closed = await until("what cannot be understood closes what it is about", async () => {
    const reply = await askToken(a.focus, people.carol.account, room);
    return reply.status !== 200 && reply;
  });
  assert.equal(closed.status, 403, JSON.stringify(closed.answer));
  await alice.setState(room, POLICY, {});
  await until("without rules everybody is let in as before", async () => (await may("carol", a)).canPublish === true);
}

/** Three people of two organisations who meet in a room whose events reach both of them. */
async function meeting(here, t) {
  const room = await here.organisations.room("Rules", ["alice", "bob", "carol"], { followed: true });
  const enter = entrance(here, t, { room });
  const present = {};
  const step = story(t, present);
  await gather(enter, step, ["alice", "bob", "carol"], present);
  return { room, step, present, enter };
}

/** What somebody was granted at an SFU last. */
function seat(sfu, person) {
  return person.held.jwts.map(claims).findLast(({ iss }) => iss === sfu.key.name);
}

/** The sources of what somebody publishes at an SFU and has not muted. */
async function published(sfu, person) {
  const { sub, video } = seat(sfu, person);
  const found = (await participants(sfu, video.room)).find(({ identity }) => identity === sub);
  return (found?.tracks ?? []).filter(({ muted }) => !muted).map(({ source }) => source);
}
