// Sockets that break, in both forms of the protocol: whoever comes again goes on where it was, and nobody else notices.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, meets, sees, trackOf } from "../harness/judge.mjs";
import { ADDRESS, inOwnNetwork } from "../harness/namespace.mjs";
import { pythonPerson } from "../harness/python.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { layWire } from "../harness/wire.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 320, height: 180, fps: 10 };

/** Everybody's own picture and tone. */
const SIGNS = {
  ada: { mark: 1, hertz: 440 },
  ben: { mark: 2, hertz: 660 },
  cleo: { mark: 3, hertz: 550 },
  pia: { mark: 4, hertz: 770 },
};

/** Sound comes every 20 ms; a loaded machine takes its time to send and to count it. */
const GAP_MS = 500;

/** How long a resume and all its negotiation may take, and be watched. */
const WATCH_MS = 6_000;

/** @type {ReturnType<typeof world>} */
let here;

inOwnNetwork(import.meta.filename, () => {
  here = world({ firefox: true, simulate: true, address: ADDRESS });
  for (const dual of [false, true]) {
    const form = dual ? "two peer connections" : "one peer connection";
    test(`a broken socket goes on with the session, with ${form}`, (t) => brokenSockets(t, dual));
    test(`whoever must join anew is back by itself, with ${form}`, (t) => fullReconnects(t, dual));
  }
  test("a broken socket of Firefox goes on with the session", brokenFirefox);
});

/** Ada behind a wire that can be cut, and ben. */
async function twoPeople(t, room, dual, browser = here.browser) {
  const wire = await layWire(here.hanse.url);
  t.after(() => wire.close());
  const { ada } = await people(t, browser, ["ada"]);
  const { ben, cleo } = await people(t, here.browser, ["ben", "cleo"]);
  const present = {};
  const enter = async (person, identity, url = here.hanse.url) => {
    await person.join({ url, token: here.hanse.seat(identity, room), dual });
    const { mark, hertz } = SIGNS[identity];
    await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }), person.publishTone(hertz)]);
    present[identity] = person;
  };
  await enter(ada, "ada", wire.url);
  await enter(ben, "ben");
  return { ada, ben, cleo, enter, present, wire };
}

async function everybodyMeets(present) {
  for (const [viewer, person] of Object.entries(present)) {
    const others = Object.keys(present).filter((each) => each !== viewer);
    await meets(person, others);
    for (const other of others) {
      await sees(person, other, "camera", SIGNS[other].mark);
      await hears(person, other, SIGNS[other].hertz);
    }
  }
}

/** How often somebody has come to the server to go on. */
const resumed = () => [...here.hanse.log().matchAll(/a client comes again/g)].length;

const events = async (person, event) => (await person.happened()).filter((each) => each.event === event);

/** `breaks` her connection: she is back with the same session, both go on hearing each other, and ben notices nothing. */
async function resumes({ ada, ben }, breaks) {
  const { sid } = await ada.view();
  const before = await events(ada, "reconnected");
  const seen = (await ben.happened()).length;
  const keyFrames = (await trackOf(ben, "ada", "camera")).keyFramesDecoded;
  const gaps = Promise.all([ada.longestGap("ben", "microphone", WATCH_MS), ben.longestGap("ada", "microphone", WATCH_MS)]);
  await breaks();
  await until("she is back", async () => (await events(ada, "reconnected")).length > before.length);
  for (const [index, gap] of (await gaps).entries()) {
    assert.ok(gap < GAP_MS, `${["ada", "ben"][index]} missed ${gap} ms of sound`);
  }
  const view = await ada.view();
  assert.deepEqual([view.state, view.sid], ["connected", sid], "it is the same session");
  assert.deepEqual((await ben.happened()).slice(seen), [], "nobody else notices");
  // Chromium makes a key frame by itself now and then, but a resume is no reason for more.
  const after = (await trackOf(ben, "ada", "camera")).keyFramesDecoded;
  assert.ok(after <= keyFrames + 1, `${after - keyFrames} key frames`);
}

async function brokenSockets(t, dual) {
  const scene = await twoPeople(t, `resume-${dual ? "two" : "one"}`, dual);
  const { ada, cleo, enter, present, wire } = scene;
  const step = story(t, present);

  await step("two people meet", () => everybodyMeets(present));
  await step("a socket that breaks", async () => {
    const before = resumed();
    await resumes(scene, async () => {
      wire.cut();
      wire.mend();
    });
    assert.equal(resumed(), before + 1, "at the first attempt");
  });
  await step("a socket that breaks without the server noticing", () =>
    resumes(scene, async () => {
      wire.cut({ quietly: true });
      wire.mend();
    }),
  );
  await step("the client's own way to break it", () => resumes(scene, () => ada.simulate("signal-reconnect")));
  await step("a socket that breaks again as soon as it is back", () =>
    resumes(scene, () => ada.simulate("disconnect-signal-on-resume")),
  );
  await step("a socket that breaks again before it is back", () =>
    resumes(scene, () => ada.simulate("disconnect-signal-on-resume-no-messages")),
  );
  await step("everybody still sees and hears each other", () => everybodyMeets(present));
  await step("who came while she was away is there, and who muted is muted", async () => {
    wire.cut();
    await enter(cleo, "cleo");
    await present.ben.mute("microphone");
    wire.mend();
    await until("she is back", async () => (await ada.view()).state === "connected");
    await until("she knows that he is muted", async () => (await trackOf(ada, "ben", "microphone"))?.muted);
    await present.ben.mute("microphone", false);
    await everybodyMeets(present);
  });
  await step("who left while she was away is gone", async () => {
    wire.cut({ quietly: true });
    await cleo.leave();
    delete present.cleo;
    wire.mend();
    await everybodyMeets(present);
  });
  await step("what she publishes afterwards is seen", async () => {
    await ada.unpublish("camera");
    await ada.publishPicture("camera", { ...CAMERA, mark: SIGNS.ada.mark });
    await everybodyMeets(present);
  });
  await step("she has had one session all the time", async () => {
    assert.deepEqual(await events(ada, "disconnected"), []);
    assert.deepEqual((await events(present.ben, "went")).filter((each) => each.identity === "ada"), []);
  });
  await step("the Python SDK goes on, too", async () => {
    const { mark, hertz } = SIGNS.pia;
    const token = here.hanse.seat("pia", `resume-${dual ? "two" : "one"}`);
    present.pia = await pythonPerson(t, { url: here.hanse.url, token, dual, mark, hertz });
    await everybodyMeets(present);
    const { sid } = await present.pia.view();
    present.pia.simulate("SIGNAL_RECONNECT");
    await until("it is back", async () => (await present.pia.view()).happened.includes("reconnected"));
    await everybodyMeets(present);
    assert.equal((await present.pia.view()).sid, sid, "with the same session");
  });
}

async function brokenFirefox(t) {
  const scene = await twoPeople(t, "resume-firefox", false, here.firefox);
  const { present, wire } = scene;
  const step = story(t, present);
  await step("two people meet", () => everybodyMeets(present));
  for (const quietly of [false, true]) {
    await step(`a socket that breaks${quietly ? " without the server noticing" : ""}`, () =>
      resumes(scene, async () => {
        wire.cut({ quietly });
        wire.mend();
      }),
    );
  }
  await step("everybody still sees and hears each other", () => everybodyMeets(present));
}

async function fullReconnects(t, dual) {
  const scene = await twoPeople(t, `rejoin-${dual ? "two" : "one"}`, dual);
  const { ada, present, wire } = scene;
  const step = story(t, present);
  await step("two people meet", () => everybodyMeets(present));
  for (const scenario of ["full-reconnect", "leave-full-reconnect"]) {
    await step(`she joins anew (${scenario})`, async () => {
      const { sid } = await ada.view();
      await ada.simulate(scenario);
      await until("she has another session", async () => {
        const view = await ada.view();
        return view.state === "connected" && view.sid !== sid;
      });
      await everybodyMeets(present);
    });
  }
  await step("a server that is restarted has everybody back by themselves", async () => {
    const before = await Promise.all(Object.values(present).map((person) => person.view()));
    await here.hanse.restart();
    for (const [index, person] of Object.values(present).entries()) {
      await until("everybody has another session", async () => {
        const view = await person.view();
        return view.state === "connected" && view.sid !== before[index].sid;
      });
    }
    await everybodyMeets(present);
  });
  await step("a socket that broke while the server was restarted is answered at once", async () => {
    const { sid } = await ada.view();
    wire.cut();
    await here.hanse.restart();
    wire.mend();
    await until("she has another session", async () => {
      const view = await ada.view();
      return view.state === "connected" && view.sid !== sid;
    });
    await everybodyMeets(present);
  });
}
