// People with LiveKit's SDK for Node.js, beside people with Chromium and with the Python SDK.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, meets, receivesNothingOfTheirOwn, sees, trackOf } from "../harness/judge.mjs";
import { nodePerson, pythonPerson } from "../harness/sdk.mjs";
import { story } from "../harness/story.mjs";
import { people, world } from "../harness/world.mjs";

const here = world();

for (const [encryption, passphrase] of [["without encryption", undefined], ["with frame encryption", "node key"]]) {
  test(`people with the Node SDK, with Python and with Chromium see and hear each other, ${encryption}`, (t) =>
    mixed(t, `node-${passphrase ? "sealed" : "open"}`, passphrase));
}

async function mixed(t, room, passphrase) {
  const present = {};
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });

  await step("one publishes, another receives and decodes, and nobody themselves", async () => {
    present.nils = await nodePerson(t, { ...seat("nils"), passphrase, mark: 11, hertz: 440 });
    present.nora = await nodePerson(t, { ...seat("nora"), passphrase });
    await meets(present.nora, ["nils"]);
    await sees(present.nora, "nils", "camera", 11);
    await hears(present.nora, "nils", 440);
    await meets(present.nils, ["nora"]);
    await receivesNothingOfTheirOwn(present.nils, "nils", { marks: [11], hertz: 440 });
  });
  await step("Chromium and Python come, and everybody sees and hears everybody who publishes", async () => {
    const { ben } = await people(t, here.browser, ["ben"]);
    await ben.join({ ...seat("ben"), ...(passphrase && { key: passphrase }) });
    await ben.publishPicture("camera", { width: 640, height: 360, fps: 15, mark: 22 }, [320]);
    await ben.publishTone(660);
    present.ben = ben;
    present.pia = await pythonPerson(t, { ...seat("pia"), passphrase, mark: 33, hertz: 880 });
    const signs = { nils: [11, 440], ben: [22, 660], pia: [33, 880] };
    for (const [viewer, person] of Object.entries(present)) {
      for (const [identity, [mark, hertz]] of Object.entries(signs).filter(([each]) => each !== viewer)) {
        await sees(person, identity, "camera", mark);
        await hears(person, identity, hertz);
      }
    }
    for (const viewer of [present.nora, ben]) {
      assert.equal((await trackOf(viewer, "nils", "camera")).encrypted, passphrase !== undefined);
      assert.equal((await trackOf(viewer, "pia", "microphone")).encrypted, passphrase !== undefined);
    }
  });
  await step("one who leaves is gone for the others, who go on", async () => {
    await present.nils.leave();
    for (const [viewer, person] of Object.entries({ nora: present.nora, ben: present.ben, pia: present.pia })) {
      await meets(person, ["ben", "nora", "pia"].filter((each) => each !== viewer));
    }
    await sees(present.nora, "ben", "camera", 22);
    await hears(present.nora, "pia", 880);
  });
}
