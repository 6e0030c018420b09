// Each way by which people reach the SFU, with Chromium and through walls and NATs that are really there: who gets media by which
// way, and that the other ways were closed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openBrowser } from "../harness/browser.mjs";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { inOwnNetwork } from "../harness/namespace.mjs";
import { until } from "../harness/until.mjs";
import { people } from "../harness/world.mjs";
import { HOME, HOME_OUTER, INNER, layNetworks, OUTER, PLACES } from "./places.mjs";
import { startRelay, startStun, STUN } from "./relay.mjs";
import { startServer } from "./server.mjs";

const CAMERA = { width: 320, height: 180, fps: 10 };
const SIGNS = { ada: { mark: 1, hertz: 440 }, ben: { mark: 2, hertz: 660 } };

inOwnNetwork(
  import.meta.filename,
  () => {
    test("UDP is stopped: people are in a call over TCP", overTcp);
    test("everything but 443/tcp is stopped: people are in a call by a relay with TLS, and by nothing else", byRelay);
    test("there is IPv6 alone: people are in a call by it", byIpv6);
    test("the server is behind NAT and says its outer address: people are in a call", behindNat);
    test("the server is behind NAT and asks a STUN server for its outer address: people are in a call", seenByStun);
    test("the server is behind NAT and says a wrong address: nobody gets media", wrongAddress);
    test("the server is behind NAT and its STUN server is silent: it starts and says what is wrong", withoutStun);
    test("people are behind NAT: they are in a call", peopleBehindNat);
  },
  () => {},
);

/** Ports of media, as they are by default. */
const [UDP, TCP] = [7882, 7881];

/**
 * Two people with Chromium in a call; both see and hear each other. Gives the ways of their media, which are the same.
 * @param {{ home?: string }} [browser]
 */
async function meet(t, server, browser) {
  const present = await call(t, server, browser);
  for (const [viewer, other] of [["ada", "ben"], ["ben", "ada"]]) {
    await sees(present[viewer], other, "camera", SIGNS[other].mark);
    await hears(present[viewer], other, SIGNS[other].hertz);
  }
  const [hers, his] = await Promise.all([trackOf(present.ada, "ben", "camera"), trackOf(present.ben, "ada", "camera")]);
  assert.deepEqual(hers.path, his.path);
  return hers.path;
}

/** Two people with Chromium come to a call. */
async function call(t, server, browser = {}) {
  const opened = await openBrowser(browser);
  t.after(() => opened.close());
  const present = await people(t, opened, ["ada", "ben"]);
  for (const [identity, person] of Object.entries(present)) {
    await person.join({ url: server.url, token: server.seat(identity) });
    const { mark, hertz } = SIGNS[identity];
    await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }), person.publishTone(hertz)]);
  }
  return present;
}

async function overTcp(t) {
  const networks = layNetworks(t);
  const server = await startServer(t, networks, { host: PLACES.server.v4 });
  networks.wall("udp", "-p udp");
  const { transport, to } = await meet(t, server);
  assert.deepEqual([transport, to], ["tcp", `${PLACES.server.v4}:${TCP}`]);
  assert.ok(networks.counted("udp") > 0, "UDP was tried, and stopped");
}

async function byRelay(t) {
  const networks = layNetworks(t);
  const relay = await startRelay(t, networks);
  const server = await startServer(t, networks, { host: PLACES.server.v4, sfu: relay.lines });
  assert.deepEqual(server.offered().relay, [`turns:${PLACES.relay.v4}:443?transport=tcp`]);
  networks.door("tls", "-p tcp --dport 443");
  networks.wall("udp", "-p udp");
  networks.wall("streams", `-p tcp --dport ${TCP}`);
  networks.wall("rest", "-m conntrack --ctstate NEW");
  const path = await meet(t, server, { home: relay.home });
  assert.deepEqual(path, { from: "relay", relay: "tls", transport: "udp", to: `${PLACES.server.v4}:${UDP}` });
  assert.ok(networks.counted("udp") > 0, "UDP was tried, and stopped");
  await nobodyReaches(networks, "streams", PLACES.server.v4);
  for (const said of [server.said(), relay.said()]) assert.ok(!said.includes(relay.secret) && !said.includes("ada"));
  assert.match(relay.ask(PLACES.people.v4), /error 403 \(Forbidden IP\)/, "it leads nowhere else");
}

async function byIpv6(t) {
  const networks = layNetworks(t, { families: ["v6"] });
  const server = await startServer(t, networks, { host: PLACES.server.v6 });
  assert.deepEqual(server.offered(), { IPv4: [], IPv6: [`[${PLACES.server.v6}]:${UDP}/udp`, `[${PLACES.server.v6}]:${TCP}/tcp`], relay: [] });
  const { transport, to } = await meet(t, server, { devices: true });
  assert.deepEqual([transport, to], ["udp", `${PLACES.server.v6}:${UDP}`]);
}

async function behindNat(t) {
  const networks = layNetworks(t, { serverNat: true });
  const server = await startServer(t, networks, { host: OUTER, sfu: `addresses = ["${OUTER}"]` });
  assert.deepEqual(server.offered().IPv4, [`${OUTER}:${UDP}/udp`, `${OUTER}:${TCP}/tcp`]);
  const { transport, to } = await meet(t, server);
  assert.deepEqual([transport, to], ["udp", `${OUTER}:${UDP}`]);
}

async function seenByStun(t) {
  const networks = layNetworks(t, { serverNat: true });
  await startStun(t, networks);
  const server = await startServer(t, networks, { host: OUTER, sfu: `stun_servers = ["${STUN}"]` });
  assert.deepEqual(server.offered().IPv4, [[OUTER, UDP, "udp"], [INNER, UDP, "udp"], [OUTER, TCP, "tcp"], [INNER, TCP, "tcp"]].map(([ip, port, transport]) => `${ip}:${port}/${transport}`));
  const { transport, to } = await meet(t, server);
  assert.deepEqual([transport, to], ["udp", `${OUTER}:${UDP}`]);
  await nobodyReaches(networks, "inner", INNER);
}

/**
 * Whoever tries the SFU's port for streams at `address` is stopped by that wall. A browser need not have tried: it stops looking for
 * ways as soon as it has a good one.
 */
async function nobodyReaches(networks, wall, address) {
  await until(`whoever tries ${address}:${TCP} is stopped`, async () => {
    const answer = await fetch(`http://${address}:${TCP}`, { signal: AbortSignal.timeout(200) }).catch(() => undefined);
    assert.equal(answer, undefined);
    return networks.counted(wall) > 0;
  });
}

async function wrongAddress(t) {
  const networks = layNetworks(t, { serverNat: true });
  const wrong = OUTER.replace(/7$/, "9");
  networks.wall("wrong", `-d ${wrong}`);
  const server = await startServer(t, networks, { host: OUTER, sfu: `addresses = ["${wrong}"]` });
  await assert.rejects(call(t, server), /could not establish pc connection/);
  assert.ok(networks.counted("wrong") > 0, "it was tried");
}

async function withoutStun(t) {
  const networks = layNetworks(t, { serverNat: true });
  // Nobody is at that address.
  const server = await startServer(t, networks, { host: OUTER, sfu: `stun_servers = ["${STUN}"]` });
  assert.deepEqual(server.offered().IPv4, [`${INNER}:${UDP}/udp`, `${INNER}:${TCP}/tcp`]);
  assert.match(server.said(), /no usable answer came by IPv4 from the STUN servers/);
  assert.match(server.said(), new RegExp(`by IPv4 only people in the same network can send media to ${INNER}`));
}

async function peopleBehindNat(t) {
  const networks = layNetworks(t, { peopleNat: true });
  const server = await startServer(t, networks, { host: PLACES.server.v4 });
  networks.watch("home", `-s ${HOME}`);
  const { transport, to } = await meet(t, server);
  assert.deepEqual([transport, to], ["udp", `${PLACES.server.v4}:${UDP}`]);
  const seen = networks.run("server", `ss -Htn state established sport = :443`);
  assert.ok(seen.includes(HOME_OUTER) && !seen.includes(HOME), "the server sees the NAT's address alone");
}
