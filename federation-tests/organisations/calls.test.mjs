// Two organisations, each with a homeserver and a Hanse, and unmodified Element Call: everybody sees and hears everybody, and
// who has no key sees and hears nothing.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { startOrganisations } from "./organisations.mjs";
import { openBrowser } from "./people.mjs";
import { ANY_PORTS, choosePorts } from "./ports.mjs";

/** Three encoders and three decoders share this machine's cores: a small camera is enough to tell who is who. */
const CAMERA = { width: 640, height: 360, fps: 10 };

/** Everybody's own picture and tone. */
const SIGNS = { alice: { mark: 1, hertz: 440 }, bob: { mark: 2, hertz: 660 }, carol: { mark: 3, hertz: 880 } };

/** A measured tone may be off by this much: the spectrum's bins are 6 Hz wide. */
const TONE_TOLERANCE_HZ = 10;

/** So many packets of a track are enough to decode it, for whoever has the key. */
const PACKETS = 100;

/** How long anything may take, in milliseconds: two homeservers and three browsers' encoders share this machine with it. */
const PATIENCE_MS = 120_000;

const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
  { user: "carol", name: "Carol", organisation: "a" },
];

/** @type {{ organisations: import("./organisations.mjs").Organisations, browser: import("./people.mjs").Browser }} */
const here = { organisations: undefined, browser: undefined };
let folder;
before(async () => {
  for (const name of ["HANSE_BIN", "HANSE_HOMESERVER_PYTHON"]) {
    assert.ok(process.env[name], `${name} must name an executable: \`cargo xtask test --only contract\` sets it`);
  }
  folder = await mkdtemp(join(tmpdir(), "hanse-organisations-"));
  here.organisations = await startOrganisations({
    hanse: process.env["HANSE_BIN"],
    python: process.env["HANSE_HOMESERVER_PYTHON"],
    folder,
    ports: await choosePorts(ANY_PORTS),
    people: PEOPLE,
  });
  // A program that dies is seen by what it no longer does.
  here.organisations.failed.catch(() => {});
  here.browser = await openBrowser();
});
after(async () => {
  await here.browser?.close();
  await here.organisations?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

for (const mode of ["compatibility", "matrix_2_0"]) {
  for (const version of ["11", "12"]) {
    test(`people of two organisations see and hear each other, ${mode}, room version ${version}`, (t) => meet(t, mode, version));
  }
  test(`who was given no key decodes nothing, and everything once it has one, ${mode}`, (t) => keyless(t, mode));
}

async function meet(t, mode, version) {
  const present = {};
  const step = story(t, present);
  const enter = await opener(t, mode, version);
  // Every device is there before the call begins: `matrix_2_0` has memberships encrypted for the devices that are in the room,
  // and one that comes later cannot read them.
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((user) => enter(user)));
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
    for (const viewer of Object.values(present)) {
      const gone = async () => !(await viewer.view()).some((each) => each.picture?.mark === SIGNS.bob.mark);
      await until("Bob is gone", gone, PATIENCE_MS);
    }
    await everybodyMeets(present);
  });
  await step("whoever left may come back", async () => {
    await bob.comeBack();
    present.bob = bob;
    await everybodyMeets(present);
  });
}

async function keyless(t, mode) {
  const present = {};
  const step = story(t, present);
  const enter = await opener(t, mode);
  const ids = ["alice", "bob"].map((user) => here.organisations.people[user].account.id);
  await step("two people are in a call, and a third joins whom their keys do not reach", async () => {
    present.alice = await enter("alice");
    present.bob = await enter("bob");
    present.carol = await enter("carol", { withholdFrom: ids });
    await present.alice.join();
    await present.bob.join();
    await everybodyMeets({ alice: present.alice, bob: present.bob });
    await present.carol.join();
  });
  const { alice, bob, carol } = present;
  await step("she receives all of it, and decodes nothing", async () => {
    const tracks = await until("enough packets of every track arrive", async () => {
      const flowing = (await carol.view()).filter((each) => each.packets > PACKETS);
      assert.deepEqual(flowing.map((each) => each.kind).toSorted(), ["audio", "audio", "video", "video"]);
      return flowing;
    }, PATIENCE_MS);
    for (const { framesDecoded, picture, tone } of tracks) {
      assert.deepEqual({ framesDecoded, picture, tone }, { framesDecoded: 0, picture: null, tone: null });
    }
    assert.deepEqual(await carol.keys(), [], "no key has reached her Element Call");
    assert.ok((await carol.withheld()) >= 2, "both have sent her a key");
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

/** Makes a room for this test; gives what opens a person's page in it. */
async function opener(t, mode, version) {
  const { organisations, browser } = here;
  const room = await organisations.room("Test", Object.keys(SIGNS), version);
  return async (user, more = {}) => {
    const person = await browser.open(organisations.site.link(user, { room, mode }), { ...CAMERA, ...SIGNS[user], ...more });
    t.after(() => person.close());
    return person;
  };
}

async function everybodyMeets(present) {
  for (const [viewer, person] of Object.entries(present)) {
    for (const other of Object.keys(present)) if (other !== viewer) await meets(person, other);
    const own = (await person.view()).filter((each) => each.picture?.mark === SIGNS[viewer].mark);
    assert.deepEqual(own, [], `${viewer} receives their own picture`);
  }
}

/** `viewer` sees the other's picture, which goes on, and hears their tone. */
async function meets(viewer, other) {
  const { mark, hertz } = SIGNS[other];
  let first;
  await until(`${other} is seen`, async () => {
    const tracks = await viewer.view();
    const seen = tracks.find((each) => each.picture?.mark === mark);
    assert.ok(seen, `seen: ${JSON.stringify(tracks)}`);
    first ??= seen;
    return seen.framesDecoded > first.framesDecoded + 3 && seen.picture.counter !== first.picture.counter;
  }, PATIENCE_MS);
  await until(`${other} is heard`, async () => {
    const tracks = await viewer.view();
    assert.ok(tracks.some((each) => each.tone !== null && Math.abs(each.tone - hertz) <= TONE_TOLERANCE_HZ), `heard: ${JSON.stringify(tracks)}`);
    return true;
  }, PATIENCE_MS);
}
