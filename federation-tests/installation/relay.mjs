// A real coturn in a place of a test's networks (places.mjs), with a certificate of an authority that this run makes and that
// the browser of the test trusts.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../harness/until.mjs";
import { PLACES, start } from "./places.mjs";

/** Where STUN is asked. */
export const STUN = `${PLACES.relay.v4}:3478`;

/** The port of TLS, which every network lets through. */
const PORT = 443;

const quietly = (program, ...options) => execFileSync(program, options, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });

/**
 * Writes what `hanse setup --turn` writes for a relay at an address, which leads to an SFU at another one, and makes its certificate, whose
 * authority is `ca.pem`. Gives coturn's configuration, the lines for `[sfu]`, and the secret in both.
 */
export async function writeRelay(folder, { relay, sfu }) {
  const at = (name) => join(folder, name);
  certify(folder, relay);
  // Without any network it looks for no homeserver for long.
  const homeserver = ["--server-name", "org-a.example", "--homeserver-url", "http://127.0.0.1:9", "--synapse-config", at("none.yaml")];
  const files = ["--turn-certificate", at("relay.pem"), "--turn-key", at("relay.key"), "--out", folder];
  const turn = ["--turn", relay, "--turn-sfu-address", sfu];
  quietly("unshare", "--net", process.env["HANSE_BIN"] ?? "", "setup", ...homeserver, ...turn, ...files);
  const [config, settings, secret] = await Promise.all(["turnserver.conf", "hanse.toml", "turn.secret"].map((name) => readFile(at(name), "utf8")));
  return { config: config + ownLines(folder, relay), lines: settings.split("\n").filter((line) => line.startsWith("turn_")), secret: secret.trim() };
}

/**
 * Starts coturn as a relay, with the configuration that `hanse setup --turn` writes. Gives the lines that it writes for Hanse.
 * @param {import("node:test").TestContext} t
 * @param {import("./places.mjs").Networks} networks
 */
export async function startRelay(t, networks) {
  const folder = await mkdtemp(join(tmpdir(), "hanse-relay-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const at = (name) => join(folder, name);
  const { config, lines, secret } = await writeRelay(folder, { relay: PLACES.relay.v4, sfu: PLACES.server.v4 });
  const relay = await startCoturn(t, networks, folder, config);
  const home = at("home");
  const store = join(home, ".pki", "nssdb");
  await mkdir(store, { recursive: true });
  quietly("certutil", "-d", `sql:${store}`, "-N", "--empty-password");
  quietly("certutil", "-d", `sql:${store}`, "-A", "-t", "C,,", "-n", "test", "-i", at("ca.pem"));
  return {
    said: relay.said,
    secret,
    /** Lines for `[sfu]`. */
    lines: lines.join("\n"),
    /** A home folder for a browser that trusts it. */
    home,
    /** What it says to somebody among the people who has the secret and wants to send to `peer`. */
    ask(peer) {
      const client = spawnSync("turnutils_uclient", ["-t", "-S", "-p", `${PORT}`, "-W", secret, "-u", "x", "-n", "1", "-c", "-e", peer, PLACES.relay.v4], { encoding: "utf8", timeout: 10_000 });
      return client.stdout + client.stderr;
    },
  };
}

/** Starts coturn as a STUN server. */
export async function startStun(t, networks) {
  const folder = await mkdtemp(join(tmpdir(), "hanse-stun-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await startCoturn(t, networks, folder, `stun-only\nno-tls\nno-dtls\nno-cli\n${ownLines(folder, PLACES.relay.v4)}`);
}

/** Where it is, and where it keeps what it has. */
const ownLines = (folder, address) =>
  `listening-ip=${address}\nrelay-ip=${address}\npidfile=${join(folder, "pid")}\nuserdb=${join(folder, "db")}\nlog-file=stdout\n`;

async function startCoturn(t, networks, folder, config) {
  const at = (name) => join(folder, name);
  await writeFile(at("coturn.conf"), config);
  const coturn = start(t, networks, "relay", ["turnserver", "-c", at("coturn.conf"), "-v"]);
  await until("coturn listens", () => (coturn.check(), /listener opened on/i.test(coturn.said())));
  return coturn;
}

/** An authority, and a certificate for the relay's address. */
function certify(folder, address) {
  const at = (name) => join(folder, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  quietly("openssl", "req", "-x509", ...key, "-days", "2", "-subj", "/CN=authority of this run", "-keyout", at("ca.key"), "-out", at("ca.pem"));
  const names = `subjectAltName=IP:${address},DNS:relay.example`;
  const signed = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-days", "2", "-addext", names, "-addext", "basicConstraints=CA:FALSE"];
  quietly("openssl", "req", "-x509", ...key, ...signed, "-subj", "/CN=relay", "-keyout", at("relay.key"), "-out", at("relay.pem"));
}
