// Guests: people without an account, by a link that a moderator made. From the link by the lobby into the room and out of it,
// against a real homeserver; and what a guest may not do, tried at the servers themselves.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { until } from "../harness/until.mjs";
import { claims, moderate, post, upgrade } from "./knock.mjs";
import { Account, call } from "./matrix.mjs";
import { TEST_MS } from "./meeting.mjs";
import { pause } from "./program.mjs";

const SLOT = "m.call#ROOM";

/** How soon somebody who is no guest any more is nobody at the homeserver. */
const GONE_MS = 25_000;

/** So many ask within a minute. */
const CROWD = 1000;

/** So many at the same time. */
const AT_ONCE = 40;

/** From one address so many tries may be wrong within a minute (docs/guests.md). */
const WRONG_AT_ONCE = 10;

/** Addresses of documents (RFC 5737), of people behind the proxy that this machine is to a Hanse. */
const [CROWDED, ELSEWHERE, FOREIGN] = ["203.0.113.7", "198.51.100.9", "203.0.113.9"];

/** Registers the tests. */
export function guests(here) {
  // They share a room: to have both organisations follow one takes longer than all that is tried in it.
  const place = { room: undefined };
  test("a guest comes by a link, waits in the lobby, is let in, may not what guests may not, and is gone afterwards", { timeout: TEST_MS }, () => wholeWay(here, place));
  test("links that are guessed, used up, revoked or shared by two open nothing, or for one only", { timeout: TEST_MS }, () => links(here, place));
  test("a link that is not quite right, or of another organisation, opens nothing", { timeout: TEST_MS }, () => strangeLinks(here, place));
  test("a thousand who ask within a minute wait, and somebody elsewhere comes in meanwhile", { timeout: TEST_MS }, (t) => crowd(here, t, place));
  test("a guest who goes elsewhere is none any more, and the others are", { timeout: TEST_MS }, () => strays(here, place));
}

async function wholeWay(here, place) {
  const { a, people } = here.organisations;
  const [alice, bob, carol] = ["alice", "bob", "carol"].map((user) => people[user].account);
  const room = await here.organisations.room("Council", ["alice", "bob", "carol"], { followed: true, powers: { bob: 50 } });
  place.room = room;
  const door = entrance(here, room);

  refused(await door.link(alice), 403, "ORG.HANSE.GUESTS_OFF");
  assert.ok(await a.admits.reload({ guests: { allowed: true } }));
  refused(await door.link(alice), 409, "ORG.HANSE.NO_KNOCKING");
  await alice.setState(room, "m.room.join_rules", { join_rule: "knock" });
  for (const other of [carol, bob, people.dave.account]) refused(await door.link(other), 403, "M_FORBIDDEN");

  const link = done(await door.link(alice, { once: true, expires_s: 3600 }));
  assert.match(link.secret, /^[\w-]{32}$/);
  assert.match(link.spoken, /^\d{3} \d{3} \d{3}$/);
  const looked = done(await door.look({ secret: link.secret }));
  assert.deepEqual(looked, { meeting: "Council", organisation: a.homeserver.name, needs_passcode: false, once: true, expires_ms: link.expires_ms });

  const entered = done(await door.enter({ secret: link.secret, name: "\u202e  Grace\u0000 Guest " }));
  const grace = door.account(entered);
  assert.match(grace.id, /^@hanse-guest-[0-9a-f]{20}:/);
  assert.equal(entered.homeserver, `${a.homeserver.url}`);
  assert.deepEqual([entered.room_id, entered.via], [room, [a.homeserver.name]]);
  assert.equal((await grace.ask(`profile/${encodeURIComponent(grace.id)}`)).displayname, "Grace Guest");
  assert.equal((await grace.ask("account/whoami")).device_id, entered.device_id);
  await crossSign(grace);

  const token = (member = "grace") => askToken(a.focus, grace, room, entered.device_id, member);
  refused(await token(), 403, "M_FORBIDDEN");
  await grace.ask(`knock/${encodeURIComponent(room)}?via=${a.homeserver.name}`, {});
  await alice.sees(room, grace.id, "knock");
  refused(await token(), 403, "M_FORBIDDEN");
  // Whoever is in the room with any client lets her in.
  await alice.act(room, "invite", grace.id);
  await grace.join(room);
  const { jwt } = done(await token());
  here.jwts.push(jwt);
  const said = claims(jwt);
  assert.equal(said.video.canPublish, true);
  for (const more of [
    { video: { ...said.video, roomAdmin: true } },
    { video: { ...said.video, room: "another" } },
    { video: { ...said.video, hidden: true } },
    { sub: "somebody else" },
    { exp: said.exp + 86_400 },
  ]) {
    assert.equal(await upgrade(a.url, altered(jwt, { ...said, ...more })), 401, JSON.stringify(Object.keys(more)));
  }
  assert.equal(await upgrade(a.url, jwt), 101, "as it was given it lets her in");

  // Not even with power.
  const levels = await alice.state(room, "m.room.power_levels");
  await alice.setState(room, "m.room.power_levels", { ...levels, users: { ...levels.users, [grace.id]: 60 } });
  for (const act of [{ action: "end" }, { action: "remove", user_id: carol.id }, { action: "mute", user_id: carol.id, source: "camera" }]) {
    refused(await moderate(a.focus, grace, room, act), 403, "M_FORBIDDEN");
  }
  refused(await door.link(grace), 403, "M_FORBIDDEN");
  await alice.setState(room, "m.room.power_levels", levels);
  await assert.rejects(grace.act(room, "kick", carol.id), /M_FORBIDDEN/);

  refused(await door.leave("somebody else's token"), 401, "M_UNKNOWN_TOKEN");
  done(await door.leave(entered.access_token));
  await door.isGone(grace);
  await alice.sees(room, grace.id, "leave");
  // A link for one has let one in, whatever became of them.
  refused(await door.enter({ secret: link.secret, name: "Another" }), 404, "ORG.HANSE.NO_LINK");
  // Her own events keep no name where she was in the room to the end.
  const ofGrace = (await alice.latest(room)).filter(({ type, state_key: who }) => type === "m.room.member" && who === grace.id);
  assert.equal(ofGrace.length, 4, "a knock, an invitation, a join, a leave");
  assert.deepEqual(ofGrace.filter(({ sender, content }) => sender === grace.id && content.displayname), []);
  here.jwts.push(done(await askToken(a.focus, alice, room, "ALICESDEV", "alice")).jwt);
}

async function links(here, { room }) {
  const { a, people } = here.organisations;
  const [alice, carol] = ["alice", "carol"].map((user) => people[user].account);
  const door = entrance(here, room);

  const guess = Buffer.alloc(24, 7).toString("base64url");
  for (const key of [{ secret: guess }, { secret: "short" }, { spoken: "12 34" }]) refused(await door.look(key), 404, "ORG.HANSE.NO_LINK");
  refused(await door.enter({ secret: guess, name: "Mallory" }), 404, "ORG.HANSE.NO_LINK");

  const one = done(await door.link(alice, { once: true }));
  const both = await Promise.all(["Grace", "Heidi"].map((name) => door.enter({ secret: one.secret, name })));
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 404], "exactly one came in");
  const inside = door.account(both.find(({ status }) => status === 200).answer);

  const meeting = done(await door.link(alice, { passcode: "open sesame" }));
  assert.equal(done(await door.look({ spoken: meeting.spoken })).needs_passcode, true);
  refused(await door.enter({ spoken: meeting.spoken, name: "Ivan" }), 403, "ORG.HANSE.WRONG_PASSCODE");
  refused(await door.enter({ spoken: meeting.spoken, passcode: "open barley", name: "Ivan" }), 403, "ORG.HANSE.WRONG_PASSCODE");
  refused(await door.enter({ spoken: meeting.spoken, passcode: "open sesame", name: "\u200b" }), 400, "M_BAD_JSON");
  const ivan = door.account(done(await door.enter({ spoken: meeting.spoken, passcode: "open sesame", name: "Ivan" })));
  const judy = door.account(done(await door.enter({ secret: meeting.secret, passcode: "open sesame", name: "Judy" })));

  const listed = done(await door.list(alice)).links;
  assert.deepEqual(listed.map(({ id, uses, once }) => ({ id, uses, once })), [{ id: meeting.id, uses: 2, once: false }]);
  assert.ok(!JSON.stringify(listed).includes(meeting.secret));
  refused(await door.list(carol), 403, "M_FORBIDDEN");
  refused(await door.revoke(carol, meeting.id), 403, "M_FORBIDDEN");
  done(await door.revoke(alice, meeting.id));
  refused(await door.look({ secret: meeting.secret }), 404, "ORG.HANSE.NO_LINK");
  refused(await door.revoke(alice, meeting.id), 404, "M_NOT_FOUND");
  // Those who are in stay, until they are meant as well.
  assert.equal((await ivan.ask("account/whoami")).user_id, ivan.id);
  done(await door.revoke(alice, meeting.id, { with_guests: true }));
  await Promise.all([ivan, judy].map((guest) => door.isGone(guest)));

  // To refuse somebody is to kick them.
  await inside.ask(`knock/${encodeURIComponent(room)}?via=${a.homeserver.name}`, {});
  await alice.sees(room, inside.id, "knock");
  await alice.act(room, "kick", inside.id);
  await door.isGone(inside);
}

async function strangeLinks(here, { room }) {
  const { a, b, people } = here.organisations;
  const door = entrance(here, room);
  const { secret } = done(await door.link(people.alice.account));
  assert.equal(done(await door.look({ secret }, FOREIGN)).meeting, "Council");
  for (const strange of [another(secret[0]) + secret.slice(1), secret.slice(0, -1) + another(secret.at(-1)), secret.slice(0, -1), `${secret}A`]) {
    refused(await door.look({ secret: strange }, FOREIGN), 404, "ORG.HANSE.NO_LINK");
  }
  refused(await door.enter({ secret: another(secret[0]) + secret.slice(1), name: "Mallory" }, FOREIGN), 404, "ORG.HANSE.NO_LINK");
  // Both organisations let guests into this room, each by its own links.
  assert.ok(await b.admits.reload({ guests: { allowed: true } }));
  const theirs = entrance(here, room, b);
  const link = done(await theirs.link(people.bob.account));
  assert.equal(done(await theirs.look({ secret: link.secret })).organisation, b.homeserver.name);
  refused(await door.look({ secret: link.secret }, FOREIGN), 404, "ORG.HANSE.NO_LINK");
  refused(await door.enter({ secret: link.secret, name: "Mallory" }, FOREIGN), 404, "ORG.HANSE.NO_LINK");
  refused(await door.enter({ spoken: link.spoken, name: "Mallory" }, FOREIGN), 404, "ORG.HANSE.NO_LINK");
  assert.equal(done(await door.look({ secret }, FOREIGN)).organisation, a.homeserver.name, "what is right opens still");
  assert.ok(await b.admits.reload({}));
}

async function crowd(here, t, { room }) {
  const { a, people } = here.organisations;
  const alice = people.alice.account;
  const door = entrance(here, room);
  const [one, open] = [done(await door.link(alice, { once: true })), done(await door.link(alice))];
  const entering = () => door.enter({ secret: one.secret, name: "Mallory" }, CROWDED);
  // Whoever asks while the one is let in is late and not wrong, so she comes before them.
  const mallory = door.account(done(await entering()));
  const began = performance.now();
  const ask = (count) => manyTimes(count, entering);
  const first = await ask(CROWD / 2);
  const [second, entered] = await Promise.all([ask(CROWD / 2), door.enter({ secret: open.secret, name: "Heidi" }, ELSEWHERE)]);
  const ms = performance.now() - began;
  assert.ok(ms < 60_000, `${ms} ms`);
  t.diagnostic(`${CROWD} have asked within ${Math.round(ms)} ms`);

  const replies = [...first, ...second];
  const wrong = replies.filter(({ status }) => status === 404);
  assert.equal(wrong.length, WRONG_AT_ONCE);
  for (const reply of wrong) refused(reply, 404, "ORG.HANSE.NO_LINK");
  const waiting = replies.filter((reply) => !wrong.includes(reply));
  assert.equal(waiting.length, CROWD - WRONG_AT_ONCE);
  for (const reply of waiting) isToWait(reply);
  // What would open is not looked at either where they are, and opens elsewhere.
  isToWait(await door.look({ secret: open.secret }, CROWDED));
  assert.equal(done(await door.look({ secret: open.secret }, ELSEWHERE)).meeting, "Council");

  const heidi = door.account(done(entered));
  await heidi.ask(`knock/${encodeURIComponent(room)}?via=${a.homeserver.name}`, {});
  await alice.sees(room, heidi.id, "knock");
  await alice.act(room, "invite", heidi.id);
  await heidi.join(room);
  here.jwts.push(done(await askToken(a.focus, heidi, room, entered.answer.device_id, "heidi")).jwt);
  for (const { id } of [one, open]) done(await door.revoke(alice, id, { with_guests: true }));
  await Promise.all([heidi, mallory].map((guest) => door.isGone(guest)));
}

async function strays(here, { room }) {
  const { people } = here.organisations;
  const [alice, carol] = ["alice", "carol"].map((user) => people[user].account);
  const elsewhere = await carol.makeRoom({ name: "Elsewhere", invite: [], encrypted: false });
  await carol.setState(elsewhere, "m.room.join_rules", { join_rule: "public" });
  const other = await carol.makeRoom({ name: "Other", invite: [], encrypted: false });
  await carol.setState(other, "m.room.join_rules", { join_rule: "knock" });
  const door = entrance(here, room);
  const link = done(await door.link(alice));
  const enter = async (name) => door.account(done(await door.enter({ secret: link.secret, name })));
  const [joins, makes, knocks, invited, stays] = await Promise.all(["Ken", "Laura", "Mike", "Niaj", "Olivia"].map(enter));
  await joins.ask(`join/${encodeURIComponent(elsewhere)}`, {});
  await makes.ask("createRoom", { preset: "private_chat" });
  await knocks.ask(`knock/${encodeURIComponent(other)}`, {});
  await carol.act(elsewhere, "invite", invited.id);
  await Promise.all([joins, makes, knocks].map((guest) => door.isGone(guest)));
  await carol.sees(elsewhere, joins.id, "leave");
  await carol.sees(elsewhere, invited.id, "leave");
  for (const guest of [invited, stays]) assert.equal((await guest.ask("account/whoami")).user_id, guest.id);
  // The room wants no guests any more.
  await alice.setState(room, "org.hanse.call_policy", { guests: false });
  await Promise.all([invited, stays].map((guest) => door.isGone(guest)));
  refused(await door.look({ secret: link.secret }), 403, "ORG.HANSE.GUESTS_OFF");
}

/** The door of a room: its routes at an organisation's focus. Whoever looks or enters may do so from another address. */
function entrance(here, room, { focus, homeserver } = here.organisations.a) {
  const ask = (path, body, from) => post(`${focus}/guest/${path}`, body, from && { "x-forwarded-for": from });
  // Who made the room has asked the focus often already, and waits as long as they are told.
  const asked = async (path, account, more) => {
    const reply = await ask(path, { room_id: room, openid_token: await account.openIdToken(), ...more });
    if (reply.answer?.errcode !== "M_LIMIT_EXCEEDED") return reply;
    await pause(reply.answer.retry_after_ms);
    return asked(path, account, more);
  };
  return {
    async link(account, more) {
      const made = await asked("link", account, more);
      if (made.status === 200) here.links.push(made.answer.secret, made.answer.spoken, made.answer.spoken.replaceAll(" ", ""));
      return made;
    },
    list: (account) => asked("links", account),
    revoke: (account, id, more) => asked("revoke", account, { id, ...more }),
    look: (key, from) => ask("look", key, from),
    async enter(wish, from) {
      const entered = await ask("enter", wish, from);
      if (entered.status === 200) here.links.push(entered.answer.access_token);
      return entered;
    },
    leave: (token) => ask("leave", { access_token: token }),
    account: ({ homeserver: url, user_id: id, access_token: token }) => new Account(url, id, token),
    /** The homeserver knows neither token nor profile any more. */
    isGone: (guest) =>
      until(
        `${guest.id} is gone`,
        async () => {
          const address = `${homeserver.url}/_matrix/client/v3`;
          const { status } = await fetch(`${address}/account/whoami`, { headers: { authorization: `Bearer ${guest.token}` } });
          const profile = await fetch(`${address}/profile/${encodeURIComponent(guest.id)}`);
          return status === 401 && profile.status === 404;
        },
        GONE_MS,
      ),
  };
}

/** Does something so many times, some of them at once; what came of each. */
async function manyTimes(count, act) {
  const replies = [];
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      replies.push(await act());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return replies;
}

/** Another letter. */
function another(letter) {
  return letter === "A" ? "B" : "A";
}

/** A grant that says something else than what was signed. */
function altered(jwt, said) {
  const [head, , signature] = jwt.split(".");
  return [head, Buffer.from(JSON.stringify(said)).toString("base64url"), signature].join(".");
}

async function askToken(focus, account, room, device, member) {
  const openid_token = await account.openIdToken();
  return post(`${focus}/get_token`, { room_id: room, slot_id: SLOT, openid_token, member: { id: member, claimed_user_id: account.id, claimed_device_id: device } });
}

/** Makes somebody's first cross-signing keys, which needs no password. */
async function crossSign(account) {
  const make = (usage, signedBy) => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const key = publicKey.export({ format: "jwk" }).x.replaceAll("-", "+").replaceAll("_", "/");
    // In the order of canonical JSON.
    const body = { keys: { [`ed25519:${key}`]: key }, usage: [usage], user_id: account.id };
    const signature = signedBy && sign(null, Buffer.from(JSON.stringify(body)), signedBy.privateKey).toString("base64").replaceAll("=", "");
    return { key, privateKey, body: { ...body, ...(signedBy && { signatures: { [account.id]: { [`ed25519:${signedBy.key}`]: signature } } }) } };
  };
  const master = make("master");
  await account.ask("keys/device_signing/upload", { master_key: master.body, self_signing_key: make("self_signing", master).body });
  const { master_keys: keys } = await call(`${account.homeserver}/_matrix/client/v3/keys/query`, { token: account.token, body: { device_keys: { [account.id]: [] } } });
  assert.deepEqual(keys[account.id].keys, master.body.keys);
}

function done({ status, answer }) {
  assert.equal(status, 200, JSON.stringify(answer));
  return answer;
}

function refused({ status, answer }, expected, errcode) {
  assert.deepEqual([status, answer?.errcode], [expected, errcode], JSON.stringify(answer));
  assert.match(answer.error, /^.{15,}\.$/, "a sentence");
}

/** Refused for a while, with how long that is. */
function isToWait(reply) {
  refused(reply, 429, "M_LIMIT_EXCEEDED");
  assert.ok(reply.answer.retry_after_ms > 0, JSON.stringify(reply.answer));
}
