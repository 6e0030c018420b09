// One person comes and goes many times; those who stay lose nothing of each other and gain nothing twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, meets, sees, trackOf } from "../harness/judge.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

/** How often somebody comes. The server does the same for both, and sealing costs this machine much: it is proven with fewer. */
const ROUNDS = 50;
const SEALED_ROUNDS = 10;
/** In these rounds the visitor's media is judged by content, too. */
const LOOK_EVERY = 10;
const CAMERA = { width: 320, height: 180, fps: 10 };

const here = world();

test(`${ROUNDS} joins and leaves by one person disturb no subscription of the others`, (t) => comeAndGo(t, "churn-open", ROUNDS));
test(`${SEALED_ROUNDS} joins and leaves by one person disturb no subscription of the others, with frame encryption`, (t) =>
  comeAndGo(t, "churn-sealed", SEALED_ROUNDS, "churn key"));

async function comeAndGo(t, room, rounds, key) {
  const { ada, ben, visitor } = await people(t, here.browser, ["ada", "ben", "visitor"]);
  const enter = async (person, identity, mark, hertz) => {
    await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room), ...(key && { key }) });
    await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }), person.publishTone(hertz)]);
  };
  const stayers = [
    { name: "ada", person: ada, other: "ben", mark: 2, hertz: 660 },
    { name: "ben", person: ben, other: "ada", mark: 1, hertz: 440 },
  ];
  await enter(ada, "ada", 1, 440);
  await enter(ben, "ben", 2, 660);
  for (const { person, other, mark, hertz } of stayers) {
    await sees(person, other, "camera", mark);
    await hears(person, other, hertz);
  }

  for (let round = 1; round <= rounds; round++) {
    await enter(visitor, "visitor", round, 880);
    for (const { person, name } of stayers) {
      await until(`in round ${round} ${name} subscribes to both tracks of the visitor`, async () => {
        const who = (await person.view()).people.find((each) => each.identity === "visitor");
        return who?.tracks.length === 2 && who.tracks.every((each) => each.subscribed);
      });
    }
    await meets(visitor, ["ada", "ben"]);
    if (round % LOOK_EVERY === 0) {
      for (const { person, other, mark } of stayers) {
        await sees(person, "visitor", "camera", round);
        await hears(person, "visitor", 880);
        await sees(person, other, "camera", mark);
      }
      await sees(visitor, "ada", "camera", 1);
      await hears(visitor, "ben", 660);
    }
    await visitor.leave();
    for (const { person, other } of stayers) await meets(person, [other]);
  }

  for (const { name, person, other, mark, hertz } of stayers) {
    await sees(person, other, "camera", mark);
    await hears(person, other, hertz);
    const happened = await person.happened();
    const aboutOther = happened.filter((each) => each.identity === other).map((each) => each.event);
    const expected = name === "ada" ? ["came", "subscribed", "subscribed"] : ["subscribed", "subscribed"];
    assert.deepEqual(aboutOther, expected, `${name} got ${other}'s tracks once and kept them`);
    const trouble = happened.filter((each) => /reconnecting|failed|error|disconnected/.test(each.event));
    assert.deepEqual(trouble, [], `${name}'s call went on undisturbed`);
    const count = (event) => happened.filter((each) => each.identity === "visitor" && each.event === event).length;
    assert.deepEqual([count("came"), count("went")], [rounds, rounds]);
    assert.deepEqual([count("subscribed"), count("unsubscribed")], [2 * rounds, 2 * rounds]);
    assert.equal(await trackOf(person, "visitor", "camera"), undefined);
  }
}
