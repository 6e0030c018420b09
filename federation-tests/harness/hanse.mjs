// Starts and stops the server under test: `HANSE_BIN`, on ports and with keys of its own.
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signToken } from "./token.mjs";
import { until } from "./until.mjs";

/** How many lines of the server's log a failure shows. */
const LOG_LINES = 40;

/** @typedef {Awaited<ReturnType<typeof startHanse>>} Hanse */

/**
 * A running server. `autoCreate`: whether the first to join makes the room. `address`: where it says to be for media.
 * `listenAddress`: where it is; by default on every address. `simulate`: clients may ask for simulated failures.
 */
export async function startHanse({ autoCreate = true, address = "127.0.0.1", listenAddress = "0.0.0.0", simulate = false } = {}) {
  const executable = process.env["HANSE_BIN"];
  if (!executable) throw new Error("HANSE_BIN must name the hanse executable (built with the feature debug-tap)");
  const folder = await mkdtemp(join(tmpdir(), "hanse-test-"));
  const [httpPort, streamPort, mediaPort] = await Promise.all([freeTcpPort(), freeTcpPort(), freeUdpPort()]);
  const key = "test-key";
  const secret = "a-secret-that-only-this-test-run-knows";
  const tapFile = join(folder, "tap.jsonl");
  const configFile = join(folder, "hanse.toml");
  await writeFile(configFile, configuration({ httpPort, mediaPort, streamPort, autoCreate, address, listenAddress, simulate }));

  let log = "";
  const http = `http://127.0.0.1:${httpPort}`;
  const lastWords = () => log.split("\n").slice(-LOG_LINES).join("\n");
  let server;
  let ended;
  const begin = async () => {
    const started = spawn(executable, ["run", "--config", configFile], {
      env: { ...process.env, HANSE_DEBUG_TAP: tapFile, LIVEKIT_KEYS: `${key}: ${secret}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    server = started;
    for (const stream of [started.stdout, started.stderr]) stream.on("data", (data) => (log += data));
    ended = new Promise((done) => started.once("exit", done));
    let failure;
    started.once("error", (error) => (failure = error));
    started.once("exit", (code) => (failure ??= new Error(`hanse ended with ${code} instead of starting:\n${lastWords()}`)));
    await until("hanse is ready", async () => failure || (await fetch(http)).status === 200);
    if (failure) throw failure;
  };
  /** One that died before its time is a failure. */
  const end = async () => {
    const early = server.exitCode ?? server.signalCode;
    server.kill("SIGTERM");
    const code = await ended;
    if (early !== null || code !== 0) throw new Error(`hanse ended with ${early ?? code}:\n${lastWords()}`);
  };
  await begin();

  return {
    http,
    url: `ws://127.0.0.1:${httpPort}`,
    /** The port to which everybody's media goes. */
    mediaPort,
    key,
    secret,
    log: () => log,
    /** A token to join; `grants` adds to and overrides the usual ones. */
    seat: (identity, room, grants = {}) =>
      signToken({ key, secret, identity, grants: { roomJoin: true, room, canPublish: true, canSubscribe: true, ...grants } }),
    /** Every forwarded packet that the debug tap has written so far. */
    async tapped() {
      const text = await readFile(tapFile, "utf8").catch(() => "");
      // The last line may be half written.
      return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    },
    /** Stops the server and starts it again, at the same place. */
    async restart() {
      await end();
      await begin();
    },
    /** Stops the server. */
    stop: () => end().finally(() => rm(folder, { recursive: true, force: true })),
  };
}

function configuration({ httpPort, mediaPort, streamPort, autoCreate, address, listenAddress, simulate }) {
  return `
[http]
bind_addresses = ["127.0.0.1"]
port = ${httpPort}

[sfu]
bind_addresses = ["${listenAddress}"]
udp_port = ${mediaPort}
tcp_port = ${streamPort}
addresses = ["${address}"]
auto_create = ${autoCreate}
simulate = ${simulate}
`;
}

function freeTcpPort() {
  return new Promise((done, fail) => {
    const probe = createServer().once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

function freeUdpPort() {
  return new Promise((done, fail) => {
    const probe = createSocket("udp4").once("error", fail);
    probe.bind(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
