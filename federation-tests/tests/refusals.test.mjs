// Who may not come in is told why, in the words that clients understand, and those inside notice nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sees } from "../harness/judge.mjs";
import { serverApi } from "../harness/python.mjs";
import { signToken } from "../harness/token.mjs";
import { people, world } from "../harness/world.mjs";

const here = world({ autoCreate: false });
const ROOM = "meeting";

/** The smallest `join_request`: a WrappedJoinRequest with an empty JoinRequest in it (livekit_rtc.proto), as base64url. */
const EMPTY_JOIN_REQUEST = "EgA=";

/** Status and text of the `validate` path, which answers as an upgrade would. */
async function validate(token) {
  const query = new URLSearchParams({ access_token: token, join_request: EMPTY_JOIN_REQUEST });
  const reply = await fetch(`${here.hanse.http}/rtc/v1/validate?${query}`);
  return { status: reply.status, text: await reply.text(), cors: reply.headers.get("access-control-allow-origin") };
}

test("a token that is expired, forged or without the right grant is not allowed in, and a good one is", async (t) => {
  const { ada, stranger } = await people(t, here.browser, ["ada", "stranger"]);
  await serverApi(here.hanse, "create_room", { name: ROOM });
  await ada.join({ url: here.hanse.url, token: here.hanse.seat("ada", ROOM) });
  await stranger.join({ url: here.hanse.url, token: here.hanse.seat("ben", ROOM) });
  await ada.publishPicture("camera", { width: 320, height: 180, fps: 10, mark: 1 });
  await sees(stranger, "ada", "camera", 1);
  await stranger.leave();

  const { key, secret, url } = here.hanse;
  const grants = { roomJoin: true, room: ROOM };
  const now = Math.floor(Date.now() / 1000);
  const good = { key, secret, identity: "mallory", grants };
  const bad = {
    "an expired token": signToken({ ...good, claims: { exp: now - 3600, nbf: now - 7200 } }),
    "a token that is not valid yet": signToken({ ...good, claims: { nbf: now + 3600, exp: now + 7200 } }),
    "a token signed with another secret": signToken({ ...good, secret: "another secret" }),
    "a token of an unknown key": signToken({ ...good, key: "unknown" }),
    "an unsigned token": signToken({ ...good, algorithm: "none" }),
    "a token without the right to join": signToken({ ...good, grants: { room: ROOM } }),
    "something that is no token": "not.a.token",
  };
  for (const [what, token] of Object.entries(bad)) {
    await t.test(what, async () => {
      const { status, text, cors } = await validate(token);
      assert.equal(status, 401, text);
      assert.ok(text.length > 0, "there is a reason");
      assert.equal(cors, "*");
      await assert.rejects(stranger.join({ url, token }), /NotAllowed \(status 401\)/);
    });
  }
  assert.equal((await validate(here.hanse.seat("ben", ROOM))).status, 200);
  await stranger.join({ url, token: here.hanse.seat("ben", ROOM) });
  await sees(stranger, "ada", "camera", 1);
});

test("a room that does not exist is named so, and is not made by asking", async (t) => {
  const { stranger } = await people(t, here.browser, ["stranger"]);
  const token = here.hanse.seat("ben", "nowhere");
  const { status, text } = await validate(token);
  assert.deepEqual({ status, text }, { status: 404, text: "requested room does not exist" });
  await assert.rejects(
    stranger.join({ url: here.hanse.url, token }),
    /NotAllowed \(status 404\): .*requested room does not exist/,
  );
  const { rooms = [] } = await serverApi(here.hanse, "list_rooms");
  assert.ok(!rooms.some((each) => each.name === "nowhere"));
});

test("a full room says 503 to whoever comes, also when they ask first, and lets in again when somebody left", async (t) => {
  const { ada, ben, cleo } = await people(t, here.browser, ["ada", "ben", "cleo"]);
  const room = "small";
  const join = (person, identity) => person.join({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
  await serverApi(here.hanse, "create_room", { name: room, max_participants: 2 });
  await join(ada, "ada");
  await join(ben, "ben");
  await ada.publishPicture("camera", { width: 320, height: 180, fps: 10, mark: 1 });
  await sees(ben, "ada", "camera", 1);

  assert.equal((await validate(here.hanse.seat("cleo", room))).status, 503);
  await assert.rejects(join(cleo, "cleo"), /InternalError|WebSocket|503/);
  await sees(ben, "ada", "camera", 1);
  await ben.leave();
  await join(cleo, "cleo");
  await sees(cleo, "ada", "camera", 1);
});
