// A wire between clients and the server's HTTP port that can be cut.
import { connect, createServer } from "node:net";

/** @typedef {Awaited<ReturnType<typeof layWire>>} Wire */

/** Lays a wire to a server. */
export async function layWire(to) {
  const { hostname, port } = new URL(to);
  /** Pairs of sockets: the client's end, and the server's. */
  const pairs = new Set();
  let isCut = false;
  const listener = createServer((client) => {
    if (isCut) return void client.destroy();
    const server = connect({ host: hostname, port: Number(port) });
    const pair = { client, server };
    pairs.add(pair);
    for (const end of [client, server]) {
      // Whichever end goes takes the other one along.
      end.on("error", () => {});
      end.on("close", () => {
        pairs.delete(pair);
        if (!pair.isHeld) for (const each of [client, server]) each.destroy();
      });
    }
    client.pipe(server);
    server.pipe(client);
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  const held = new Set();
  return {
    url: `ws://127.0.0.1:${listener.address().port}`,
    /** Cuts what is there and lets nobody through until `mend`. `quietly`: the server does not notice. */
    cut({ quietly = false } = {}) {
      isCut = true;
      for (const pair of pairs) {
        pair.isHeld = quietly;
        if (quietly) {
          pair.client.unpipe(pair.server);
          pair.server.unpipe(pair.client);
          pair.server.resume();
          held.add(pair.server);
        }
        pair.client.destroy();
      }
    },
    mend() {
      isCut = false;
    },
    close() {
      for (const pair of pairs) pair.client.destroy();
      for (const server of held) server.destroy();
      listener.close();
    },
  };
}
