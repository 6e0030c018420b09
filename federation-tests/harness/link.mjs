// A link of a client's own between it and the server: what goes over it is lost, late, or too much for it, as on the way of
// somebody in a train. In user space, because not every kernel can shape (netem); a client goes over it by taking its port
// for the server's (page/link.ts). It runs in a thread of its own (link-thread.mjs).
import { Worker } from "node:worker_threads";

/** What a link has counted, by direction: a place each in what it shares. */
export const COUNTS = ["upCarried", "upLost", "downCarried", "downLost"];

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

/**
 * A link to the server's media port, by default a perfect one. The same seed loses the same datagrams.
 * `at`: where it is on this machine. `mediaHost`: where the server is; Firefox answers no check whose answer names loopback,
 * unless it comes from there itself.
 * @param {{ mediaPort: number, mediaHost?: string, at?: { host?: string, port?: number }, up?: Partial<Way>, down?: Partial<Way>, seed?: number }} wish
 */
export async function openLink(wish) {
  const shared = new Int32Array(new SharedArrayBuffer(COUNTS.length * Int32Array.BYTES_PER_ELEMENT));
  const thread = new Worker(new URL("link-thread.mjs", import.meta.url), { workerData: { wish, shared } });
  const port = await new Promise((done, failed) => thread.once("message", done).once("error", failed));
  const count = (what) => Atomics.load(shared, COUNTS.indexOf(what));
  return {
    port,
    /** Changes how the two ways behave from now on. @param {{ up?: Partial<Way>, down?: Partial<Way> }} changes */
    shape: (changes) => thread.postMessage(changes, []),
    /** Datagrams so far, by direction. */
    counts: () => ({
      up: { carried: count("upCarried"), lost: count("upLost") },
      down: { carried: count("downCarried"), lost: count("downLost") },
    }),
    close: () => thread.terminate(),
  };
}
