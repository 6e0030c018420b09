// Three people in Chromium with camera, microphone and screen share; the same scenario without and with frame encryption.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, hearsSilence, meets, receivesNothingOfTheirOwn, sees, trackOf } from "../harness/judge.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 640, height: 360, fps: 15 };
const SCREEN = { width: 640, height: 360, fps: 5 };

/** Everybody's own picture and tone, so that content tells who is who. */
const SIGNS = {
  ada: { camera: 1, screen: 101, hertz: 440 },
  ben: { camera: 2, screen: 102, hertz: 660 },
  cleo: { camera: 3, screen: 103, hertz: 880 },
};

const here = world();

for (const [encryption, key] of [["without encryption", undefined], ["with frame encryption", "correct horse battery staple"]]) {
  test(`three people see and hear each other, and nobody receives their own media, ${encryption}`, (t) =>
    threePeople(t, `three-${key ? "sealed" : "open"}`, key));
  test(`somebody who joins again under the same identity replaces their old session, ${encryption}`, (t) =>
    sameIdentity(t, `again-${key ? "sealed" : "open"}`, key));
}

async function threePeople(t, room, key) {
  const present = {};
  const step = story(t, present);
  const enter = async (identity) => {
    const { [identity]: person } = await people(t, here.browser, [identity]);
    await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room), ...(key && { key }) });
    present[identity] = person;
    const { camera, hertz } = SIGNS[identity];
    await Promise.all([person.publishPicture("camera", { ...CAMERA, mark: camera }, [320]), person.publishTone(hertz)]);
  };
  const everybodyMeets = async () => {
    for (const [viewer, person] of Object.entries(present)) {
      const others = Object.keys(present).filter((each) => each !== viewer);
      await meets(person, others);
      for (const other of others) {
        await sees(person, other, "camera", SIGNS[other].camera);
        await hears(person, other, SIGNS[other].hertz);
      }
      const { camera, screen, hertz } = SIGNS[viewer];
      await receivesNothingOfTheirOwn(person, viewer, { marks: [camera, screen], hertz });
    }
  };

  await step("two people meet", async () => {
    await enter("ada");
    await enter("ben");
    await everybodyMeets();
  });
  await step("a late joiner meets those who are there, and they meet her", async () => {
    await enter("cleo");
    await everybodyMeets();
  });
  const { ada, ben, cleo } = present;
  await step("everybody is told truthfully whether tracks are encrypted", async () => {
    const { people: others } = await ada.view();
    const told = others.flatMap((each) => each.tracks.map((track) => track.encrypted));
    assert.deepEqual(told, Array(4).fill(key !== undefined));
  });
  await step("a screen arrives beside the camera", async () => {
    await ben.publishPicture("screen", { ...SCREEN, mark: SIGNS.ben.screen });
    for (const viewer of [ada, cleo]) {
      await sees(viewer, "ben", "screen", SIGNS.ben.screen);
      await sees(viewer, "ben", "camera", SIGNS.ben.camera);
    }
    await receivesNothingOfTheirOwn(ben, "ben", { marks: [SIGNS.ben.camera, SIGNS.ben.screen], hertz: SIGNS.ben.hertz });
  });
  await step("a muted microphone falls silent for the others, who are told; the rest is heard on", async () => {
    await ben.mute("microphone");
    for (const [listener, other] of [[ada, "cleo"], [cleo, "ada"]]) {
      await until("they are told", async () => (await trackOf(listener, "ben", "microphone"))?.muted);
      await hearsSilence(listener, "ben");
      await hears(listener, other, SIGNS[other].hertz);
    }
    await ben.mute("microphone", false);
    await hears(ada, "ben", SIGNS.ben.hertz);
  });
  await step("those who make sound are said to speak", async () => {
    await until("the others speak", async () => (await ada.view()).speakers.length >= 2);
  });
  await step("an unpublished screen goes, the camera stays", async () => {
    await ben.unpublish("screen");
    for (const viewer of [ada, cleo]) {
      await until("the screen is gone", async () => (await trackOf(viewer, "ben", "screen")) === undefined);
      await sees(viewer, "ben", "camera", SIGNS.ben.camera);
    }
  });
  await step("one who leaves is gone for the others at once, and they go on", async () => {
    await cleo.leave();
    delete present.cleo;
    await everybodyMeets();
  });
  await step("whoever left may come back", async () => {
    await cleo.join({ url: here.hanse.url, token: here.hanse.seat("cleo", room), ...(key && { key }) });
    present.cleo = cleo;
    const { camera, hertz } = SIGNS.cleo;
    await Promise.all([cleo.publishPicture("camera", { ...CAMERA, mark: camera }, [320]), cleo.publishTone(hertz)]);
    await everybodyMeets();
  });
}

async function sameIdentity(t, room, key) {
  const { ada, oldBen, newBen } = await people(t, here.browser, ["ada", "oldBen", "newBen"]);
  const join = (person, identity) =>
    person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room), ...(key && { key }) });
  await join(ada, "ada");
  await ada.publishPicture("camera", { ...CAMERA, mark: 1 });
  await join(oldBen, "ben");
  await oldBen.publishPicture("camera", { ...CAMERA, mark: 2 });
  await sees(ada, "ben", "camera", 2);

  await join(newBen, "ben");
  await newBen.publishPicture("camera", { ...CAMERA, mark: 3 });
  await until("the old session is told why it ended", async () => {
    const end = (await oldBen.happened()).find((each) => each.event === "disconnected");
    return end?.detail === "DUPLICATE_IDENTITY";
  });
  await sees(ada, "ben", "camera", 3);
  await sees(newBen, "ada", "camera", 1);
  await meets(ada, ["ben"]);
  assert.equal((await oldBen.view()).state, "disconnected");
}
