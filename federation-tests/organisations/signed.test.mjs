// Tokens by way of the homeservers (`hanse setup --signed`), between two organisations: no OpenID token leaves anybody, the
// homeservers say who asks, and ask each other. Without a browser: Element Call does not ask this way yet.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "../harness/until.mjs";
import { WAYS } from "./admission.mjs";
import { claims, post, upgrade } from "./knock.mjs";
import { startOrganisations } from "./organisations.mjs";
import { ANY_PORTS, choosePorts } from "./ports.mjs";

const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
  { user: "carol", name: "Carol", organisation: "a" },
  { user: "dave", name: "Dave", organisation: "b" },
];

const UNSTABLE = "unstable/io.element.msc4195/rtc/livekit";
const STABLE = "v1/rtc/livekit";
const SLOT = "m.call#ROOM";
const CALL_MEMBER = "org.matrix.msc3401.call.member";
const HOUR_MS = 3_600_000;

/** How long somebody who is gone may be seen in a room, where their leave was handed over. */
const GONE_WITHIN_MS = 20_000;

/** @type {import("./organisations.mjs").Organisations} */
let organisations;
let folder;

before(async () => {
  const [hanse, python] = ["HANSE_BIN", "HANSE_HOMESERVER_PYTHON"].map((name) => process.env[name]);
  assert.ok(hanse && python, "HANSE_BIN and HANSE_HOMESERVER_PYTHON name executables: `cargo xtask test --only organisations` sets them");
  folder = await mkdtemp(join(tmpdir(), "hanse-signed-"));
  const ports = await choosePorts(ANY_PORTS);
  organisations = await startOrganisations({ hanse, python, folder, ports, people: PEOPLE, signed: true, log: "trace" });
});
after(async () => {
  await organisations?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

for (const { followed, how } of WAYS) {
  test(`everybody in the room gets a token for both organisations' SFUs from their own homeserver, ${how}`, () => everybody(followed));
}

async function everybody(followed) {
  const { a, b, people } = organisations;
  const room = await organisations.room("Signed", ["alice", "bob"], { followed });
  for (const version of [UNSTABLE, STABLE]) {
    for (const [user, own, other] of [["alice", a, b], ["bob", b, a]]) {
      const { account } = people[user];
      const member = `${user}'s membership`;
      for (const [sfu, named] of [[own, undefined], [own, own.homeserver.name], [other, other.homeserver.name]]) {
        const { jwt, url } = granted(await getToken(account, sfu, room, { version, server_name: named, member_id: member }));
        const { iss, sub, video } = claims(jwt);
        assert.equal(url, websocket(sfu));
        assert.equal(iss, sfu.key.name, "signed for the SFU that was meant");
        assert.equal(sub, hash([account.id, member]));
        assert.equal(video.room, hash([room, SLOT]));
        assert.equal(video.canPublish, sfu === own, "one publishes at one's own organisation");
        assert.equal(await upgrade(sfu.url, jwt), 101, `it opens ${sfu.title}'s SFU`);
      }
    }
  }
}

test("clients learn of the SFU from their homeserver, in both forms", async () => {
  for (const organisation of organisations.all) {
    const { account } = Object.values(organisations.people).find((person) => person.organisation === organisation.letter);
    const address = `${organisation.homeserver.url}/_matrix/client/unstable/org.matrix.msc4143/rtc/transports`;
    const reply = await fetch(address, { headers: bearer(account.token) });
    const { rtc_transports } = await reply.json();
    assert.deepEqual(rtc_transports, [{ type: "livekit", livekit_service_url: organisation.focus, url: websocket(organisation) }]);
  }
});

test("who is not in the room gets no token from anybody, and those who are in it do", async () => {
  const { a, b, people } = organisations;
  const room = await organisations.room("Closed", ["alice", "bob"], { invited: ["carol"] });
  for (const [user, own, other] of [["carol", a, b], ["dave", b, a]]) {
    for (const [sfu, server_name] of [[own, undefined], [other, other.homeserver.name]]) {
      const reply = await getToken(people[user].account, sfu, room, { server_name });
      refused(reply, 403, "M_FORBIDDEN", `${user} at ${sfu.title}`);
      assert.equal(reply.answer.error, "You are not in the Matrix room of this call.");
    }
  }
  granted(await getToken(people.alice.account, b, room, { server_name: b.homeserver.name }));
  await people.alice.account.act(room, "ban", people.bob.account.id);
  const bobsRooms = async () => (await people.bob.account.ask("joined_rooms")).joined_rooms;
  await until("Bob's homeserver knows", async () => !(await bobsRooms()).includes(room));
  for (const [sfu, server_name] of [[b, undefined], [a, a.homeserver.name]]) {
    refused(await getToken(people.bob.account, sfu, room, { server_name }), 403, "M_FORBIDDEN", "Bob");
  }
  granted(await getToken(people.alice.account, a, room));
  // Nobody of B is in the room any more, so B is asked nothing about it.
  const alone = await getToken(people.alice.account, b, room, { server_name: b.homeserver.name });
  refused(alone, 403, "M_FORBIDDEN", "Alice at B");
  assert.match(alone.answer.error, /^Nobody of the homeserver that server_name names/);
});

test("nobody but the homeservers is believed", async () => {
  const { a, b, people } = organisations;
  const [alice, bob] = [people.alice.account, people.bob.account];
  const room = await organisations.room("Forged", ["alice", "bob"]);
  const body = wish(a, room, { member_id: "forged" });
  const client = `${a.admits.url}/_matrix/client/${UNSTABLE}/get_token`;
  const federation = `${a.admits.url}/_matrix/federation/${UNSTABLE}/get_token`;
  for (const [address, headers, said] of [
    [client, { "x-matrix-user-identifier": alice.id }, body],
    [federation, { "x-matrix-origin": b.homeserver.name }, { ...body, user_id: bob.id }],
  ]) {
    refused(await post(address, said, headers), 401, "M_MISSING_TOKEN", address);
    for (const token of [b.registration.hsToken, a.registration.asToken, alice.token]) {
      refused(await post(address, said, { ...headers, ...bearer(token) }), 401, "M_UNKNOWN_TOKEN", address);
    }
    granted(await post(address, said, { ...headers, ...bearer(a.registration.hsToken) }));
  }
  // At the homeserver: without an access token, and with headers of one's own.
  const asked = `${a.homeserver.url}/_matrix/client/${UNSTABLE}/get_token`;
  refused(await post(asked, body), 401, "M_MISSING_TOKEN", "nobody");
  const posing = { ...bearer(alice.token), "x-matrix-user-identifier": people.carol.account.id, "x-matrix-origin": b.homeserver.name };
  const { sub } = claims(granted(await post(asked, body, posing)).jwt);
  assert.equal(sub, hash([alice.id, "forged"]), "the homeserver says who asks, whatever else is written there");
  // Not over federation without a signature either.
  const unsigned = await post(`${a.homeserver.url}/_matrix/federation/${UNSTABLE}/get_token`, { ...body, user_id: bob.id });
  assert.notEqual(unsigned.status, 200);
});

test("a homeserver gets tokens for its own users only", async () => {
  const { a, b, people } = organisations;
  const room = await organisations.room("Another's", ["alice", "bob"]);
  const ask = async (user_id) => {
    const proxy = `${b.homeserver.url}/_matrix/client/unstable/io.element.msc4512/appservice/fed_proxy`;
    const path = `/_matrix/federation/${UNSTABLE}/get_token`;
    const body = wish(a, room, { member_id: "m", user_id });
    const said = { destination: a.homeserver.name, method: "POST", path, body };
    const { status, answer } = await post(proxy, said, bearer(b.registration.asToken));
    assert.equal(status, 200, JSON.stringify(answer));
    return { status: answer.status, answer: answer.content };
  };
  granted(await ask(people.bob.account.id));
  refused(await ask(people.alice.account.id), 403, "M_FORBIDDEN", "B for Alice");
  refused(await ask(people.dave.account.id), 403, "M_FORBIDDEN", "Dave is not in the room");
});

test("what is wrong with a request is said", async () => {
  const { a, b, people } = organisations;
  const alice = people.alice.account;
  const room = await organisations.room("Wrong", ["alice", "bob"]);
  refused(await getToken(alice, b, room), 400, "M_INVALID_PARAM", "B's SFU asked of A");
  const abroad = { server_name: b.homeserver.name };
  refused(await getToken(alice, a, room, abroad), 400, "M_INVALID_PARAM", "A's SFU asked of B");
  refused(await getToken(alice, a, room, { member_id: "" }), 400, "M_BAD_JSON", "no member");
  const asked = `${a.homeserver.url}/_matrix/client/${UNSTABLE}/get_token`;
  refused(await post(asked, "{", bearer(alice.token)), 400, "M_NOT_JSON", "no JSON");
  assert.equal((await fetch(asked, { headers: bearer(alice.token) })).status, 405);
  const nowhere = await post(`${a.homeserver.url}/_matrix/client/${UNSTABLE}/nothing`, {}, bearer(alice.token));
  assert.equal(nowhere.status, 404);
  const probe = await post(`${a.homeserver.url}/_matrix/client/${UNSTABLE}/delegate_delayed_leave`, {});
  refused(probe, 401, "M_MISSING_TOKEN", "Element Call's probe");
});

test("a leave that is handed over is sent once its owner is gone, and that of somebody else waits", async (t) => {
  const { a, people } = organisations;
  const room = await organisations.room("Leaves", ["alice", "carol"]);
  const delegated = {};
  for (const user of ["alice", "carol"]) {
    const { account } = people[user];
    const key = `_${account.id}_DEVICE_m.call`;
    await account.setState(room, CALL_MEMBER, { application: "m.call", call_id: "", device_id: "DEVICE", focus_active: { type: "livekit" } }, key);
    const delay_id = await delayedLeave(account, room, key);
    const member_id = `${user}'s membership`;
    const { jwt } = granted(await getToken(account, a, room, { member_id }));
    const delegate = (more) => postTo(account, "delegate_delayed_leave", UNSTABLE, wish(a, room, { member_id, delay_id, ...more }));
    // Synapse tells nobody but its user how long it waits.
    refused(await delegate({}), 503, "M_UNKNOWN", "without its delay");
    const { status, answer } = await delegate({ delay_timeout: HOUR_MS });
    assert.deepEqual([status, answer], [200, {}]);
    delegated[user] = { account, key, jwt };
  }
  const isIn = async ({ account, key }) => Object.keys(await account.state(room, CALL_MEMBER, key)).length > 0;
  assert.ok((await isIn(delegated.alice)) && (await isIn(delegated.carol)));
  // Alice comes and is lost before her media connect.
  const begin = performance.now();
  assert.equal(await upgrade(a.url, delegated.alice.jwt), 101);
  await until("Alice has left", async () => !(await isIn(delegated.alice)), GONE_WITHIN_MS);
  t.diagnostic(`Alice's leave was sent after ${Math.round(performance.now() - begin)} ms`);
  assert.ok(await isIn(delegated.carol), "Carol may still come");
});

test("nobody is named in the logs", async () => {
  const words = PEOPLE.flatMap(({ user }) => [`@${user}`, organisations.people[user].account.token]);
  const secrets = organisations.all.flatMap(({ homeserver, registration }) => [homeserver.name, registration.asToken, registration.hsToken]);
  for (const { hanses } of organisations.all) {
    for (const { program } of hanses) {
      const log = await readFile(program.file, "utf8");
      for (const route of ["client/get_token", "federation/get_token"]) assert.ok(log.includes(route), `${route} has lines`);
      for (const word of [...words, ...secrets]) assert.ok(!log.includes(word), `the log of ${program.name} names ${word}`);
    }
  }
});

/** What is asked of a focus for an SFU. */
function wish(sfu, room, more) {
  return { url: websocket(sfu), room_id: room, slot_id: SLOT, ...more };
}

function getToken(account, sfu, room, { version = UNSTABLE, ...more } = {}) {
  return postTo(account, "get_token", version, wish(sfu, room, { member_id: "some membership", ...more }));
}

function postTo(account, route, version, body) {
  return post(`${account.homeserver}/_matrix/client/${version}/${route}`, body, bearer(account.token));
}

/** Schedules somebody's leave an hour ahead, and says its id. */
async function delayedLeave(account, room, key) {
  const path = `rooms/${encodeURIComponent(room)}/state/${CALL_MEMBER}/${encodeURIComponent(key)}`;
  const { delay_id } = await account.ask(`${path}?org.matrix.msc4140.delay=${HOUR_MS}`, {}, "PUT");
  return delay_id;
}

function granted({ status, answer }) {
  assert.equal(status, 200, JSON.stringify(answer));
  return answer;
}

function refused({ status, answer }, expected, errcode, what) {
  assert.deepEqual([status, answer?.errcode], [expected, errcode], `${what}: ${JSON.stringify(answer)}`);
}

function websocket({ url }) {
  return url.replace("http", "ws");
}

function bearer(token) {
  return { authorization: `Bearer ${token}` };
}

function hash(parts) {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64").replace(/=+$/, "");
}
