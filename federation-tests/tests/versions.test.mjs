// Older versions of livekit-client, which stay in use for as long as pages bring them: version 1, one from the time before
// the newer form of the protocol, and that of the Element Call in our tests. They are in one room with the present version in
// both forms and with Python, so that each of them meets each other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, hearsSilence, meets, receivesNothingOfTheirOwn, sees, trackOf } from "../harness/judge.mjs";
import { pythonPerson } from "../harness/sdk.mjs";
import { story } from "../harness/story.mjs";
import { pythonTalker } from "../harness/talker.mjs";
import { until } from "../harness/until.mjs";
import { world } from "../harness/world.mjs";

const CAMERA = { width: 320, height: 180, fps: 10 };

/** People with older versions, by their package, and what those speak: `form` of the protocol, and its version. */
const OLDER = {
  ona: { mark: 1, hertz: 440, livekit: "livekit-client-1", form: "Two" },
  otto: { mark: 2, hertz: 660, livekit: "livekit-client-2.5", form: "Two" },
  elke: { mark: 3, hertz: 880, livekit: "livekit-client-element-call", form: "One" },
};
const SIGNS = {
  ...OLDER,
  ada: { mark: 4, hertz: 550, form: "One" },
  pia: { mark: 5, hertz: 770, form: "One" },
};

const here = world();

for (const [encryption, key] of [["without encryption", undefined], ["with frame encryption", "old key"]]) {
  test(`people with older versions of livekit-client, with the present one and with Python hold a call, ${encryption}`, (t) =>
    call(t, `versions-${key ? "sealed" : "open"}`, key));
}
test("people with older versions of livekit-client, with the present one and with Python reach each other by data", data);

/** A page with the version of livekit-client that somebody has. It closes with the test `t`. */
async function page(t, identity) {
  const person = await here.browser.person(SIGNS[identity].livekit);
  t.after(() => person.close());
  return person;
}

async function call(t, room, key) {
  const present = {};
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
  const publishCamera = (identity) => present[identity].publishPicture("camera", { ...CAMERA, mark: SIGNS[identity].mark });
  const enter = async (person, identity) => {
    await person.join({ ...seat(identity), ...(key && { key }) });
    present[identity] = person;
    await Promise.all([publishCamera(identity), person.publishTone(SIGNS[identity].hertz)]);
  };
  // At once, because each of them waits for what comes in time and not for the machine.
  const everyPair = (check) =>
    Promise.all(Object.keys(present).flatMap((one) => Object.keys(present).filter((each) => each !== one).map((other) => check(one, other))));
  const everybodyMeets = async () => {
    await Promise.all(
      Object.entries(present).map(([viewer, person]) => meets(person, Object.keys(present).filter((each) => each !== viewer))),
    );
    await everyPair(async (viewer, other) => {
      await sees(present[viewer], other, "camera", SIGNS[other].mark);
      await hears(present[viewer], other, SIGNS[other].hertz);
      assert.equal((await trackOf(present[viewer], other, "camera")).encrypted, key !== undefined);
    });
    for (const [viewer, person] of Object.entries(present)) {
      const { mark, hertz } = SIGNS[viewer];
      await receivesNothingOfTheirOwn(person, viewer, { marks: [mark], hertz });
    }
    for (const identity of pages) if (present[identity]) met[identity] = (await present[identity].happened()).length;
  };
  const pages = [...Object.keys(OLDER), "ada"];
  /** How much had happened to each of them when they had met everybody. */
  const met = {};
  const ofPages = (check) => everyPair((one, other) => pages.includes(other) && check(present[one], other));

  await step("one of each older version comes, then the present one and Python, and everybody meets", async () => {
    for (const identity of pages) await enter(await page(t, identity), identity);
    const { mark, hertz } = SIGNS.pia;
    present.pia = await pythonPerson(t, { ...seat("pia"), passphrase: key, mark, hertz });
    await everybodyMeets();
  });
  await step("each speaks the form that was meant", () => {
    const forms = [...here.hanse.log().matchAll(/peer_connections\W+(One|Two)\b/g)].map(([, form]) => form);
    assert.deepEqual(forms.slice(-5), Object.values(SIGNS).map(({ form }) => form));
  });
  // Not with encryption: older versions do not always decrypt what comes where another track was (docs/clients.md).
  if (!key) await cameras(step, present, { pages, ofPages, publishCamera });
  // How people mute, leave and come back has nothing to do with what is inside the frames: once is enough.
  if (key) await change(step, present, { pages, met, ofPages, everybodyMeets, enter });
  await step("nobody's connection was disturbed", () => undisturbed(present, pages, met));
}

/** Nothing has gone wrong with anybody's connection since they came; `met` says how much had happened when they had met everybody. */
async function undisturbed(present, pages, met) {
  for (const identity of pages) {
    const trouble = (await present[identity].happened()).filter(
      (each, index) => /reconnecting|failed|error|disconnected/.test(each.event) && !(index < met[identity] && isEarly(identity, each)),
    );
    assert.deepEqual(trouble, [], identity);
  }
}

/** Version 1 derives its key only when it is connected, and reports the frames that come before that (docs/clients.md). */
const isEarly = (identity, { event, detail }) =>
  identity === "ona" && event === "encryption error" && detail.startsWith("MissingKey: missing key at index 0 for participant ");

/** Everybody ends a camera and begins another one. */
async function cameras(step, present, { pages, ofPages, publishCamera }) {
  await step("cameras that end go for everybody else, and the next ones arrive", async () => {
    await Promise.all(pages.map((identity) => present[identity].unpublish("camera")));
    await ofPages((viewer, other) => until("it is gone", async () => (await trackOf(viewer, other, "camera")) === undefined));
    await Promise.all(pages.map(publishCamera));
    await ofPages((viewer, other) => sees(viewer, other, "camera", SIGNS[other].mark));
  });
}

/** Everybody mutes, and those with older versions leave and come back. */
async function change(step, present, { pages, met, ofPages, everybodyMeets, enter }) {
  await step("microphones that are muted fall silent for everybody else, and are heard again", async () => {
    await Promise.all(pages.map((identity) => present[identity].mute("microphone")));
    await ofPages(async (listener, other) => {
      await until("they are told", async () => (await trackOf(listener, other, "microphone"))?.muted);
      await hearsSilence(listener, other);
    });
    await Promise.all(pages.map((identity) => present[identity].mute("microphone", false)));
    await ofPages((listener, other) => hears(listener, other, SIGNS[other].hertz));
  });
  // A page forgets what happened when it comes anew.
  await step("nobody's connection was disturbed by that", () => undisturbed(present, pages, met));
  await step("those with older versions leave, which the others are told, and come back", async () => {
    const gone = Object.keys(OLDER).map((identity) => [identity, present[identity]]);
    for (const [identity, person] of gone) {
      await person.leave();
      delete present[identity];
    }
    await everybodyMeets();
    await Promise.all(gone.map(([identity, person]) => enter(person, identity)));
    await everybodyMeets();
  });
}

async function data(t) {
  const present = {};
  const step = story(t, present);
  const room = "versions-data";
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
  const has = async (name, text) => (await present[name].heard()).find((message) => message.text === text);

  await step("everybody comes", async () => {
    for (const identity of [...Object.keys(OLDER), "ada"]) {
      present[identity] = await page(t, identity);
      await present[identity].join(seat(identity));
    }
    present.pia = await pythonTalker(t, seat("pia"));
    for (const identity of [...Object.keys(OLDER), "ada"]) {
      await meets(present[identity], Object.keys(present).filter((each) => each !== identity));
    }
  });
  const names = Object.keys(SIGNS);
  for (const sender of names) {
    const others = names.filter((each) => each !== sender);
    for (const reliable of [true, false]) {
      await step(`what ${sender} says ${reliable ? "reliably" : "lossily"} to everybody arrives as that, in ${sender}'s name`, async () => {
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
    await step(`what ${sender} says to one arrives there and nowhere else`, async () => {
      const receiver = others[0];
      await present[sender].say(`${sender} to ${receiver}`, { to: [receiver] });
      await present[sender].say(`${sender} to all after ${receiver}`);
      for (const name of others) {
        await until("the later message is there", () => has(name, `${sender} to all after ${receiver}`));
        assert.equal((await has(name, `${sender} to ${receiver}`))?.from, name === receiver ? sender : undefined, name);
      }
    });
  }
  await step("long texts and calls of methods work with the version of Element Call as with the present one", async () => {
    for (const [sender, receiver] of [["elke", "ada"], ["ada", "elke"], ["elke", "pia"], ["pia", "elke"]]) {
      const long = `${sender} to ${receiver}: ${"once upon a time ".repeat(4000)}`;
      await present[sender].tell(long, { to: [receiver] });
      await until("the story is told", () => has(receiver, long));
      assert.equal(await present[sender].ask(receiver, "hey"), `${sender}: HEY`);
    }
  });
}
