// `hanse setup` beside a real Synapse, as Debian lays it out, in a network and with users of their own: one question, and then
// the homeserver and hanse know each other.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inOwnNetwork, ip } from "../harness/namespace.mjs";
import { until } from "../harness/until.mjs";
import { startHomeserver } from "../organisations/homeserver.mjs";
import { post } from "../organisations/knock.mjs";
import { call } from "../organisations/matrix.mjs";
import { executable, setup, startInstalled } from "./setup.mjs";

const CERTIFICATES = fileURLToPath(new URL("../organisations/certificates.py", import.meta.url));

const NAME = "org-a.example";
const MATRIX = `matrix.${NAME}`;
const OTHER = "org-b.example";
const SERVICE_URL = `https://hanse.${NAME}/livekit/jwt`;

/** Nothing else is in this network: every port is free. 8008 is where Debian's Synapse listens. */
const CLIENT_PORT = 8008;
const FEDERATION_PORT = 8448;
const HANSE_URL = "http://127.0.0.1:7880";

/** Users that the packages of Synapse and Hanse make. */
const SYNAPSE_USER = 961;
const HANSE_GROUP = 962;

const PING = "/_matrix/client/v1/appservice/hanse/ping";

let folder;
let synapseFolder;
let out;
let homeserver;
let hanse;
/** Somebody with an account. */
let alice;
let site;
/** What each name says below /.well-known/matrix/. */
const wellKnown = { [NAME]: {}, [OTHER]: {} };
const stops = [];

inOwnNetwork(
  import.meta.filename,
  () => {
    before(begin, { timeout: 120_000 });
    after(end);
    test("a homeserver on this machine is found, and what it is", foundHere);
    test("another homeserver's name does not get this machine's Synapse", notThisOne);
    test("a homeserver elsewhere is found by its well-known, and people's log-in at a service beside it", loginService);
    test("a dry run writes nothing", dryRun);
    test("one question is asked, and everything is written", oneQuestion);
    test("secrets are readable by those who need them, and by nobody else", readers);
    test("running it again changes nothing", again);
    test("what an administrator has changed stays", changed);
    test("Synapse takes its file, and what its other files say still holds", synapseTakes);
    test("hanse starts with what was written, and each proves itself to the other", ping);
    test("tokens are changed by command while people are let in and rooms are told of, over a restart of the homeserver", rotation);
    test("a set-up that is whole is recognised", whole);
  },
  furnish,
  { mounts: true },
);

/** Names and users as they are in no network but this one. */
function furnish() {
  folder = mkdtempSync(join(tmpdir(), "hanse-setup-"));
  ip("link set lo up");
  // An interface besides loopback: media has to be somewhere.
  ip("link add lan type veth peer name beyond");
  ip("address add 10.77.0.1/24 dev lan");
  ip("link set lan up");
  ip("link set beyond up");
  const etc = join(folder, "etc");
  mkdirSync(etc);
  const instead = {
    hosts: `127.0.0.1 localhost ${NAME} ${MATRIX} ${OTHER}\n`,
    passwd: `root:x:0:0:root:/root:/bin/sh\nmatrix-synapse:x:${SYNAPSE_USER}:65534::/:/bin/false\n`,
    group: `root:x:0:\nhanse:x:${HANSE_GROUP}:\n`,
  };
  for (const [file, text] of Object.entries(instead)) {
    writeFileSync(join(etc, file), text);
    execFileSync("mount", ["--bind", join(etc, file), `/etc/${file}`]);
  }
}

async function begin() {
  const python = executable("HANSE_HOMESERVER_PYTHON");
  const certificates = join(folder, "certificates");
  synapseFolder = join(folder, "matrix-synapse");
  out = join(folder, "hanse");
  const confD = join(synapseFolder, "conf.d");
  await mkdir(certificates);
  await mkdir(confD, { recursive: true });
  // As the package makes it.
  await mkdir(out, { mode: 0o750 });
  await promisify(execFile)(python, [CERTIFICATES, certificates, NAME, MATRIX, OTHER]);
  process.env["SSL_CERT_FILE"] = join(certificates, "ca.pem");
  await writeFile(join(confD, "ours.yaml"), "experimental_features: {msc3881_enabled: true}\n");
  const said = { name: MATRIX, serverName: NAME, clientPort: CLIENT_PORT, federationPort: FEDERATION_PORT, lines: "{}", confD, resources: ["client", "federation"] };
  wellKnown[NAME].server = { "m.server": `${MATRIX}:${FEDERATION_PORT}` };
  wellKnown[NAME].client = { "m.homeserver": { base_url: `https://${MATRIX}/` } };
  const pair = (name) => ({ cert: readFileSync(join(certificates, `${name}.pem`)), key: readFileSync(join(certificates, `${name}.key`)) });
  site = createServer(pair(NAME), ({ url, headers: { host } }, answer) => {
    const object = wellKnown[host]?.[url.replace("/.well-known/matrix/", "")];
    answer.writeHead(object ? 200 : 404, { "content-type": "application/json" });
    answer.end(JSON.stringify(object ?? {}));
  });
  site.addContext(OTHER, pair(OTHER));
  await new Promise((done) => site.listen(443, "127.0.0.1", done));
  homeserver = await startHomeserver({ ...said, python, folder: synapseFolder, certificates, started: stopsLast });
}

function stopsLast(program) {
  stops.push(() => program.stop());
}

async function end() {
  for (const stop of stops.splice(0).toReversed()) await stop();
  site?.closeAllConnections();
  site?.close();
  await rm(folder, { recursive: true, force: true });
}

/** Says what it would do for a homeserver of that name, where no configuration of Synapse can be read. */
function look(name, flags = {}) {
  return setup({ "server-name": name, out: join(folder, "nowhere"), "synapse-config": "/nowhere.yaml", "dry-run": true, ...flags });
}

async function foundHere() {
  const said = await look(NAME);
  assert.match(said, /Synapse \d+\.\d+\.\d+ serves org-a\.example\. Hanse reaches it at http:\/\/127\.0\.0\.1:8008 \(on this machine\)/);
  assert.match(said, /People log in at the homeserver itself\./);
  assert.match(said, /It does not say that it has: delayed events/);
  assert.match(said, /Other organisations are sent to matrix\.org-a\.example:8448 by its well-known\./);
  assert.doesNotMatch(said, /other organisations do not reach it/);
}

async function notThisOne() {
  const said = await look(OTHER, { "synapse-config": join(synapseFolder, "homeserver.yaml") });
  assert.match(said, /No homeserver was found for org-b\.example/);
  assert.doesNotMatch(said, /zz-hanse/);
}

async function loginService(t) {
  // A stand-in: Matrix Authentication Service is in no package here.
  const answers = {
    "/_matrix/client/versions": { versions: ["v1.15"], unstable_features: { "org.matrix.msc4140": true } },
    "/_matrix/client/v1/auth_metadata": { issuer: "https://account.org-b.example/" },
    "/_matrix/client/v3/login": { flows: [] },
    "/_matrix/federation/v1/version": { server: { name: "Other", version: "0.1" } },
  };
  const server = createPlainServer(({ url }, answer) => {
    answer.writeHead(answers[url] ? 200 : 404, { "content-type": "application/json" });
    answer.end(JSON.stringify(answers[url] ?? {}));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  const told = await look(OTHER, { "homeserver-url": url });
  assert.match(told, /Other 0\.1 serves org-b\.example\. .* \(as you said\)/);
  assert.match(told, /log in at a service beside it \(Matrix Authentication Service\): https:\/\/account\.org-b\.example\//);
  assert.match(told, /It has what calls use: delayed events/);
  assert.match(told, /other organisations do not reach it: /);
  wellKnown[OTHER].client = { "m.homeserver": { base_url: `${url}/` } };
  const found = await look(OTHER);
  assert.ok(found.includes(`Other 0.1 serves ${OTHER}. Hanse reaches it at ${url} (as its well-known for clients says).`), found);
}

async function dryRun() {
  const said = await setup({ "server-name": NAME, out, "synapse-config": join(synapseFolder, "homeserver.yaml"), "dry-run": true });
  assert.equal(said.match(/would be written/g).length, 9);
  assert.deepEqual(await readdir(out), []);
  assert.equal((await seen("."))[0], "750");
  assert.deepEqual(await readdir(join(synapseFolder, "conf.d")), ["ours.yaml"]);
}

async function oneQuestion() {
  const command = `${executable("HANSE_BIN")} setup --out ${out} --synapse-config ${join(synapseFolder, "homeserver.yaml")}`;
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  terminal.stdout.setEncoding("utf8").on("data", (part) => (said += part));
  const ended = new Promise((done) => terminal.once("exit", done));
  await until("it asks", () => said.includes("?"));
  // Synapse's files say the name: it is offered, and Enter takes it.
  assert.match(said, /What is the server name of your homeserver.*\[org-a\.example\]/);
  terminal.stdin.write("\n");
  assert.equal(await ended, 0, said);
  assert.equal(said.split("?").length - 1, 1, `one question, in: ${said}`);
  assert.match(said, /Synapse .* serves org-a\.example\. Hanse reaches it at http:\/\/127\.0\.0\.1:8008 \(on this machine\)/);
  assert.match(said, /one process, without workers/);
  assert.match(said, /systemctl restart matrix-synapse hanse/);
  const names = ["hanse.keys", "hanse.toml", "proxy-Caddyfile", "proxy-haproxy.cfg", "proxy-nginx.conf", "proxy-traefik.toml"];
  const rest = [`registration-${NAME}.yaml`, "well-known-matrix-client.json"];
  assert.deepEqual((await readdir(out)).toSorted(), [...names, ...rest].toSorted());
  assert.ok((await readdir(join(synapseFolder, "conf.d"))).includes("zz-hanse.yaml"));
  // In this network its name leads to this machine, as where a hosts file says so.
  assert.match(said, /leads to an address that is not public \(127\.0\.0\.1\)/);
  assert.match(await readFile(join(out, "hanse.toml"), "utf8"), /^allowed_networks = \["127\.0\.0\.1\/32"\]$/m);
  const announced = JSON.parse(await readFile(join(out, "well-known-matrix-client.json"), "utf8"));
  assert.deepEqual(announced["m.homeserver"], wellKnown[NAME].client["m.homeserver"]);
  assert.equal(announced["org.matrix.msc4143.rtc_foci"][0].livekit_service_url, SERVICE_URL);
}

async function readers() {
  assert.deepEqual(await seen(`registration-${NAME}.yaml`), ["640", SYNAPSE_USER, HANSE_GROUP]);
  assert.deepEqual(await seen("hanse.keys"), ["640", 0, HANSE_GROUP]);
  assert.deepEqual(await seen("hanse.toml"), ["644", 0, 0]);
  // Synapse has to get to what it may read.
  assert.equal((await seen("."))[0], "751");
}

/** Mode, user and group of a file. */
async function seen(name) {
  const { mode, uid, gid } = await stat(join(out, name));
  return [(mode & 0o777).toString(8), uid, gid];
}

async function again() {
  const written = await files(out);
  const said = await rerun();
  assert.deepEqual(await files(out), written);
  assert.equal(said.match(/is there already/g).length, 9, said);
}

async function changed() {
  const settings = join(out, "hanse.toml");
  const written = await readFile(settings, "utf8");
  const mine = `${written}\n[policy]\nstrangers = "deny"\n`;
  await writeFile(settings, mine);
  const said = await rerun();
  assert.match(said, /hanse\.toml is there already and says something else; it stays as it is/);
  assert.equal(await readFile(settings, "utf8"), mine);
  assert.equal(await readFile(`${settings}.new`, "utf8"), written);
}

async function synapseTakes() {
  await homeserver.program.stop();
  await homeserver.startAgain();
  const { unstable_features: features } = await call(`${homeserver.url}/_matrix/client/versions`);
  assert.equal(features["org.matrix.msc3881"], true, "what another file of conf.d turned on");
  alice = await homeserver.register("alice", "a password", "Alice");
  const { rtc_transports: transports } = await call(`${homeserver.url}/_matrix/client/unstable/org.matrix.msc4143/rtc/transports`, alice);
  assert.deepEqual(transports, [{ type: "livekit", livekit_service_url: SERVICE_URL }]);
}

async function ping() {
  hanse = await startInstalled({ folder: out, url: HANSE_URL });
  stopsLast(hanse);
  const { asToken, hsToken } = await tokens();
  // Synapse asks Hanse back with the hs_token before it answers.
  const { duration_ms: duration } = await call(`${homeserver.url}${PING}`, { token: asToken, body: {} });
  assert.equal(typeof duration, "number");
  await assert.rejects(call(`${homeserver.url}${PING}`, { token: hsToken, body: {} }), /M_UNKNOWN_TOKEN/);
  await assert.rejects(call(`${HANSE_URL}/_matrix/app/v1/ping`, { token: asToken, body: {} }), /403 M_FORBIDDEN/);
}

/** What the homeserver and hanse know each other by, as the file says. */
async function tokens() {
  const registration = await readFile(join(out, `registration-${NAME}.yaml`), "utf8");
  const [asToken, hsToken] = ["as_token", "hs_token"].map((name) => new RegExp(`^${name}: (\\S+)$`, "m").exec(registration)[1]);
  return { asToken, hsToken };
}

async function rotation() {
  const old = await tokens();
  const readable = await seen(`registration-${NAME}.yaml`);
  await goesOn();
  assert.match(await rotate(), /has new tokens, and the old ones are still good/);
  const fresh = await tokens();
  assert.equal(new Set([...Object.values(old), ...Object.values(fresh)]).size, 4);
  assert.deepEqual(await seen(`registration-${NAME}.yaml`), readable);
  await goesOn();
  await reload();
  // Hanse takes both; the homeserver knows the old ones only.
  await goesOn();
  assert.deepEqual(await Promise.all([atHanse(old), atHanse(fresh), atSynapse(old), atSynapse(fresh)]), [200, 200, 200, 401]);
  await assert.rejects(rotate("--finish"), /nothing was changed: org-a\.example does not know the new tokens yet/);
  await assert.rejects(rotate(), /are being changed already/);
  await homeserver.program.stop();
  await homeserver.startAgain();
  await goesOn();
  assert.deepEqual(await Promise.all([atHanse(old), atHanse(fresh), atSynapse(old), atSynapse(fresh)]), [200, 200, 401, 200]);
  assert.match(await rotate("--finish"), /has the new tokens only/);
  await reload();
  await goesOn();
  assert.deepEqual(await Promise.all([atHanse(old), atHanse(fresh)]), [403, 200], "the old ones open nothing any more");
  assert.deepEqual(await tokens(), fresh);
  const log = await hanse.log();
  for (const token of [...Object.values(old), ...Object.values(fresh)]) assert.ok(!log.includes(token), "no token is in the log");
}

/** How hanse answers whoever says to be the homeserver. */
async function atHanse({ hsToken }) {
  return (await post(`${HANSE_URL}/_matrix/app/v1/ping`, {}, { authorization: `Bearer ${hsToken}` })).status;
}

/** How the homeserver answers whoever says to be hanse. */
async function atSynapse({ asToken }) {
  return (await post(`${homeserver.url}${PING}`, {}, { authorization: `Bearer ${asToken}` })).status;
}

/** Says `hanse rotate`. */
async function rotate(...flags) {
  const { stdout } = await promisify(execFile)(executable("HANSE_BIN"), ["rotate", ...flags, "--config", join(out, "hanse.toml")]);
  return stdout;
}

/** Has hanse read its files again. */
async function reload() {
  const said = async () => (await hanse.log()).split("are read again").length;
  const earlier = await said();
  hanse.signal("SIGHUP");
  await until("it has read them", async () => (await said()) > earlier);
}

/** Both directions work: hanse asks the homeserver who is in a room, and the homeserver tells hanse of an invitation, which it follows. */
async function goesOn() {
  const room = await alice.makeRoom({ name: "any", invite: [] });
  const asks = { room_id: room, slot_id: "m.call#ROOM", member: { id: "1", claimed_user_id: alice.id, claimed_device_id: "DEVICE" } };
  await until("she is let in", async () => {
    const { status } = await post(`${HANSE_URL}/livekit/jwt/get_token`, { ...asks, openid_token: await alice.openIdToken() });
    return status === 200;
  });
  await alice.act(room, "invite", homeserver.bridgeUser);
  await alice.sees(room, homeserver.bridgeUser, "join");
}

async function whole() {
  const said = await rerun();
  assert.match(said, /Clients can ask it where calls are/);
  assert.match(said, /It has what calls use: delayed events/);
  wellKnown[NAME].client = JSON.parse(await readFile(join(out, "well-known-matrix-client.json"), "utf8"));
  assert.match(await rerun(), /It announces https:\/\/hanse\.org-a\.example\/livekit\/jwt already, which is this Hanse/);
}

function rerun() {
  return setup({ "server-name": NAME, out, "synapse-config": join(synapseFolder, "homeserver.yaml") });
}

/** Every file below a folder, by a digest of what is in it. */
async function files(root) {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return Object.fromEntries(await Promise.all(paths.toSorted().map(async (path) => [path, await digest(path)])));
}

async function digest(path) {
  return createHash("sha256").update(await readFile(path)).digest("hex");
}
