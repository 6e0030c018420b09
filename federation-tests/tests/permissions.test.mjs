// What a token does not allow does not happen, whatever the client tries; and what it allows goes on beside it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, meets, sees, trackOf } from "../harness/judge.mjs";
import { standsStill } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 320, height: 180, fps: 10 };
const here = world();

async function enter(person, identity, room, grants) {
  await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room, grants) });
}

test("whoever may not publish is refused, sees the others, and is seen without tracks", async (t) => {
  const { ada, guest } = await people(t, here.browser, ["ada", "guest"]);
  await enter(ada, "ada", "listen", {});
  await ada.publishPicture("camera", { ...CAMERA, mark: 1 });
  await enter(guest, "guest", "listen", { canPublish: false });
  await sees(guest, "ada", "camera", 1);
  await meets(ada, ["guest"]);

  await assert.rejects(guest.publishPicture("camera", { ...CAMERA, mark: 2 }), /permission/i);
  // A client that does not look at its permissions gets no further.
  await guest.forgetPermissions();
  await assert.rejects(guest.publishPicture("camera", { ...CAMERA, mark: 2 }), /permission|not allowed|NOT_ALLOWED/i);
  await standsStill("no track of the guest appears", async () => (await ada.view()).people);
  assert.deepEqual((await ada.view()).people[0].tracks, []);
  await sees(guest, "ada", "camera", 1);
});

test("whoever may publish a microphone only is refused a camera, and is heard", async (t) => {
  const { ada, caller } = await people(t, here.browser, ["ada", "caller"]);
  await enter(ada, "ada", "sources", {});
  await enter(caller, "caller", "sources", { canPublishSources: ["microphone"] });
  await caller.publishTone(660);
  await hears(ada, "caller", 660);
  await caller.forgetPermissions();
  await assert.rejects(caller.publishPicture("camera", { ...CAMERA, mark: 2 }), /permission|not allowed|NOT_ALLOWED/i);
  assert.equal(await trackOf(ada, "caller", "camera"), undefined);
  await hears(ada, "caller", 660);
});

test("whoever may not subscribe receives nothing, and is seen by the others", async (t) => {
  const { ada, sensor } = await people(t, here.browser, ["ada", "sensor"]);
  await enter(ada, "ada", "blind", {});
  await ada.publishPicture("camera", { ...CAMERA, mark: 1 });
  await enter(sensor, "sensor", "blind", { canSubscribe: false });
  await sensor.publishPicture("camera", { ...CAMERA, mark: 2 });
  await sees(ada, "sensor", "camera", 2);
  const { people: others } = await sensor.view();
  assert.deepEqual(others.flatMap((each) => each.tracks).filter((each) => each.subscribed), []);
  assert.ok(!(await sensor.happened()).some((each) => each.event === "subscribed"));
});
