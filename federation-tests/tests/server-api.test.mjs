// The server API, called by LiveKit's Python server SDK, and what it does to browsers in a call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { meets, sees } from "../harness/judge.mjs";
import { serverApi } from "../harness/python.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const here = world({ autoCreate: false });

async function endsWith(person, reason) {
  await until(`the session ends with ${reason}`, async () =>
    (await person.happened()).some((each) => each.event === "disconnected" && each.detail === reason),
  );
}

test("a room is made once, listed, and found again by the same id", async () => {
  const made = await serverApi(here.hanse, "create_room", { name: "board" });
  assert.match(made.sid, /^RM_/);
  const again = await serverApi(here.hanse, "create_room", { name: "board", empty_timeout: 30 });
  assert.deepEqual([again.sid, again.creation_time], [made.sid, made.creation_time]);
  const { rooms } = await serverApi(here.hanse, "list_rooms", { names: ["board", "other"] });
  assert.deepEqual(rooms.map((each) => each.name), ["board"]);
});

test("participants are listed and found, and one who is removed is told while the others go on", async (t) => {
  const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
  const room = "staff";
  await serverApi(here.hanse, "create_room", { name: room });
  for (const [identity, person] of Object.entries({ ada, ben })) {
    await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
    await person.publishPicture("camera", { width: 320, height: 180, fps: 10, mark: identity === "ada" ? 1 : 2 });
  }
  await sees(ben, "ada", "camera", 1);
  const { participants } = await serverApi(here.hanse, "list_participants", { room });
  assert.deepEqual(participants.map((each) => each.identity).toSorted(), ["ada", "ben"]);
  const found = await serverApi(here.hanse, "get_participant", { room, identity: "ben" });
  assert.equal(found.sid, (await ben.view()).sid);
  assert.equal(found.tracks.length, 1);

  await serverApi(here.hanse, "remove_participant", { room, identity: "ben" });
  await endsWith(ben, "PARTICIPANT_REMOVED");
  await meets(ada, []);
  const { error } = await serverApi(here.hanse, "get_participant", { room, identity: "ben" });
  assert.deepEqual([error.code, error.status], ["not_found", 404]);
  assert.equal((await ada.view()).state, "connected");
});

test("a room that is deleted ends for everybody in it, and for nobody else", async (t) => {
  const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
  await serverApi(here.hanse, "create_room", { name: "short" });
  await serverApi(here.hanse, "create_room", { name: "long" });
  await ada.join({ url: here.hanse.url, token: here.hanse.seat("ada", "short") });
  await ben.join({ url: here.hanse.url, token: here.hanse.seat("ben", "long") });
  await serverApi(here.hanse, "delete_room", { room: "short" });
  await endsWith(ada, "ROOM_DELETED");
  assert.equal((await ben.view()).state, "connected");
  await assert.rejects(
    ada.join({ url: here.hanse.url, token: here.hanse.seat("ada", "short") }),
    /NotAllowed \(status 404\)/,
  );
});

test("without the secret the server API does nothing", async () => {
  const { error } = await serverApi({ ...here.hanse, secret: "another secret" }, "create_room", { name: "stolen" });
  assert.equal(error.status, 401);
  const { rooms = [] } = await serverApi(here.hanse, "list_rooms");
  assert.ok(!rooms.some((each) => each.name === "stolen"));
});
