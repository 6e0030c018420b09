// People with Firefox, beside people with Chromium and with the Python SDK, in both forms of the protocol.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCopies, hears, hearsSilence, meets, receivesNothingOfTheirOwn, sees, seesAtWidth, trackOf } from "../harness/judge.mjs";
import { ADDRESS, inOwnNetwork } from "../harness/namespace.mjs";
import { pythonPerson } from "../harness/python.mjs";
import { story } from "../harness/story.mjs";
import { pythonTalker } from "../harness/talker.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 640, height: 360, fps: 15 };
const SCREEN = { width: 640, height: 360, fps: 5 };
const [LOW, HIGH] = [320, 640];
/** The visitors take turns: Firefox and Chromium, each in both forms. */
const VISITS = 12;

/** Everybody's own picture and tone, so that content tells who is who. */
const SIGNS = {
  fia: { camera: 1, screen: 101, hertz: 440 },
  finn: { camera: 2, screen: 102, hertz: 660 },
  chris: { camera: 3, screen: 103, hertz: 880 },
  pia: { camera: 4, screen: 104, hertz: 1100 },
};

/** Who has two peer connections, where both forms meet. */
const TWO = ["fia", "chris"];

/** A microphone as it is sent and as it is received. */
const sent = (person) => async () => (await person.view()).sending.microphone[0];
const received = (listener, identity) => () => trackOf(listener, identity, "microphone");

inOwnNetwork(import.meta.filename, () => {
  const here = world({ firefox: true, address: ADDRESS });
  test("people with Firefox, Chromium and Python see and hear each other, and nobody themselves, without encryption", (t) =>
    mixed(t, here, "mixed"));
  test("people with Firefox and two peer connections and people with one see and hear each other, with frame encryption", (t) =>
    mixed(t, here, "forms", "fox key", TWO));
  test("whoever comes into a room with Firefox is seen and heard by everybody, and sees and hears them, with frame encryption", (t) =>
    comeAndGo(t, here, "churn", "fox key"));
  test("who watches a simulcast from Firefox gets the layer that fits, also after Firefox was told to rest the others", (t) =>
    layers(t, here, "layers"));
  test("Firefox in both forms, Chromium and Python reach each other by data", (t) => data(t, here, "data"));
  for (const [codec, mime, key] of [["vp9", "video/VP9"], ["vp9", "video/VP9", "fox key"], ["av1", "video/AV1"]]) {
    const encryption = key ? "with frame encryption" : "without encryption";
    test(`Firefox in both forms is shown ${codec} with layers from Chromium, ${encryption}`, (t) =>
      shown(t, here, codec, mime, key));
  }
});

/** Joins with a page and publishes a camera in two layers and a tone. */
async function enter(t, here, browser, identity, room, key, options = {}) {
  const { [identity]: person } = await people(t, browser, [identity]);
  await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room), ...(key && { key }), ...options });
  return person;
}

async function publish(person, { camera, hertz }) {
  await Promise.all([person.publishPicture("camera", { ...CAMERA, mark: camera }, [LOW]), person.publishTone(hertz)]);
}

/** Everybody present meets, sees and hears everybody else, and nobody themselves. */
async function everybodyMeets(present) {
  await Promise.all(
    Object.entries(present).map(async ([viewer, person]) => {
      const others = Object.keys(present).filter((each) => each !== viewer);
      await meets(person, others);
      await Promise.all(others.map((other) => receives(person, other, SIGNS[other])));
      const { camera, screen, hertz } = SIGNS[viewer];
      await receivesNothingOfTheirOwn(person, viewer, { marks: [camera, screen], hertz });
    }),
  );
}

/** Sees the camera and hears the microphone of somebody. */
async function receives(person, other, { camera, hertz }) {
  await sees(person, other, "camera", camera);
  await hears(person, other, hertz);
}

async function mixed(t, here, room, key, two = []) {
  const present = {};
  const step = story(t, present);
  const come = async (browser, identity) => {
    present[identity] = await enter(t, here, browser, identity, room, key, { dual: two.includes(identity) });
    await publish(present[identity], SIGNS[identity]);
  };
  await step("two people with Firefox meet", async () => {
    await come(here.firefox, "fia");
    await come(here.firefox, "finn");
    await everybodyMeets(present);
  });
  await step("somebody with Chromium comes to them", async () => {
    await come(here.browser, "chris");
    await everybodyMeets(present);
  });
  await step("somebody with the Python SDK comes to them", async () => {
    const { camera: mark, hertz } = SIGNS.pia;
    const seat = { url: here.hanse.url, token: here.hanse.seat("pia", room), dual: two.includes("pia") };
    present.pia = await pythonPerson(t, { ...seat, passphrase: key, mark, hertz });
    await everybodyMeets(present);
  });
  const { fia, finn, chris, pia } = present;
  await step("everybody is told truthfully whether tracks are encrypted", async () => {
    const { people: others } = await fia.view();
    assert.deepEqual(others.flatMap((each) => each.tracks.map((track) => track.encrypted)), Array(6).fill(key !== undefined));
  });
  await step("Firefox sends and gets sound without copies against loss, Chromium with them unless it is sealed", async () => {
    assert.equal((await sent(chris)()).codec, key ? "audio/opus" : "audio/red");
    assert.equal(await hasCopies(received(chris, "fia"), sent(fia)), !key);
    assert.equal(await hasCopies(sent(chris), received(fia, "chris")), !key);
  });
  await step("a screen from Firefox arrives beside the camera", async () => {
    await fia.publishPicture("screen", { ...SCREEN, mark: SIGNS.fia.screen });
    for (const viewer of [finn, chris, pia]) {
      await sees(viewer, "fia", "screen", SIGNS.fia.screen);
      await sees(viewer, "fia", "camera", SIGNS.fia.camera);
    }
  });
  await step("an unpublished screen goes, the camera stays", async () => {
    await fia.unpublish("screen");
    for (const viewer of [finn, chris, pia]) {
      await until("the screen is gone", async () => (await trackOf(viewer, "fia", "screen")) === undefined);
      await sees(viewer, "fia", "camera", SIGNS.fia.camera);
    }
  });
  await step("a microphone that is muted in Firefox falls silent, and is heard again", async () => {
    await finn.mute("microphone");
    for (const listener of [fia, chris]) {
      await until("they are told", async () => (await trackOf(listener, "finn", "microphone"))?.muted);
      await hearsSilence(listener, "finn");
    }
    await finn.mute("microphone", false);
    for (const listener of [fia, chris]) await hears(listener, "finn", SIGNS.finn.hertz);
  });
  await step("one who leaves is gone for the others, and may come back", async () => {
    await fia.leave();
    delete present.fia;
    await everybodyMeets(present);
    const seat = { url: here.hanse.url, token: here.hanse.seat("fia", room) };
    await fia.join({ ...seat, dual: two.includes("fia"), ...(key && { key }) });
    await publish(fia, SIGNS.fia);
    present.fia = fia;
    await everybodyMeets(present);
  });
  await step("each spoke the form that was meant", () => {
    const forms = [...here.hanse.log().matchAll(/peer_connections\W+(One|Two)\b/g)].map(([, form]) => form);
    const expected = ["fia", "finn", "chris", "pia", "fia"].map((identity) => (two.includes(identity) ? "Two" : "One"));
    assert.deepEqual(forms.slice(-expected.length), expected);
  });
  await step("nobody's connection was disturbed", () => assertUndisturbed({ finn, chris }));
}

/** Nobody of these had to connect again, or was refused anything. */
async function assertUndisturbed(present) {
  for (const [identity, person] of Object.entries(present)) {
    const trouble = (await person.happened()).filter((each) => /reconnecting|failed|error|disconnected/.test(each.event));
    assert.deepEqual(trouble, [], `${identity}'s call went on undisturbed`);
  }
}

async function comeAndGo(t, here, room, key) {
  const fia = await enter(t, here, here.firefox, "fia", room, key, { dual: true });
  const chris = await enter(t, here, here.browser, "chris", room, key);
  const present = { fia, chris };
  for (const [identity, person] of Object.entries(present)) await publish(person, SIGNS[identity]);
  const visitors = {};
  visitors.firefox = (await people(t, here.firefox, ["visitor"])).visitor;
  visitors.chromium = (await people(t, here.browser, ["visitor"])).visitor;
  const step = story(t, { ...present, ...visitors });
  for (let visit = 0; visit < VISITS; visit++) {
    const [browser, visitor] = Object.entries(visitors)[visit % 2];
    const dual = visit % 4 < 2;
    const mark = 10 + visit;
    await step(`visit ${visit + 1}, with ${browser} and ${dual ? "two peer connections" : "one peer connection"}`, async () => {
      await visitor.join({ url: here.hanse.url, token: here.hanse.seat("visitor", room), dual, ...(key && { key }) });
      await publish(visitor, { camera: mark, hertz: 1320 });
      await Promise.all([
        ...Object.values(present).map((person) => receives(person, "visitor", { camera: mark, hertz: 1320 })),
        ...Object.keys(present).map((identity) => receives(visitor, identity, SIGNS[identity])),
      ]);
      await visitor.leave();
      for (const identity of Object.keys(present)) await meets(present[identity], Object.keys(present).filter((each) => each !== identity));
    });
  }
  await step("those who stayed have lost nothing of each other", async () => {
    await everybodyMeets(present);
    await assertUndisturbed(present);
    for (const [identity, person] of Object.entries(present)) {
      const happened = await person.happened();
      const other = Object.keys(present).find((each) => each !== identity);
      assert.equal(happened.filter((each) => each.identity === other && each.event === "subscribed").length, 2);
      const count = (event) => happened.filter((each) => each.identity === "visitor" && each.event === event).length;
      assert.deepEqual([count("came"), count("went"), count("subscribed"), count("unsubscribed")], [1, 1, 2, 2].map((each) => each * VISITS));
    }
  });
}

async function layers(t, here, room) {
  const fia = await enter(t, here, here.firefox, "fia", room, undefined, { dynacast: true });
  const viewers = {
    finn: await enter(t, here, here.firefox, "finn", room, undefined, { adaptive: true }),
    chris: await enter(t, here, here.browser, "chris", room, undefined, { adaptive: true }),
  };
  const step = story(t, { fia, ...viewers });
  const shows = async (name, width) => {
    await seesAtWidth(viewers[name], "fia", "camera", width);
    await sees(viewers[name], "fia", "camera", SIGNS.fia.camera);
  };
  await step("a large tile gets the high layer and a small one the low layer, at the same time", async () => {
    await publish(fia, SIGNS.fia);
    for (const viewer of Object.values(viewers)) await sees(viewer, "fia", "camera", SIGNS.fia.camera);
    await viewers.finn.resize("fia", "camera", HIGH, 360);
    await viewers.chris.resize("fia", "camera", 200, 112);
    await shows("finn", HIGH);
    await shows("chris", LOW);
  });
  await step("when both are small, Firefox makes the high layer tiny, and nobody is given that", async () => {
    await viewers.finn.resize("fia", "camera", 200, 112);
    await shows("finn", LOW);
    await until("Firefox has been told", async () => {
      const high = (await fia.view()).sending.camera.find((each) => each.rid === "h");
      return high.width < LOW;
    });
    for (const name of Object.keys(viewers)) await shows(name, LOW);
  });
  await step("whoever grows gets the high layer at its full size", async () => {
    await viewers.chris.resize("fia", "camera", HIGH, 360);
    await shows("chris", HIGH);
    await shows("finn", LOW);
  });
}

/** Each of these says something to everybody and to one, tells a long text, and calls a method of each other. */
async function data(t, here, room) {
  const present = {};
  const step = story(t, present);
  const has = async (name, text) => (await present[name].heard()).find((message) => message.text === text);
  await step("everybody comes", async () => {
    present.fia = await enter(t, here, here.firefox, "fia", room, undefined, { dual: true });
    present.finn = await enter(t, here, here.firefox, "finn", room);
    present.chris = await enter(t, here, here.browser, "chris", room);
    present.pia = await pythonTalker(t, { url: here.hanse.url, token: here.hanse.seat("pia", room) });
    for (const name of ["fia", "finn", "chris"]) await meets(present[name], Object.keys(SIGNS).filter((each) => each !== name));
  });
  for (const sender of Object.keys(SIGNS)) {
    const others = Object.keys(SIGNS).filter((each) => each !== sender);
    for (const reliable of [true, false]) {
      await step(`what ${sender} says ${reliable ? "reliably" : "lossily"} to everybody arrives as that`, async () => {
        const text = `${sender} to all, ${reliable}`;
        // Lossy packets may be lost, so it is said again until everybody has heard it.
        await until("everybody has heard it", async () => {
          await present[sender].say(text, { reliable, topic: "news" });
          return (await Promise.all(others.map((name) => has(name, text)))).every(Boolean);
        });
        for (const name of others) {
          assert.deepEqual(await has(name, text), { how: reliable ? "reliable" : "lossy", from: sender, topic: "news", text });
        }
        assert.equal(await has(sender, text), undefined);
      });
    }
    await step(`${sender} tells a long story to one and another one to everybody, and calls a method of each`, async () => {
      const tale = `${sender}: ${"once upon a time ".repeat(4000)}`;
      const secret = `${sender}: between us`;
      await present[sender].tell(secret, { to: [others[0]] });
      await present[sender].tell(tale);
      for (const name of others) {
        await until(`${name} hears the story`, () => has(name, tale));
        assert.equal((await has(name, secret))?.from, name === others[0] ? sender : undefined);
        assert.equal(await present[sender].ask(name, "hey"), `${sender}: HEY`);
      }
    });
    await step(`whoever subscribes to ${sender}'s data track receives it`, async () => {
      const track = `${sender}'s position`;
      await present[sender].publishDataTrack(track);
      let count = 0;
      await until("everybody has received a packet", async () => {
        await present[sender].push(track, `${track} ${count++}`);
        const all = await Promise.all(others.map((name) => present[name].heard()));
        return all.every((messages) => messages.some(({ how, from, topic }) => how === "track" && from === sender && topic === track));
      });
    });
  }
}

/** Firefox can decode more than livekit-client lets it publish. */
async function shown(t, here, codec, mime, key) {
  const room = `shown-${codec}-${key ? "sealed" : "open"}`;
  const chris = await enter(t, here, here.browser, "chris", room, key);
  const viewers = {
    fia: await enter(t, here, here.firefox, "fia", room, key, { dual: true }),
    finn: await enter(t, here, here.firefox, "finn", room, key),
  };
  const step = story(t, { chris, ...viewers });
  await step("the picture arrives as what was published", async () => {
    await chris.publishPicture("camera", { ...CAMERA, mark: SIGNS.chris.camera }, [], { codec, scalabilityMode: "L3T3_KEY" });
    for (const viewer of Object.values(viewers)) {
      await sees(viewer, "chris", "camera", SIGNS.chris.camera);
      assert.equal((await trackOf(viewer, "chris", "camera")).codec, mime);
    }
  });
}
