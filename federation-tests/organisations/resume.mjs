// What happens to somebody in Element Call whose way to the SFUs is gone for a while. If their sockets break, they come again with
// the sessions that they had. If their media ends, their client begins anew; and they have been in the call all the while.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { layWire } from "../harness/wire.mjs";
import { sessions } from "./knock.mjs";
import { MEMBERS } from "./leaves.mjs";
import { acquainted, entrance, everybodyMeets, PATIENCE_MS, TEST_MS } from "./meeting.mjs";

/** What an SFU writes when somebody comes again. */
const COMES_AGAIN = "a client comes again";

/** Frames of everybody's camera and samples of their microphone for which the sockets stay broken: two seconds and more. */
const [FRAMES, SAMPLES] = [20, 96_000];
/** Of the samples so many may be made up: a loaded machine is late, but what comes by sockets alone would be silence. */
const MADE_UP_SHARE = 0.5;

/** Registers the test. */
export function resume(here) {
  const sentence = "Element Call whose sockets break is in the call all the while, keeps its sessions, and still exchanges keys";
  test(sentence, { timeout: TEST_MS }, (t) => brokenSockets(here, t));
  for (const mode of ["compatibility", "matrix_2_0"]) {
    const anew = `Element Call whose client begins anew at both SFUs stays in the call, for everybody and in the room; who hangs up leaves at once, ${mode}`;
    test(anew, { timeout: TEST_MS }, (t) => beginsAnew(here, t, mode));
  }
}

async function brokenSockets(here, t) {
  const { organisations } = here;
  const sfus = [organisations.a, organisations.b];
  const room = await organisations.room("Broken sockets", ["alice", "bob", "carol"]);
  const enter = entrance(here, t, { room });
  const present = {};
  const step = story(t, present);
  const wires = await Promise.all(sfus.map(({ url }) => layWire(url)));
  t.after(() => wires.forEach((wire) => wire.close()));
  const detours = Object.fromEntries(sfus.map(({ url }, index) => [url.replace("http", "ws"), wires[index].url]));
  const cameAgain = () => Promise.all(sfus.map(async ({ sfu }) => (await sfu.log()).split(COMES_AGAIN).length - 1));

  let carol;
  let before;
  let theirs;
  await step("two people meet, one of them by wires that can be cut", async () => {
    [present.alice, present.bob, carol] = await acquainted([enter("alice", { detours }), enter("bob"), enter("carol")]);
    await Promise.all([present.alice.join(), present.bob.join()]);
    await everybodyMeets(present);
    before = await cameAgain();
    theirs = await sessions(sfus, present);
    assert.deepEqual(theirs.map((each) => each.length), [2, 2]);
  });
  await step("the wires are cut: they see and hear each other as if nothing had happened", async () => {
    for (const wire of wires) wire.cut();
    await Promise.all(Object.values(present).map((person) => goesOn(person)));
    assert.deepEqual(await cameAgain(), before, "nobody gets through");
    assert.deepEqual(await sessions(sfus, present), theirs);
  });
  await step("the wires are mended: she comes again to both SFUs, with the sessions that she had", async () => {
    for (const wire of wires) wire.mend();
    await until(
      "she has come again",
      async () => {
        const now = await cameAgain();
        assert.deepEqual(now.map((count, index) => count > before[index]), [true, true]);
        return true;
      },
      PATIENCE_MS,
    );
    await Promise.all(Object.values(present).map((person) => goesOn(person)));
    assert.deepEqual(await sessions(sfus, present), theirs);
    await everybodyMeets(present);
  });
  await step("whoever joins then has everybody's keys, and they have theirs", async () => {
    await carol.join();
    present.carol = carol;
    await everybodyMeets(present);
    const now = await sessions(sfus, present);
    const known = new Set(theirs.flat().map(({ sid }) => sid));
    assert.equal(now.flat().filter(({ sid }) => known.has(sid)).length, known.size, "the others have their sessions still");
  });
}

async function beginsAnew(here, t, mode) {
  const { organisations } = here;
  const sfus = [organisations.a, organisations.b];
  const room = await organisations.room("Begins anew", ["alice", "bob"]);
  const enter = entrance(here, t, { room, mode });
  const present = {};
  const step = story(t, present);
  const { account } = organisations.people.bob;
  const alice = organisations.people.alice.account.id;
  /** What the room was told of her being in the call. */
  const said = async () => (await account.latest(room)).filter((event) => event.sender === alice && IS_MEMBERSHIP[mode](event)).map((event) => event.event_id);
  const members = () => MEMBERS[mode](account, room);

  let before;
  let theirs;
  await step("two people meet, and her focus has her leave", async () => {
    [present.alice, present.bob] = await acquainted([enter("alice"), enter("bob")]);
    await Promise.all([present.alice.join(), present.bob.join()]);
    await everybodyMeets(present);
    assert.ok(present.alice.held.delays.length > 0);
    before = await said();
    assert.ok(before.length > 0, "she is a member");
    theirs = await sessions(sfus, present);
    assert.deepEqual(theirs.map((each) => each.length), [2, 2]);
  });
  await step("her media ends at both SFUs: she has a new session at each, and he has the one that he had", async () => {
    await present.alice.closeConnections();
    await until(
      "she has new sessions",
      async () => {
        const now = await sessions(sfus, present);
        assert.deepEqual(now.map((each) => each.length), [2, 2]);
        const kept = now.map((each, index) => each.filter(({ sid }) => theirs[index].some((old) => old.sid === sid)).length);
        assert.deepEqual(kept, [1, 1]);
        return true;
      },
      PATIENCE_MS,
    );
    await everybodyMeets(present);
  });
  await step("they go on for longer than a leave would take, and the room has heard nothing of it", async () => {
    const end = performance.now() + ANEW_MS;
    while (performance.now() < end) await Promise.all(Object.values(present).map((person) => goesOn(person)));
    await everybodyMeets(present);
    assert.deepEqual(await said(), before, "neither that she left nor that she is back");
    assert.ok((await members()).includes(alice));
    assert.deepEqual(present.alice.leaves, []);
  });
  await step("she hangs up: her own page has the leave sent, whatever her focus waits for", async () => {
    const { alice: person } = present;
    delete present.alice;
    await person.leave();
    await until("she has left the room's call", async () => !(await members()).includes(alice));
    assert.equal(person.leaves.length, 1);
    assert.ok(person.held.delays.includes(person.leaves[0]), "the one that her focus has, too");
    assert.equal((await said()).length, before.length + 1, "once");
  });
}

/** Who begins anew and is not back is sent away after 5 s (`ANEW_WAIT_MS` in focus/service); so much later it has been done. */
const ANEW_MS = 10_000;

/** Which events say that their sender is in a call, or has left it. */
const IS_MEMBERSHIP = {
  compatibility: ({ type }) => type === "org.matrix.msc3401.call.member",
  matrix_2_0: (event) => event.msc4354_sticky !== undefined,
};

/** Pictures and sound of the others arrive, on the tracks on which they came before. */
async function goesOn(person) {
  const before = await arriving(person);
  const after = await until(
    "pictures and sound go on",
    async () => {
      const now = await arriving(person);
      assert.deepEqual(Object.keys(now), Object.keys(before), "the same tracks");
      const enough = ([id, { kind, framesDecoded, samples }]) =>
        kind === "video" ? framesDecoded > before[id].framesDecoded + FRAMES : samples > before[id].samples + SAMPLES;
      return Object.entries(now).every(enough) && now;
    },
    PATIENCE_MS,
  );
  for (const [id, { samples, concealed }] of Object.entries(after)) {
    const share = (concealed - before[id].concealed) / (samples - before[id].samples || 1);
    assert.ok(share < MADE_UP_SHARE, `${share} of the sound is made up`);
  }
}

/** What arrives, by track. */
async function arriving(person) {
  const tracks = (await person.view()).filter(({ packets }) => packets > 0).map(({ id, ...track }) => [id, track]);
  assert.ok(tracks.length > 0, "they are in the call still");
  return Object.fromEntries(tracks);
}
