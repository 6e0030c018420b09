// Sound with copies against loss (RED), in stereo, and silence that costs next to nothing (DTX).
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCopies, hears, hearsSides, hearsSilence, trackOf } from "../harness/judge.mjs";
import { pythonPerson } from "../harness/python.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const here = world();

/** Packets of Opus a second, and what is left of them in silence, at most: one comes every 400 ms. */
const [PACKETS, PACKETS_SILENT] = [50, 10];

const seat = (identity, room) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
const sent = (person) => async () => (await person.view()).sending.microphone[0];
const received = (listener, identity) => () => trackOf(listener, identity, "microphone");

for (const dual of [false, true]) {
  const form = dual ? "two peer connections" : "one peer connection";
  test(`sound has copies against loss for whoever knows them, and is plain for everybody else, with ${form}`, async (t) => {
    const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
    const present = { ada, ben, cleo };
    const step = story(t, present);
    const room = `red-${form}`;
    await step("who publishes with copies is heard with copies, and plainly by those who do not know them", async () => {
      await Promise.all([
        ada.join({ ...seat("ada", room), dual }),
        ben.join({ ...seat("ben", room), dual }),
        cleo.join({ ...seat("cleo", room), dual, lacks: ["audio/red"] }),
      ]);
      present.pia = await pythonPerson(t, { ...seat("pia", room), dual, hertz: 880 });
      await ada.publishTone(440);
      for (const listener of [ben, cleo, present.pia]) await hears(listener, "ada", 440);
      assert.equal((await sent(ada)()).codec, "audio/red");
      assert.ok(await hasCopies(sent(ada), received(cleo, "ada")));
      assert.ok(await hasCopies(received(ben, "ada"), received(cleo, "ada")));
    });
    await step("who publishes without is heard by everybody, with copies by those who know them", async () => {
      await cleo.publishTone(660);
      for (const listener of [ada, ben, present.pia]) await hears(listener, "cleo", 660);
      assert.equal((await sent(cleo)()).codec, "audio/opus");
      assert.ok(await hasCopies(received(ben, "cleo"), sent(cleo)));
    });
    await step("the Python SDK is heard by both", async () => {
      for (const listener of [ada, cleo]) await hears(listener, "pia", 880);
      assert.ok(await hasCopies(received(ada, "pia"), received(cleo, "pia")));
    });
  });
}

test("sealed sound has no copies", async (t) => {
  const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
  const step = story(t, { ada, ben });
  await step("it is plain Opus from end to end", async () => {
    const key = "sealed sound";
    await Promise.all([ada.join({ ...seat("ada", "sealed"), key }), ben.join({ ...seat("ben", "sealed"), key })]);
    await ada.publishTone(440);
    await hears(ben, "ada", 440);
    assert.equal((await sent(ada)()).codec, "audio/opus");
    assert.ok(!(await hasCopies(received(ben, "ada"), sent(ada))));
  });
});

test("stereo arrives as stereo, from and to people of both forms", async (t) => {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const step = story(t, { ada, ben, cleo });
  await step("each hears the others' left on the left and their right on the right", async () => {
    await Promise.all([
      ada.join(seat("ada", "stereo")),
      ben.join({ ...seat("ben", "stereo"), dual: true }),
      cleo.join(seat("cleo", "stereo")),
    ]);
    await Promise.all([ada.publishTone(440, { right: 660 }), ben.publishTone(550, { right: 770 }), cleo.publishTone(880)]);
    for (const listener of [ben, cleo]) await hearsSides(listener, "ada", [440, 660]);
    for (const listener of [ada, cleo]) await hearsSides(listener, "ben", [550, 770]);
  });
  await step("who publishes one channel is heard on both sides", async () => {
    for (const listener of [ada, ben]) await hearsSides(listener, "cleo", [880, 880]);
  });
});

test("a microphone that hears nothing costs next to nothing, unless its owner wants every moment", async (t) => {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const step = story(t, { ada, ben, cleo });
  const rates = async (identity, fits) => {
    const looks = [];
    await until(`as many packets of ${identity} come as should`, async () => {
      looks.push({ at: performance.now(), packets: (await received(cleo, identity)()).packets });
      const now = looks.at(-1);
      const before = looks.findLast((look) => now.at - look.at >= 1000);
      if (!before) return false;
      const rate = ((now.packets - before.packets) * 1000) / (now.at - before.at);
      assert.ok(fits(rate), `${rate} packets a second`);
      return true;
    });
  };
  await step("both are heard", async () => {
    await Promise.all([ada.join(seat("ada", "dtx")), ben.join(seat("ben", "dtx")), cleo.join(seat("cleo", "dtx"))]);
    await Promise.all([ada.publishTone(440), ben.publishTone(550, { dtx: false })]);
    await hears(cleo, "ada", 440);
    await hears(cleo, "ben", 550);
  });
  await step("in silence the one sends hardly anything, the other as much as before", async () => {
    await Promise.all([ada.fallSilent(), ben.fallSilent()]);
    for (const identity of ["ada", "ben"]) await hearsSilence(cleo, identity);
    await rates("ada", (rate) => rate <= PACKETS_SILENT);
    await rates("ben", (rate) => rate > PACKETS / 2);
  });
  await step("who speaks again is heard", async () => {
    await Promise.all([ada.fallSilent(false), ben.fallSilent(false)]);
    await hears(cleo, "ada", 440);
    await hears(cleo, "ben", 550);
    await rates("ada", (rate) => rate > PACKETS / 2);
  });
});
