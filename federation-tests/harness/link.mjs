// A link of a client's own between it and the server: what goes over it is lost, late, or too much for it, as on the way of
// somebody in a train. In user space, because not every kernel can shape (netem); a client goes over it by taking its port
// for the server's (page/link.ts).
import { createSocket } from "node:dgram";

const HERE = "127.0.0.1";

/** Sockets of one client: a connection each, and a few more until they have found their way. */
const SOCKETS_MAX = 16;

/**
 * How one direction behaves.
 * @typedef {object} Way
 * @property {number} loss Share of datagrams that are lost, each for itself.
 * @property {number} delayMs What each of them takes.
 * @property {number} jitterMs And up to this much more; they overtake each other …
 * @property {boolean} isOrdered … unless each waits for those before it, as on radio links.
 * @property {number} bitsPerSecond What fits.
 * @property {number} queueMs What does not, waits this long at most; more is lost.
 */

/** @type {Way} */
const CLEAN = { loss: 0, delayMs: 0, jitterMs: 0, isOrdered: false, bitsPerSecond: Infinity, queueMs: 200 };

/**
 * A link to the server's media port, by default a perfect one. The same seed loses the same datagrams.
 * `at`: where it is on this machine. `mediaHost`: where the server is; Firefox answers no check whose answer names loopback,
 * unless it comes from there itself.
 * @param {{ mediaPort: number, mediaHost?: string, at?: { host?: string, port?: number }, up?: Partial<Way>, down?: Partial<Way>, seed?: number }} _
 */
export async function openLink({ mediaPort, mediaHost = HERE, at = {}, up = {}, down = {}, seed = 1 }) {
  const ways = { up: direction({ ...CLEAN, ...up }, seed), down: direction({ ...CLEAN, ...down }, seed + 1) };
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
  return {
    port: near.address().port,
    /** Changes how the two ways behave from now on. */
    shape(changes) {
      Object.assign(ways.up.way, changes.up);
      Object.assign(ways.down.way, changes.down);
    },
    /** Datagrams so far, by direction. */
    counts: () => ({ up: { ...ways.up.counts }, down: { ...ways.down.counts } }),
    close() {
      for (const way of Object.values(ways)) way.close();
      for (const socket of [near, ...far.values()]) socket.close();
    },
  };
}

/** Whoever is gone hears nothing more. */
function ignore() {}

/** Datagrams on their way, in the order in which they arrive. */
function direction(/** @type {Way} */ way, seed) {
  const random = luck(seed);
  const counts = { carried: 0, lost: 0 };
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
    counts,
    carry(datagram, arrive) {
      const now = performance.now();
      const sent = Math.max(now, busyUntil) + (datagram.length * 8000) / way.bitsPerSecond;
      if (random() < way.loss || sent - now > way.queueMs) {
        counts.lost += 1;
        return;
      }
      counts.carried += 1;
      busyUntil = sent;
      const late = sent + way.delayMs + random() * way.jitterMs;
      const at = way.isOrdered ? Math.max(latest, late) : late;
      latest = Math.max(latest, at);
      const place = underWay.findLastIndex((other) => other.at <= at) + 1;
      underWay.splice(place, 0, { at, arrive });
      clearTimeout(timer);
      deliver();
    },
    close() {
      clearTimeout(timer);
      underWay.length = 0;
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
