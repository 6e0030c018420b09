// Ports of this machine: fixed ones that must be free, or free ones that happen to be.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { pause } from "./program.mjs";

/** A demo that was stopped a moment ago may still be saying goodbye. */
const WAIT_MS = 8000;
const LOOK_MS = 100;

/** Makes sure of the ports for `startOrganisations`; 0 stands for any. A taken one is waited for, then refused by its number. */
export async function choosePorts({ page, a, b }) {
  return { page: await tcp(page), a: await chooseFor(a), b: await chooseFor(b) };
}

/** Any. */
export const ANY_PORTS = { page: 0, a: { hanse: 0, media: 0, client: 0, federation: 0 }, b: { hanse: 0, media: 0, client: 0, federation: 0 } };

async function chooseFor({ hanse, media, client, federation }) {
  return { hanse: await tcp(hanse), media: await udp(media), client: await tcp(client), federation: await tcp(federation) };
}

function tcp(port) {
  return free(`${port}/tcp`, async () => {
    const probe = createServer();
    await new Promise((done, fail) => probe.once("error", fail).listen(port, "127.0.0.1", done));
    const chosen = probe.address().port;
    await new Promise((done) => probe.close(done));
    return chosen;
  });
}

function udp(port) {
  return free(`${port}/udp`, async () => {
    const probe = createSocket("udp4");
    await new Promise((done, fail) => probe.once("error", fail).bind(port, done));
    const chosen = probe.address().port;
    await new Promise((done) => probe.close(done));
    return chosen;
  });
}

async function free(name, attempt) {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error.code !== "EADDRINUSE") throw error;
      if (performance.now() > end) {
        throw new Error(`port ${name} is in use by another program: stop that one, then start again`, { cause: error });
      }
      await pause(LOOK_MS);
    }
  }
}
