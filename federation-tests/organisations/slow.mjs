// Connections that are kept open by saying little or nothing (slow loris), at every process of both organisations.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { test } from "node:test";
import { setInterval as ticks } from "node:timers/promises";
import { signToken } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";
import { granted } from "./admission.mjs";
import { askToken, upgrade } from "./knock.mjs";

/** Connections without a whole request at each process. */
const CONNECTIONS = 200;

/** Bytes that slow bodies are announced to have: more than arrive in any time that is given to them. */
const BODY_BYTES = 1000;

/** Time between two bytes, and between two looks at how others fare. */
const BYTE_MS = 1000;

/** How long what is slow may be there, in milliseconds (`HEAD_TIMEOUT`, `BODY_TIMEOUT`); this machine may be late. */
const LATE_MS = 5_000;
const HEAD_MS = 15_000 + LATE_MS;
const BODY_MS = 10_000 + LATE_MS;
/** A homeserver's transactions may be long. */
const TRANSACTION_MS = 20_000 + LATE_MS;

/** What others may wait, in milliseconds. */
const OTHERS_MS = 1_000;

/** A test that takes longer has failed. */
const TEST_MS = 120_000;

/** Registers the test. */
export function slow(here) {
  const sentence = "hundreds of connections that say little or nothing end in time and leave nothing behind, and nobody else notices";
  test(sentence, { timeout: TEST_MS }, (t) => notices(here, t));
}

async function notices(here, t) {
  const { organisations } = here;
  const { a, b, people } = organisations;
  const room = await organisations.room("Slow", ["alice", "bob", "carol", "dave"]);
  // They take turns: whoever asks too often is told to wait.
  const couples = [["alice", "bob"], ["carol", "dave"]];
  const others = async () => {
    let longest = 0;
    const couple = couples.shift();
    couples.push(couple);
    for (const organisation of [a, b]) {
      for (const user of couple) {
        const reply = await askToken(organisation.focus, people[user].account, room);
        const begin = performance.now();
        assert.equal(await upgrade(organisation.url, granted(here, reply).jwt), 101);
        longest = Math.max(longest, reply.ms, performance.now() - begin);
      }
    }
    return longest;
  };
  // What is opened once and kept is open before.
  await others();
  const processes = [
    { title: "A's Hanse", process: a.admits, asked: [...atFocus(a), ...atSfu(a)] },
    { title: "B's focus", process: b.admits, asked: atFocus(b) },
    { title: "B's SFU", process: { program: b.sfu, url: b.url }, asked: atSfu(b) },
  ];
  const before = await Promise.all(processes.map(({ process }) => descriptors(process)));

  const all = processes.flatMap(({ title, process, asked }) => [...Array.from({ length: CONNECTIONS }, (_, index) => HEADS[index % HEADS.length]), ...asked].map((wish) => ({ title, wish, ended: trickle(process.url, wish) })));
  const over = new AbortController();
  const noticed = whileItLasts(others, over.signal);
  const ended = await Promise.all(all.map(({ ended: end }) => end)).finally(() => over.abort());
  const waits = await noticed;
  const longest = Math.max(...waits);
  t.diagnostic(`${all.length} slow connections; of ${waits.length} rounds of others the longest wait was ${Math.round(longest)} ms`);
  assert.ok(longest < OTHERS_MS, `others waited ${Math.round(longest)} ms`);

  const latest = {};
  for (const [index, { title, wish }] of all.entries()) {
    const { what, statuses, limit } = wish;
    const { ms, status } = ended[index];
    assert.ok(statuses.includes(status), `${title}, ${what}: answered with ${status}`);
    assert.ok(ms < limit, `${title}, ${what}: there for ${Math.round(ms)} ms`);
    latest[what] = Math.max(latest[what] ?? 0, Math.round(ms));
  }
  for (const [what, ms] of Object.entries(latest)) t.diagnostic(`${what}: closed after ${ms} ms`);
  for (const [index, { title, process }] of processes.entries()) {
    await until(`${title} has no more open files than before (${before[index]})`, async () => {
      const now = await descriptors(process);
      assert.ok(now <= before[index], `${now}`);
      return true;
    });
  }
}

/** Looks again and again how others fare, until it is over. */
async function whileItLasts(look, signal) {
  const seen = [];
  try {
    for await (const _ of ticks(BYTE_MS, undefined, { signal })) seen.push(await look());
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
  assert.ok(seen.length > 0, "others came");
  return seen;
}

/** Requests whose head never ends, or is never begun. What never became a request may be closed without an answer. */
const HEADS = [
  { what: "nothing at all", begin: "", limit: HEAD_MS, statuses: [undefined, 408] },
  { what: "a head, byte by byte", begin: "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", limit: HEAD_MS, isDripping: true, statuses: [undefined, 408] },
  { what: "a first letter, and then nothing", begin: "G", limit: HEAD_MS, statuses: [undefined, 408] },
  { what: "nothing after an answer", begin: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", limit: HEAD_MS, statuses: [200] },
];

/** Requests of a focus whose bodies come byte by byte. */
function atFocus({ registration }) {
  const asked = ["/sfu/get", "/get_token", "/delegate_delayed_leave", "/moderate", "/sfu_webhook"].map((path) =>
    body("POST", `/livekit/jwt${path}`, undefined, [400], BODY_MS),
  );
  const told = [["PUT", "/_matrix/app/v1/transactions/slow"], ["POST", "/_matrix/app/v1/ping"]];
  return [
    ...asked,
    ...told.map(([method, path]) => body(method, path, registration.hsToken, [408], TRANSACTION_MS)),
    ...told.map(([method, path]) => body(method, path, undefined, [401], BODY_MS)),
  ];
}

/** Requests of an SFU whose bodies come byte by byte. */
function atSfu({ key }) {
  const token = signToken({ key: key.name, secret: key.secret, grants: { roomList: true } });
  const path = "/twirp/livekit.RoomService/ListRooms";
  return [body("POST", path, token, [408], BODY_MS), body("POST", path, undefined, [401], BODY_MS), body("POST", "/rtc/v1", undefined, [404, 405], BODY_MS)];
}

function body(method, path, token, statuses, limit) {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/json",
    `Content-Length: ${BODY_BYTES}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
  ];
  const what = `the body of ${method} ${path}${token === undefined ? "" : " with its token"}`;
  return { what, begin: `${lines.join("\r\n")}\r\n\r\n`, isDripping: true, limit, statuses };
}

/** Sends what a wish begins with, then nothing or a byte now and then, until the other side closes. */
function trickle(url, { begin, isDripping = false, limit }) {
  const { hostname, port } = new URL(url);
  return new Promise((done) => {
    const began = performance.now();
    const socket = connect({ host: hostname, port: Number(port) });
    let said = "";
    socket.setEncoding("utf8");
    socket.on("data", (text) => (said += text));
    socket.on("error", () => {});
    socket.write(begin);
    const drip = isDripping ? setInterval(() => socket.write("a"), BYTE_MS) : undefined;
    // One that is never closed must not hold up the others' verdict.
    const late = setTimeout(() => socket.destroy(), limit + LATE_MS);
    socket.once("close", () => {
      clearInterval(drip);
      clearTimeout(late);
      const status = /^HTTP\/1\.1 (\d+)/.exec(said)?.[1];
      done({ ms: performance.now() - began, status: status && Number(status) });
    });
  });
}

/** How many files and connections a process has open. */
async function descriptors({ program }) {
  return (await readdir(`/proc/${program.pid}/fd`)).length;
}
