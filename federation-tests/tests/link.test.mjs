// People behind links that lose: what is lost is asked for again or was sent twice, so that nobody hears or sees it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { openLink } from "../harness/link.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 320, height: 180, fps: 10, mark: 3 };

/** Every twentieth datagram, either way. */
const LOSS = 0.05;
/** As long as a way across a country. */
const DELAY_MS = 20;

/** Pictures after which a call is judged: ten seconds. */
const PICTURES = 100;
/** Pictures in which a way that lags may catch up: what waits for its second sending comes late, but is not lost. */
const CATCH_UP = 20;
/** A machine that has too much to do for a moment spoils ten seconds of a way, and loss that nobody repairs all of them: the best of so many count. */
const SPELLS = 6;
/** Of the pictures that somebody with a clean link sees, somebody with a bad one sees at least so many … */
const PICTURES_SHARE = 0.95;
/** … and so much more of the sound at most is made up. Without repair it would be what is lost, on both ways together a tenth;
 * with it, a machine that has much to do makes up 2 % of what came too late. */
const MADE_UP_SHARE = 0.05;

const here = world();

for (const dual of [false, true]) {
  const form = dual ? "two peer connections" : "one peer connection";
  test(`5 % loss on the way of a speaker and of a listener is neither heard nor seen, with ${form}`, async (t) => {
    const { ada, ben, cleo, dora } = await people(t, here.browser, ["ada", "ben", "cleo", "dora"]);
    const step = story(t, { ada, ben, cleo, dora });
    const way = { loss: LOSS, delayMs: DELAY_MS };
    const [hers, his] = await Promise.all(
      [1, 2].map((seed) => openLink({ mediaPort: here.hanse.mediaPort, up: way, down: way, seed })),
    );
    t.after(() => [hers, his].forEach((link) => link.close()));
    const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, `loss-${form}`), dual });

    await step("everybody meets, and hears and sees the speaker", async () => {
      await Promise.all([
        ada.join({ ...seat("ada"), through: hers.port }),
        ben.join({ ...seat("ben"), through: his.port }),
        cleo.join(seat("cleo")),
        dora.join(seat("dora")),
      ]);
      // Ada's way is bad, Dora's is not; Ben's is, Cleo's is not.
      await Promise.all([ada.publishTone(440), ada.publishPicture("camera", CAMERA)]);
      await Promise.all([dora.publishTone(660), dora.publishPicture("camera", { ...CAMERA, mark: 4 })]);
      for (const listener of [ben, cleo]) {
        await hears(listener, "ada", 440);
        await hears(listener, "dora", 660);
        await sees(listener, "ada", "camera", 3);
        await sees(listener, "dora", "camera", 4);
      }
    });
    await step("for ten seconds they hear all of the sound and see all of the pictures", async () => {
      // Cleo sees Dora over clean ways: what this machine can do.
      const ways = { clean: [cleo, "dora"], up: [cleo, "ada"], down: [ben, "dora"], both: [ben, "ada"] };
      const bad = ["up", "down", "both"];
      const look = async () => {
        const looks = Object.entries(ways).map(async ([name, [listener, speaker]]) => {
          const camera = await trackOf(listener, speaker, "camera");
          const { samples, concealed } = await trackOf(listener, speaker, "microphone");
          return [name, { pictures: camera.framesDecoded, lost: camera.lost, samples, concealed }];
        });
        return Object.fromEntries(await Promise.all(looks));
      };
      /** Ten seconds of all ways: which of them were as good as they should be. */
      const spell = async () => {
        const before = await look();
        /** Of each way, the share of the pictures when it lagged least. */
        const shares = {};
        const after = await until("ten seconds have passed, and what came late is there", async () => {
          const now = await look();
          const seen = (name) => now[name].pictures - before[name].pictures;
          if (seen("clean") < PICTURES) return false;
          for (const name of bad) shares[name] = Math.max(shares[name] ?? 0, seen(name) / seen("clean"));
          return seen("clean") >= PICTURES + CATCH_UP && now;
        });
        const madeUp = (name) => (after[name].concealed - before[name].concealed) / (after[name].samples - before[name].samples);
        return bad.filter((name) => {
          t.diagnostic(`${name}: ${(shares[name] * 100).toFixed(1)} % of the pictures, ${(madeUp(name) * 100).toFixed(2)} % made up`);
          return shares[name] >= PICTURES_SHARE && madeUp(name) <= madeUp("clean") + MADE_UP_SHARE;
        });
      };
      const good = new Set();
      for (let spells = 0; spells < SPELLS && good.size < bad.length; spells++) for (const name of await spell()) good.add(name);
      assert.deepEqual([...good].toSorted(), bad.toSorted(), "the ways that carried everything for ten seconds");
    });
    await step("though the links have lost as much as they should, and nobody had to come again", async () => {
      for (const [what, { carried, lost }] of Object.entries({ sent: hers.counts().up, received: his.counts().down })) {
        const share = lost / (carried + lost);
        assert.ok(carried > 500 && share > LOSS / 2 && share < LOSS * 2, `${what}: ${lost} of ${carried + lost}`);
      }
      for (const person of [ada, ben]) {
        const trouble = (await person.happened()).filter(({ event }) => /reconnecting|disconnected/.test(event));
        assert.deepEqual(trouble, []);
      }
    });
  });
}
