// The thread of a link (link.mjs): what goes over it waits neither for the tests nor for the programs that they start.
import { createSocket } from "node:dgram";
import { parentPort, workerData } from "node:worker_threads";
import { goAhead } from "./ahead.mjs";
import { COUNTS } from "./link.mjs";

const HERE = "127.0.0.1";

/** Sockets of one client: a connection each, and a few more until they have found their way. */
const SOCKETS_MAX = 16;

/** @typedef {import("./link.mjs").Way} Way */

/** @type {Way} */
const CLEAN = { loss: 0, delayMs: 0, jitterMs: 0, isOrdered: false, bitsPerSecond: Infinity, queueMs: 200 };

goAhead(0);
await open(workerData);

async function open({ wish: { mediaPort, mediaHost = HERE, at = {}, up = {}, down = {}, seed = 1 }, shared }) {
  const counter = (name) => () => Atomics.add(shared, COUNTS.indexOf(name), 1);
  const ways = {
    up: direction({ ...CLEAN, ...up }, seed, { carried: counter("upCarried"), lost: counter("upLost") }),
    down: direction({ ...CLEAN, ...down }, seed + 1, { carried: counter("downCarried"), lost: counter("downLost") }),
  };
  const near = createSocket("udp4");
  /** By the client's address and port: a socket that speaks for it to the server. */
  const far = new Map();
  const forTheClient = ({ address, port }) => {
    const name = `${address}:${port}`;
    if (far.has(name) || far.size >= SOCKETS_MAX) return far.get(name);
    const socket = createSocket("udp4");
    far.set(name, socket);
    socket.on("message", (datagram) => ways.down.carry(datagram, () => near.send(datagram, port, address, ignore)));
    socket.on("error", ignore);
    return socket;
  };
  near.on("message", (datagram, client) => {
    const socket = forTheClient(client);
    if (socket) ways.up.carry(datagram, () => socket.send(datagram, mediaPort, mediaHost, ignore));
  });
  near.on("error", ignore);
  await new Promise((done) => near.bind(at.port ?? 0, at.host ?? HERE, () => done(undefined)));
  parentPort.on("message", (changes) => {
    Object.assign(ways.up.way, changes.up);
    Object.assign(ways.down.way, changes.down);
  });
  parentPort.postMessage(near.address().port, []);
}

/** Whoever is gone hears nothing more. */
function ignore() {}

/** Datagrams on their way, in the order in which they arrive. */
function direction(/** @type {Way} */ way, seed, count) {
  const random = luck(seed);
  const underWay = [];
  let busyUntil = 0;
  let latest = 0;
  let timer;
  const deliver = () => {
    const now = performance.now();
    while (underWay.length > 0 && underWay[0].at <= now) underWay.shift().arrive();
    timer = underWay.length > 0 ? setTimeout(deliver, underWay[0].at - now) : undefined;
  };
  return {
    way,
    carry(datagram, arrive) {
      const now = performance.now();
      const sent = Math.max(now, busyUntil) + (datagram.length * 8000) / way.bitsPerSecond;
      if (random() < way.loss || sent - now > way.queueMs) {
        count.lost();
        return;
      }
      count.carried();
      busyUntil = sent;
      const late = sent + way.delayMs + random() * way.jitterMs;
      const at = way.isOrdered ? Math.max(latest, late) : late;
      latest = Math.max(latest, at);
      const place = underWay.findLastIndex((other) => other.at <= at) + 1;
      underWay.splice(place, 0, { at, arrive });
      clearTimeout(timer);
      deliver();
    },
  };
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function luck(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
