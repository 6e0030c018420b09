// What is asked of a focus that nobody should get, and what does. Everything here is asked of running organisations; the
// variants of each case are tests of the focus and of the homeserver bridge.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { audit } from "./audit.mjs";
import { startHanse, newKey } from "./hanse.mjs";
import { claims, post, postPart, upgrade } from "./knock.mjs";
import { ANY_PORTS, choosePorts } from "./ports.mjs";

/** A homeserver of nobody's organisation, which the tests play themselves. */
export const STRANGER = "stranger.localhost";

/** The longest that an answer may take, whoever had to be asked before. */
const ANSWER_MS = 10_000;

/** A test that takes longer has failed. */
const TEST_MS = 120_000;

const DEVICE = "BADINPUTDEVICE";

/** Deeper than any parser's stack should follow. */
const LEVELS = 10_000;

const MEGABYTE = 1024 * 1024;

/** A focus reads no more of a body. */
const BODY_BYTES_MAX = 64 * 1024;

/** Registers the tests. */
export function badInput(here) {
  const options = { timeout: TEST_MS };
  test("a body that lacks something, or is no such body, is refused by its contract, and a whole one is not", options, (t) => bodies(here, t));
  test("an OpenID token opens a focus for its own user, from its own homeserver, in its time", options, (t) => tokens(here, t));
  test("what one organisation's focus grants opens that organisation's SFU only", options, () => grants(here));
  test("a homeserver that lies, floods, redirects or says nothing proves nobody", options, (t) => strangeHomeserver(here, t));
  test("no homeserver at a private address is asked, under whatever name, unless the configuration allows it", options, (t) => privateAddresses(here, t));
}

async function bodies(here, t) {
  const { a, people } = here.organisations;
  const token = await people.alice.account.openIdToken();
  const room = await theirRoom(here);
  const whole = { "/sfu/get": sfuGet(room, token), "/get_token": getToken(room, token, people.alice.account.id) };
  const texts = [
    ["nothing", "", 400, "M_NOT_JSON"],
    ["a form", "room=1", 400, "M_NOT_JSON"],
    ["half an object", '{"room": "!a', 400, "M_NOT_JSON"],
    ["a list", "[]", 400, "M_BAD_JSON"],
    ["null", "null", 400, "M_BAD_JSON"],
  ];
  const both = [
    ["openid_token", 400],
    ["openid_token.access_token", 400],
    ["openid_token.matrix_server_name", 400],
  ];
  const needed = {
    "/sfu/get": [["room", 400], ...both],
    "/get_token": [
      ...["room_id", "slot_id", "member", "member.id", "member.claimed_user_id", "member.claimed_device_id"].map((field) => [field, 400]),
      ...both,
    ],
  };
  for (const [path, body] of Object.entries(whole)) {
    const say = (text) => post(`${a.focus}${path}`, text);
    for (const [what, text, status, errcode] of texts) {
      await t.test(`${path}: ${what}`, async () => refused(await say(text), status, errcode));
    }
    await t.test(`${path}: a megabyte that is announced, and more than is read that is not`, async () => {
      const address = `${a.focus}${path}`;
      refused(await postPart(address, " ".repeat(BODY_BYTES_MAX + 1), MEGABYTE), 413, "M_TOO_LARGE");
      refused(await postPart(address, " ".repeat(BODY_BYTES_MAX + 1)), 413, "M_TOO_LARGE");
    });
    await t.test(`${path}: fields that are missing, or of a wrong type`, async () => {
      for (const [field, status] of needed[path]) {
        for (const wrong of [undefined, null, 5, true, [], ["x"]]) {
          const reply = await say(changed(body, field, wrong));
          refused(reply, status, "M_BAD_JSON", `${field}: ${JSON.stringify(wrong)}`);
        }
      }
    });
    await t.test(`${path}: half of a delay, and a token that is too long to be one`, async () => {
      refused(await say({ ...body, delay_id: "d" }), 400, "M_BAD_JSON");
      refused(await say({ ...body, delay_timeout: 10_000 }), 400, "M_BAD_JSON");
      refused(await say(changed(body, "openid_token.access_token", "t".repeat(5000))), 400, "M_BAD_JSON");
    });
    await t.test(`${path}: ${LEVELS} levels`, async () => {
      const [first] = needed[path][0];
      for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
        const deep = `${open.repeat(LEVELS)}1${close.repeat(LEVELS)}`;
        refused(await say(`{"${first}": ${deep}}`), 400, "M_BAD_JSON");
      }
    });
    await t.test(`${path}: the whole body`, async () => granted(here, await say(body)));
  }
}

async function tokens(here, t) {
  const { a, b, people } = here.organisations;
  const [alice, bob] = [people.alice.account, people.bob.account];
  const room = await theirRoom(here);
  await t.test("one's own token does not make one somebody else", async () => {
    for (const { focus } of [a, b]) {
      const token = await bob.openIdToken();
      refused(await post(`${focus}/get_token`, getToken(room, token, alice.id)), 401, "M_UNAUTHORIZED");
      granted(here, await post(`${focus}/get_token`, getToken(room, token, bob.id)));
      const { sub, video } = claims(granted(here, await post(`${focus}/sfu/get`, sfuGet(room, token))).jwt);
      assert.equal(sub, `${bob.id}:${DEVICE}`);
      assert.equal(video.canPublish, focus === b.focus, "one publishes at one's own organisation");
    }
  });
  await t.test("a homeserver does not vouch for the token of another", async () => {
    for (const { focus } of [a, b]) {
      for (const [token, other] of [[await alice.openIdToken(), b], [await bob.openIdToken(), a]]) {
        const moved = { ...token, matrix_server_name: other.homeserver.name };
        refused(await post(`${focus}/sfu/get`, sfuGet(room, moved)), 401, "M_UNAUTHORIZED");
        granted(here, await post(`${focus}/sfu/get`, sfuGet(room, token)));
      }
    }
  });
  await t.test("a token that was never given out, or whose time is over, is none", async () => {
    const [good, old] = [await alice.openIdToken(), await alice.openIdToken()];
    await audit(here.python, "expire", a.homeserver.database, [old.access_token]);
    for (const { focus } of [a, b]) {
      for (const access_token of ["a-token-that-nobody-made", old.access_token, "../../../version", "a&access_token=b", "ä\n\u0000"]) {
        refused(await post(`${focus}/sfu/get`, sfuGet(room, { ...good, access_token })), 401, "M_UNAUTHORIZED");
      }
      granted(here, await post(`${focus}/sfu/get`, sfuGet(room, good)));
    }
  });
  await t.test("whoever is of another organisation cannot hand over their leave", async () => {
    const body = { ...sfuGet(room, await bob.openIdToken()), delay_id: "d", delay_timeout: 10_000 };
    refused(await post(`${a.focus}/sfu/get`, body), 400, "M_BAD_JSON");
  });
}

async function grants(here) {
  const { a, b, people } = here.organisations;
  const body = sfuGet(await theirRoom(here), await people.alice.account.openIdToken());
  // Both SFUs have the room: who signed is all that differs.
  const [atA, atB] = [granted(here, await post(`${a.focus}/sfu/get`, body)), granted(here, await post(`${b.focus}/sfu/get`, body))];
  assert.deepEqual(claims(atA.jwt).video.room, claims(atB.jwt).video.room);
  for (const [what, sfu, { jwt }, status] of [
    ["A's grant at A", a, atA, 101],
    ["A's grant at B", b, atA, 401],
    ["B's grant at B", b, atB, 101],
    ["B's grant at A", a, atB, 401],
  ]) {
    assert.equal(await upgrade(sfu.url, jwt), status, what);
  }
}

async function strangeHomeserver(here, t) {
  const { a } = here.organisations;
  const stranger = await startStranger(here, t);
  const room = await theirRoom(here);
  // Whoever is proven is looked for in the room.
  refused(await ask(a.focus, room, stranger.name, "honest"), 403, "M_FORBIDDEN");
  await Promise.all(["liar", "flood", "redirect", "silent"].map(async (token) => {
    const before = stranger.asked(token);
    refused(await ask(a.focus, room, stranger.name, token), 401, "M_UNAUTHORIZED", token);
    assert.equal(stranger.asked(token), before + 1, `${token}: it was asked, and once`);
  }));
  assert.equal(stranger.asked("honest"), 1, "no redirect was followed");
}

async function privateAddresses(here, t) {
  const { a, certificates, people } = here.organisations;
  const stranger = await startStranger(here, t);
  const { a: ports } = await choosePorts(ANY_PORTS);
  const careful = await startHanse({
    name: "the Hanse that asks public homeservers only",
    executable: here.hanse,
    folder: join(here.folder, "careful"),
    port: ports.hanse,
    key: newKey("careful"),
    tables: {
      sfu: { udp_port: ports.media, tcp_port: 0, auto_create: false },
      focus: { sfu_url: `ws://127.0.0.1:${ports.hanse}`, full_access_homeservers: ["*"] },
      homeservers: { ca_files: [join(certificates, "ca.pem")] },
      store: { url: `sqlite:${join(here.folder, "careful.db")}` },
      log: { filter: here.log },
    },
    started: (program) => t.after(() => program.stop()),
  });
  here.hanses.push(careful);
  const token = await people.alice.account.openIdToken();
  const own = a.homeserver.name;
  const room = await theirRoom(here);
  granted(here, await ask(a.focus, room, own, token.access_token));
  refused(await ask(a.focus, room, stranger.name, "honest"), 403, "M_FORBIDDEN");

  const [before, port] = [stranger.connections(), stranger.name.split(":")[1]];
  const loopback = ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"].map((host) => `${host}:${port}`);
  const elsewhere = ["10.0.0.1", "192.168.0.1:8448", "172.16.0.1", "169.254.169.254", "169.254.169.254:80", "[fd00::1]", "[fe80::1]:8448"];
  const names = [own, stranger.name, "localhost", ...loopback, ...elsewhere];
  const sentences = await Promise.all(
    names.map(async (name) => {
      const reply = await ask(careful.url, room, name, name === own ? token.access_token : "honest");
      refused(reply, 401, "M_UNAUTHORIZED", name);
      return reply.answer.error;
    }),
  );
  assert.equal(new Set(sentences).size, 1, "nobody learns from an answer what is at an address");
  for (const disguised of ["2130706433", "0x7f000001", "127.1"]) {
    refused(await ask(careful.url, room, `${disguised}:${port}`, "honest"), 401, "M_UNAUTHORIZED", disguised);
  }
  assert.equal(stranger.connections(), before, "nobody came");
}

/** Plays a homeserver whose answer depends on the token. */
async function startStranger({ organisations }, t) {
  const { a, certificates, people } = organisations;
  const [cert, key] = await Promise.all(["pem", "key"].map((ending) => readFile(join(certificates, `${STRANGER}.${ending}`))));
  const asked = [];
  let connections = 0;
  const server = createServer({ cert, key }, (request, response) => {
    const { searchParams } = new URL(request.url, `https://${name}`);
    const token = searchParams.get("access_token");
    asked.push(token);
    const vouch = (sub, more) => response.end(JSON.stringify({ ...more, sub }));
    const answers = {
      honest: () => vouch(`@mallory:${name}`),
      liar: () => vouch(people.alice.account.id),
      flood: () => vouch(`@mallory:${name}`, { more: "a".repeat(8 * MEGABYTE) }),
      redirect: () => response.writeHead(302, { location: request.url.replace(token, "honest") }).end(),
      silent: () => {},
    };
    answers[token]();
  });
  // Whoever reads no further closes the connection.
  server.on("clientError", () => {});
  server.on("connection", (socket) => {
    connections += 1;
    socket.on("error", () => {});
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const name = `${STRANGER}:${server.address().port}`;
  assert.notEqual(name, a.homeserver.name);
  t.after(() => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  });
  return { name, connections: () => connections, asked: (token) => asked.filter((each) => each === token).length };
}

/** A room of Alice and Bob. */
function theirRoom({ organisations }) {
  return organisations.room("Bad input", ["alice", "bob"]);
}

function sfuGet(room, token) {
  return { room, device_id: DEVICE, openid_token: token };
}

/** Asks a focus with a token of that homeserver. */
function ask(focus, room, homeserver, token) {
  return post(`${focus}/sfu/get`, sfuGet(room, { access_token: token, matrix_server_name: homeserver }));
}

function getToken(room, token, user) {
  const member = { id: "bad-input-membership", claimed_user_id: user, claimed_device_id: DEVICE };
  return { room_id: room, slot_id: "m.call#ROOM", openid_token: token, member };
}

/** A copy of `body` with another value at a path as `member.id`; `undefined` takes it out. */
function changed(body, path, value) {
  const copy = structuredClone(body);
  const parts = path.split(".");
  const last = parts.pop();
  parts.reduce((inner, part) => inner[part], copy)[last] = value;
  return copy;
}

/** A refusal as the contract has it: a Matrix error that a page may read, in time. */
function refused({ status, headers, answer, ms }, expected, errcode, what = "") {
  assert.deepEqual({ status, errcode: answer.errcode }, { status: expected, errcode }, `${what} ${JSON.stringify(answer)}`);
  assert.ok(answer.error.length > 0, "there is a sentence");
  assert.equal(headers.get("access-control-allow-origin"), "*");
  assert.ok(ms < ANSWER_MS, `${what}: after ${ms} ms`);
}

/** A grant; what it says must not be in a log either. */
function granted(here, { status, headers, answer }) {
  assert.equal(status, 200, JSON.stringify(answer));
  assert.equal(headers.get("access-control-allow-origin"), "*");
  here.jwts.push(answer.jwt);
  return answer;
}
