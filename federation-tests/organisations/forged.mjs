// What nobody but a homeserver and an SFU may tell a focus, told by somebody else; and what it is told that makes no sense.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { signToken } from "../harness/token.mjs";
import { granted } from "./admission.mjs";
import { askToken, claims, moderate, post } from "./knock.mjs";

/** A test that takes longer has failed. */
const TEST_MS = 120_000;

const MEGABYTE = 1024 * 1024;

/** Registers the tests. */
export function forged(here) {
  const options = { timeout: TEST_MS };
  test("what somebody else tells in a homeserver's name changes nothing", options, (t) => transactions(here, t));
  test("what somebody else tells in an SFU's name changes nothing", options, (t) => webhooks(here, t));
  test("a megabyte of nested JSON is refused at every door, and nobody else notices", options, (t) => nested(here, t));
}

async function transactions(here, t) {
  const { a, b, people } = here.organisations;
  const room = await here.organisations.room("Forged", ["alice", "bob"], { followed: true });
  const [alice, bob] = [people.alice.account, people.bob.account];
  const ban = (user) => ({
    type: "m.room.member",
    state_key: user,
    sender: alice.id,
    room_id: room,
    event_id: "$forged",
    origin_server_ts: Date.now(),
    content: { membership: "ban" },
  });
  const body = { events: [ban(bob.id), ban(alice.id), { ...ban("x"), type: "m.room.power_levels", state_key: "", content: { users: { [bob.id]: 100 } } }] };
  const tell = (focus, token) => {
    const path = `/_matrix/app/v1/transactions/${randomBytes(6).toString("hex")}`;
    return post(new URL(path, focus).href, body, token === undefined ? {} : { authorization: `Bearer ${token}` }, "PUT");
  };
  const wrong = [
    ["no token", undefined, 401, "M_MISSING_TOKEN"],
    ["an empty one", "", 401, "M_MISSING_TOKEN"],
    ["a wrong one", "x".repeat(64), 403, "M_FORBIDDEN"],
    ["Hanse's own", a.registration.asToken, 403, "M_FORBIDDEN"],
    ["that of another homeserver", b.registration.hsToken, 403, "M_FORBIDDEN"],
  ];
  const still = async () => {
    for (const account of [alice, bob]) granted(here, await askToken(a.focus, account, room));
    assert.equal((await moderate(a.focus, bob, room, { action: "end" })).status, 403, "Bob is no moderator");
    assert.equal((await moderate(a.focus, alice, room, { action: "end" })).status, 200, "and Alice is");
  };
  for (const [what, token, status, errcode] of wrong) {
    await t.test(what, async () => {
      const reply = await tell(a.focus, token);
      assert.ok([401, 403].includes(reply.status), `${reply.status}`);
      assert.deepEqual([reply.status, reply.answer.errcode], [status, errcode]);
    });
  }
  await still();
  await t.test("even with its token, what it tells of is looked up before it counts", async () => {
    assert.equal((await tell(a.focus, a.registration.hsToken)).status, 200);
    await still();
  });
}

async function webhooks(here, t) {
  const { a, b, people } = here.organisations;
  const room = await here.organisations.room("Webhooks", ["alice", "bob"]);
  const { jwt } = granted(here, await askToken(a.focus, people.alice.account, room));
  const { sub: identity, video } = claims(jwt);
  const text = JSON.stringify({ event: "participant_left", id: "EV_forged", room: { name: video.room }, participant: { identity, sid: "PA_x" } });
  const sha256 = createHash("sha256").update(text).digest("base64");
  const sign = ({ name, secret }, more = {}) => signToken({ key: name, secret, grants: {}, claims: { sha256, ...more } });
  const now = Math.floor(Date.now() / 1000);
  const wrong = [
    ["no token", undefined],
    ["no token at all", "x"],
    ["another organisation's key", sign(b.key)],
    ["the key's name and another secret", sign({ name: a.key.name, secret: b.key.secret })],
    ["no signature", signToken({ key: a.key.name, algorithm: "none", grants: {}, claims: { sha256 } })],
    ["another body", sign(a.key, { sha256: createHash("sha256").update("{}").digest("base64") })],
    ["no body", sign(a.key, { sha256: undefined })],
    ["a time that is over", sign(a.key, { nbf: now - 7200, exp: now - 3600 })],
    ["a person's token", jwt],
  ];
  const tell = (token) => post(`${a.focus}/sfu_webhook`, text, token === undefined ? {} : { authorization: token });
  for (const [what, token] of wrong) {
    await t.test(what, async () => {
      const { status, answer } = await tell(token);
      assert.deepEqual([status, answer.errcode], [401, "M_UNAUTHORIZED"], JSON.stringify(answer));
    });
  }
  assert.equal((await tell(sign(a.key))).status, 200, "what is signed is heard");
}

async function nested(here, t) {
  const { a, people } = here.organisations;
  const room = await here.organisations.room("Nested", ["alice"]);
  const doors = [
    ["POST", "/sfu/get", {}, [413]],
    ["POST", "/get_token", {}, [413]],
    ["POST", "/delegate_delayed_leave", {}, [413]],
    ["POST", "/moderate", {}, [413]],
    ["POST", "/sfu_webhook", {}, [413]],
    // What a homeserver tells may be long.
    ["PUT", "/_matrix/app/v1/transactions/nested", { authorization: `Bearer ${a.registration.hsToken}` }, [200, 400]],
    ["PUT", "/_matrix/app/v1/transactions/nested", {}, [401]],
  ];
  for (const [open, close] of [["[", "]"], ['{"events":', "}"]]) {
    const levels = Math.floor(MEGABYTE / (open.length + close.length));
    const body = `${open.repeat(levels)}1${close.repeat(levels)}`;
    for (const [method, path, headers, statuses] of doors) {
      await t.test(`${open} at ${method} ${path}${headers.authorization ? " with its token" : ""}`, async () => {
        const address = path.startsWith("/_matrix") ? new URL(path, a.focus).href : `${a.focus}${path}`;
        // Whoever is refused before the end may see a closed connection instead of an answer.
        const reply = await post(address, body, headers, method).catch((error) => error);
        if (reply instanceof Error) assert.ok(!statuses.includes(200), `${reply.message}`);
        else assert.ok(statuses.includes(reply.status), `${reply.status}`);
        granted(here, await askToken(a.focus, people.alice.account, room));
      });
    }
  }
}
