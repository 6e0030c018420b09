// The older form of LiveKit's protocol, with a peer connection to publish and one to receive: browsers and the Python SDK
// that speak it, in one room with those that speak the newer one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, hearsSilence, meets, receivesNothingOfTheirOwn, sees, trackOf } from "../harness/judge.mjs";
import { pythonPerson } from "../harness/python.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

/** Five encoders and twenty decoders share this machine. */
const CAMERA = { width: 320, height: 180, fps: 6 };

/** Everybody's own picture and tone, and which form they speak. */
const PEOPLE = {
  ada: { mark: 1, hertz: 440, dual: true },
  ben: { mark: 2, hertz: 660, dual: false },
  pia: { mark: 3, hertz: 550, dual: true },
  pit: { mark: 4, hertz: 770, dual: false },
  cleo: { mark: 5, hertz: 880, dual: true },
};

const here = world();

for (const [encryption, key] of [["without encryption", undefined], ["with frame encryption", "old and new"]]) {
  test(`people of both forms, with browsers and with Python, see and hear each other, ${encryption}`, (t) =>
    bothForms(t, `dual-${key ? "sealed" : "open"}`, key));
}

async function bothForms(t, room, key) {
  const signs = structuredClone(PEOPLE);
  const present = {};
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room), dual: signs[identity].dual });
  const enter = async (person, identity) => {
    const { mark, hertz } = signs[identity];
    await person.join({ ...seat(identity), ...(key && { key }) });
    await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }), person.publishTone(hertz)]);
    present[identity] = person;
  };
  const enterPython = async (identity) => {
    const { mark, hertz } = signs[identity];
    present[identity] = await pythonPerson(t, { ...seat(identity), passphrase: key, mark, hertz });
  };
  const everybodyMeets = async () => {
    for (const [viewer, person] of Object.entries(present)) {
      const others = Object.keys(present).filter((each) => each !== viewer);
      await meets(person, others);
      for (const other of others) {
        await sees(person, other, "camera", signs[other].mark);
        await hears(person, other, signs[other].hertz);
        assert.equal((await trackOf(person, other, "camera")).encrypted, key !== undefined);
      }
      const { mark, hertz } = signs[viewer];
      await receivesNothingOfTheirOwn(person, viewer, { marks: [mark], hertz });
    }
  };
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);

  await step("two browsers meet, one of each form", async () => {
    await enter(ada, "ada");
    await enter(ben, "ben");
    await everybodyMeets();
  });
  await step("Python of each form comes to them", async () => {
    await enterPython("pia");
    await enterPython("pit");
    await everybodyMeets();
  });
  await step("a late joiner meets those who are there, and they meet her", async () => {
    await enter(cleo, "cleo");
    await everybodyMeets();
  });
  await step("each speaks the form that was meant", () => {
    const forms = [...here.hanse.log().matchAll(/peer_connections\W+(One|Two)\b/g)].map(([, form]) => form);
    assert.deepEqual(forms.slice(-5), Object.values(signs).map(({ dual }) => (dual ? "Two" : "One")));
  });
  await step("a muted microphone falls silent for everybody else and comes back", async () => {
    await ada.mute("microphone");
    for (const listener of [ben, cleo, present.pia, present.pit]) {
      await until("they are told", async () => (await trackOf(listener, "ada", "microphone"))?.muted);
      await hearsSilence(listener, "ada");
    }
    await hears(cleo, "ben", signs.ben.hertz);
    await ada.mute("microphone", false);
    for (const listener of [ben, cleo]) await hears(listener, "ada", signs.ada.hertz);
  });
  await step("a camera that ends goes, and the next one comes where it was", async () => {
    await ben.unpublish("camera");
    for (const viewer of [ada, cleo]) {
      await until("the camera is gone", async () => (await trackOf(viewer, "ben", "camera")) === undefined);
      await sees(viewer, "pia", "camera", signs.pia.mark);
    }
    await ben.publishPicture("camera", { ...CAMERA, mark: signs.ben.mark });
    for (const viewer of [ada, cleo]) await sees(viewer, "ben", "camera", signs.ben.mark);
  });
  await step("those who leave are gone, and one of them comes back in the other form", async () => {
    for (const name of ["cleo", "pit"]) {
      await present[name].leave();
      delete present[name];
    }
    await everybodyMeets();
    signs.cleo.dual = !signs.cleo.dual;
    await enter(cleo, "cleo");
    await everybodyMeets();
  });
  await step("nobody's connection was disturbed", async () => {
    for (const person of [ada, ben]) {
      const trouble = (await person.happened()).filter((each) => /reconnecting|failed|error|disconnected/.test(each.event));
      assert.deepEqual(trouble, []);
    }
  });
}
