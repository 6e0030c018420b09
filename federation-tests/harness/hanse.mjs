// Starts and stops the server under test: `HANSE_BIN`, on ports and with keys of its own.
import { execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { goAhead } from "./ahead.mjs";
import { startHomeserver } from "./homeserver.mjs";
import { signToken } from "./token.mjs";
import { until } from "./until.mjs";

/** How many lines of the server's log a failure shows. */
const LOG_LINES = 40;

/** @typedef {Awaited<ReturnType<typeof startHanse>>} Hanse */

/**
 * A running server. `autoCreate`: whether the first to join makes the room. `address`: where it says to be for media.
 * `listenAddress`: where it is; by default on every address. `simulate`: clients may ask for simulated failures. `focus`: it is
 * a focus, too, of the people of a homeserver. `tls`: it serves TLS itself, with these lines in `[tls]`, and media comes in on the
 * same port. `ports`: those that shall not be any free ones. `supervised`: something else holds the socket for signalling and hands
 * it over, as systemd does (`supervisor.py`). `more`: lines for the end of the configuration. `keysFile`: its API keys are in a file,
 * and can be changed (`changeKeys`), not in the environment.
 */
export async function startHanse({
  autoCreate = true,
  address = "127.0.0.1",
  listenAddress = "0.0.0.0",
  simulate = false,
  focus = false,
  tls = "",
  ports = {},
  supervised = false,
  more = "",
  keysFile = false,
} = {}) {
  const executable = process.env["HANSE_BIN"];
  if (!executable) throw new Error("HANSE_BIN must name the hanse executable (built with the feature debug-tap)");
  const folder = await mkdtemp(join(tmpdir(), "hanse-test-"));
  const [httpPort, metricsPort, streamPort, redirectPort, mediaPort] = await Promise.all([
    freeTcpPort(),
    freeTcpPort(),
    ports.stream ?? freeTcpPort(),
    ports.redirect ?? freeTcpPort(),
    ports.media ?? freeUdpPort(),
  ]);
  const homeserver = focus ? await startHomeserver(folder) : undefined;
  const key = "test-key";
  const secret = "a-secret-that-only-this-test-run-knows";
  const tapFile = join(folder, "tap.jsonl");
  const configFile = join(folder, "hanse.toml");
  const sfu = configuration({ httpPort, mediaPort, streamPort, metricsPort, autoCreate, address, listenAddress, simulate });
  const secure = tls && `\n[tls]\nport = ${streamPort}\nredirect_port = ${redirectPort}\n${tls}\n`;
  const asFocus = homeserver ? focusConfiguration({ folder, httpPort, homeserver }) : "";
  const keysPath = join(folder, "hanse.keys");
  const writeKeys = (lines) => writeFile(keysPath, lines.join("\n"), { mode: 0o600 });
  await writeKeys([`${key}: ${secret}`]);
  const asSfu = keysFile ? sfu.replace("[sfu]\n", `[sfu]\nkeys_file = "${keysPath}"\n`) : sfu;
  await writeFile(configFile, asSfu + secure + asFocus + more);

  let log = "";
  const http = `http://127.0.0.1:${httpPort}`;
  /** How often it has said so. */
  const said = (pattern) => log.split(pattern).length - 1;
  const lastWords = () => log.split("\n").slice(-LOG_LINES).join("\n");
  let server;
  let ended;
  const begin = async () => {
    const supervisor = supervised ? ["python3", fileURLToPath(new URL("supervisor.py", import.meta.url)), "127.0.0.1", `${httpPort}`] : [];
    const [program, ...words] = [...supervisor, executable, "run", "--config", configFile];
    const started = spawn(program, words, {
      env: { ...process.env, HANSE_DEBUG_TAP: tapFile, ...(keysFile ? {} : { LIVEKIT_KEYS: `${key}: ${secret}` }) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    server = started;
    goAhead(started.pid);
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
    /** The port for media over TCP, and for TLS if it serves that. */
    streamPort,
    /** Where plain HTTP is sent on to TLS. */
    redirectPort,
    key,
    secret,
    log: () => log,
    /** A seat in a call of Matrix, as its focus gives it to a user of its homeserver: for `join`, and who that is. */
    async admit(name, roomId) {
      const user = `@${name}:${homeserver.name}`;
      const body = {
        room_id: roomId,
        slot_id: "m.call#ROOM",
        openid_token: { access_token: name, matrix_server_name: homeserver.name, expires_in: 3600, token_type: "Bearer" },
        member: { id: "1", claimed_user_id: user, claimed_device_id: "DEVICE" },
      };
      const answer = await fetch(`${http}/get_token`, { method: "POST", body: JSON.stringify(body) });
      const { url, jwt } = /** @type {any} */ (await answer.json());
      if (!jwt) throw new Error(`no seat for ${user} (${answer.status}):\n${lastWords()}`);
      const { sub, video } = JSON.parse(Buffer.from(jwt.split(".")[1], "base64url").toString());
      return { user, identity: sub, call: video.room, seat: { url, token: jwt } };
    },
    /** What the executable says to an administrator on the command line. */
    async ask(...command) {
      const { stdout } = await promisify(execFile)(executable, [...command, "--config", configFile]);
      return stdout;
    },
    /** The numbers of a metric, by the value of its label. */
    async gauges(metric) {
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      const samples = text.matchAll(new RegExp(`^${metric}\\{\\w+="(\\w+)"\\} (\\S+)$`, "gm"));
      return Object.fromEntries([...samples].map(([, label, value]) => [label, Number(value)]));
    },
    /** A token to join; `grants` adds to and overrides the usual ones. */
    seat: (identity, room, grants = {}) =>
      signToken({ key, secret, identity, grants: { roomJoin: true, room, canPublish: true, canSubscribe: true, ...grants } }),
    /** Every forwarded packet that the debug tap has written so far. */
    async tapped() {
      const text = await readFile(tapFile, "utf8").catch(() => "");
      // The last line may be half written.
      return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    },
    /** Has the server read its configuration again. */
    reload: () => server.kill("SIGHUP"),
    /** Stops the server and starts it again, at the same place. */
    async restart() {
      await end();
      await begin();
    },
    /** Has it read other API keys, each as "name: secret"; it says whether it takes them. */
    async changeKeys(...lines) {
      const read = /the API keys are read again|and so do the keys/;
      const before = said(read);
      await writeKeys(lines);
      server.kill("SIGHUP");
      await until("the keys are read again", async () => said(read) > before);
    },
    /** Where everything of it is. */
    folder,
    configFile,
    /** The process, or what supervises it. */
    signal: (name) => server.kill(name),
    /** Returns once the process has ended, with its exit code. */
    ended: () => ended,
    /** Starts it again after its end. */
    begin,
    /** Has the supervisor restart the server in order, or kill it first: returns when the next one serves. */
    async handOver({ killed = false } = {}) {
      const before = said("serves HTTP on");
      server.kill(killed ? "SIGUSR1" : "SIGHUP");
      await until("the next process serves", async () => said("serves HTTP on") > before);
    },
    /** Stops the server. */
    stop: () =>
      end().finally(() => {
        homeserver?.close();
        return rm(folder, { recursive: true, force: true });
      }),
  };
}

function configuration({ httpPort, mediaPort, streamPort, metricsPort, autoCreate, address, listenAddress, simulate }) {
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

[metrics]
bind_address = "127.0.0.1"
port = ${metricsPort}
`;
}

function focusConfiguration({ folder, httpPort, homeserver }) {
  return `
[focus]
sfu_url = "ws://127.0.0.1:${httpPort}"
full_access_homeservers = ["${homeserver.name}"]

[homeservers]
allowed_networks = ["127.0.0.0/8"]
ca_files = ["${homeserver.certificate}"]

[store]
url = "sqlite:${join(folder, "hanse.db")}"
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
