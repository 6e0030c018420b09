// LiveKit's Python SDK, alone and together with browsers, judged by what it decodes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, meets, receivesNothingOfTheirOwn, sees, trackOf } from "../harness/judge.mjs";
import { pythonPerson } from "../harness/python.mjs";
import { story } from "../harness/story.mjs";
import { people, world } from "../harness/world.mjs";

const here = world();

for (const [encryption, passphrase] of [["without encryption", undefined], ["with frame encryption", "python key"]]) {
  test(`people with the Python SDK and with browsers see and hear each other, ${encryption}`, (t) =>
    mixed(t, `python-${passphrase ? "sealed" : "open"}`, passphrase));
}

async function mixed(t, room, passphrase) {
  const present = {};
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });

  await step("one publishes, another receives and decodes", async () => {
    present.pia = await pythonPerson(t, { ...seat("pia"), passphrase, mark: 11, hertz: 440 });
    present.pit = await pythonPerson(t, { ...seat("pit"), passphrase });
    await meets(present.pit, ["pia"]);
    await sees(present.pit, "pia", "camera", 11);
    await hears(present.pit, "pia", 440);
    await meets(present.pia, ["pit"]);
    await receivesNothingOfTheirOwn(present.pia, "pia", { marks: [11], hertz: 440 });
    assert.deepEqual((await present.pia.view()).people[0].tracks, [], "who publishes nothing is only there");
  });
  await step("a browser sees and hears Python, and Python sees and hears the browser", async () => {
    const { ben } = await people(t, here.browser, ["ben"]);
    present.ben = ben;
    await ben.join({ ...seat("ben"), ...(passphrase && { key: passphrase }) });
    await ben.publishPicture("camera", { width: 640, height: 360, fps: 15, mark: 22 }, [320]);
    await ben.publishTone(660);
    await sees(ben, "pia", "camera", 11);
    await hears(ben, "pia", 440);
    for (const viewer of [present.pia, present.pit]) {
      await sees(viewer, "ben", "camera", 22);
      await hears(viewer, "ben", 660);
    }
    assert.equal((await trackOf(ben, "pia", "camera")).encrypted, passphrase !== undefined);
    assert.equal((await trackOf(present.pit, "ben", "camera")).encrypted, passphrase !== undefined);
  });
  await step("one who leaves is gone for the others", async () => {
    await present.pia.leave();
    await meets(present.pit, ["ben"]);
    await meets(present.ben, ["pit"]);
    await sees(present.pit, "ben", "camera", 22);
  });
}
