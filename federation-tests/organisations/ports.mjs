// Ports of this machine: fixed ones that must be free, or free ones that happen to be.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { pause } from "./program.mjs";

/** A demo that was stopped a moment ago may still be saying goodbye. */
const WAIT_MS = 8000;
const LOOK_MS = 100;

/** Any. `tcp` is for media by TCP. `provider` is where people prove who they are. `focus` and `second` are for organisations that have a focus apart from their SFU, or even two. */
export const ANY_PORTS = { page: 0, a: anyPorts(), b: anyPorts() };

function anyPorts() {
  return { hanse: 0, focus: 0, second: 0, media: 0, tcp: 0, client: 0, federation: 0, provider: 0 };
}

/**
 * Makes sure of the ports for `startOrganisations`; 0 stands for any. A taken one is waited for, then refused by its number.
 * All are held until the last one is found, or the system might give one of them out twice.
 */
export async function choosePorts({ page, ...organisations }) {
  const held = [];
  const hold = async (port, take) => {
    const { chosen, release } = await free(port, take);
    held.push(release);
    return chosen;
  };
  try {
    const chosen = { page: await hold(page, tcp) };
    for (const [letter, ports] of Object.entries(organisations)) {
      chosen[letter] = {};
      for (const [use, port] of Object.entries(ports)) chosen[letter][use] = await hold(port, use === "media" ? udp : tcp);
    }
    return chosen;
  } finally {
    await Promise.all(held.map((release) => release()));
  }
}

async function tcp(port) {
  const probe = createServer();
  await new Promise((done, fail) => probe.once("error", fail).listen(port, "127.0.0.1", done));
  return { chosen: probe.address().port, release: () => new Promise((done) => probe.close(done)) };
}

async function udp(port) {
  const probe = createSocket("udp4");
  await new Promise((done, fail) => probe.once("error", fail).bind(port, done));
  return { chosen: probe.address().port, release: () => new Promise((done) => probe.close(done)) };
}

async function free(port, take) {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await take(port);
    } catch (error) {
      if (error.code !== "EADDRINUSE") throw error;
      if (performance.now() > end) {
        const name = `${port}/${take === udp ? "udp" : "tcp"}`;
        throw new Error(`port ${name} is in use by another program: stop that one, then start again`, { cause: error });
      }
      await pause(LOOK_MS);
    }
  }
}
