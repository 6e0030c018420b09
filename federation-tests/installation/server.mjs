// A Hanse in a place of a test's networks (places.mjs), started as administrators start it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signToken } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";
import { start } from "./places.mjs";

const KEY = { key: "test-key", secret: "a-secret-that-only-this-test-run-knows" };

/** The port of signalling: the one that every network lets through. */
const PORT = 443;

/**
 * Starts one. `host`: where people find it. `sfu`: lines of its `[sfu]`.
 * @param {import("node:test").TestContext} t
 * @param {import("./places.mjs").Networks} networks
 */
export async function startServer(t, networks, { host, sfu = "" }) {
  const executable = process.env["HANSE_BIN"];
  if (!executable) throw new Error("HANSE_BIN must name the hanse executable");
  const folder = await mkdtemp(join(tmpdir(), "hanse-networks-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "hanse.toml");
  await writeFile(file, `[http]\nport = ${PORT}\n[sfu]\n${sfu}\n[operate]\nsocket = "${join(folder, "hanse.sock")}"\n`);
  const variables = { LIVEKIT_KEYS: `${KEY.key}: ${KEY.secret}` };
  const server = start(t, networks, "server", [executable, "run", "--config", file], variables);
  await until("hanse is ready", () => (server.check(), server.said().includes("serves HTTP on")));
  const room = "networks";
  return {
    url: `ws://${host.includes(":") ? `[${host}]` : host}:${PORT}`,
    seat: (identity) => signToken({ ...KEY, identity, grants: { roomJoin: true, room, canPublish: true, canSubscribe: true } }),
    said: server.said,
    /** What it says to offer: `{ IPv4: ["203.0.113.2:7882/udp", …], IPv6: […], relay: […] }`. */
    offered() {
      const [line] = server.said().match(/clients are offered these media addresses: .*/g)?.slice(-1) ?? [""];
      const lists = [...line.matchAll(/by (IPv4|IPv6|relay) ([^;]*)/g)];
      return Object.fromEntries(lists.map(([, name, list]) => [name, list === "none" ? [] : list.split(", ")]));
    },
  };
}
