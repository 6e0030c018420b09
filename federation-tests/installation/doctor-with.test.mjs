// What the doctor says of a relay, and `hanse doctor --with`: from one organisation's Hanse to another organisation, which has a Synapse and a Hanse of its own and is reached
// by names and port 443 as on the Internet. Both ways are walked, with an account over there and without, and each fault turns its own
// line red.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ADDRESS, inOwnNetwork, ip } from "../harness/namespace.mjs";
import { ORGANISATIONS, startOrganisations } from "../organisations/organisations.mjs";
import { ANY_PORTS, choosePorts } from "../organisations/ports.mjs";
import { startProgram } from "../organisations/program.mjs";
import { writeRelay } from "./relay.mjs";
import { executable } from "./setup.mjs";

const [, THEIRS] = ORGANISATIONS.map(({ name }) => name);

/** Where a Hanse has its focus. */
const FOCUS_PATH = "/livekit/jwt";

const here = { folder: "", organisations: undefined, front: undefined, theirs: undefined, account: "", relay: undefined, coturn: undefined };

inOwnNetwork(
  import.meta.filename,
  () => {
    before(begin, { timeout: 180_000 });
    after(end);
    test("a stranger sees that the other organisation is there, and that its focus finds out who we are", stranger);
    test("with an account over there two people call each other between the organisations, in less than 20 s", called);
    test("a relay that is stopped, or that has another secret, lets no media through", withoutRelay);
    test("the other organisation does not want us", blocked);
    test("the other focus is not reached", unreachable);
    test("the other organisation tells strangers nothing: nothing further is looked at, and nothing is red", silent);
  },
  furnish,
  { mounts: true },
);

/** Names as they are in no network but this one, and an address besides loopback. */
function furnish() {
  ip("link set lo up");
  ip("link add lan type veth peer name beyond");
  ip("link set beyond up");
  ip(`address add ${ADDRESS}/24 dev lan`);
  ip("link set lan up");
  here.folder = mkdtempSync(join(tmpdir(), "hanse-doctor-with-"));
  const hosts = join(here.folder, "hosts");
  writeFileSync(hosts, `127.0.0.1 localhost ${ORGANISATIONS.map(({ name }) => name).join(" ")}\n`);
  execFileSync("mount", ["--bind", hosts, "/etc/hosts"]);
}

async function begin() {
  const relayFolder = join(here.folder, "relay");
  mkdirSync(relayFolder);
  here.relay = { folder: relayFolder, ...(await writeRelay(relayFolder, { relay: ADDRESS, sfu: ADDRESS })) };
  const turn = here.relay.lines.map((line) => line.split(" = ")).map(([key, value]) => [key, JSON.parse(value)]);
  here.organisations = await startOrganisations({
    hanse: executable("HANSE_BIN"),
    python: executable("HANSE_HOMESERVER_PYTHON"),
    folder: join(here.folder, "run"),
    ports: await choosePorts(ANY_PORTS),
    people: [{ user: "bob", name: "Bob", organisation: "b" }],
    sfu: { a: Object.fromEntries(turn) },
  });
  await startRelay();
  const { b, people, certificates } = here.organisations;
  await appendFile(join(certificates, "ca.pem"), await readFile(join(relayFolder, "ca.pem")));
  const [cert, key] = await Promise.all(["pem", "key"].map((kind) => readFile(join(certificates, `${THEIRS}.${kind}`))));
  here.theirs = { passes: true, tells: true };
  here.front = createServer({ cert, key }, front);
  await new Promise((done, fail) => here.front.once("error", fail).listen(443, "127.0.0.1", done));
  here.account = join(here.folder, "bob.account");
  await writeFile(here.account, `${people.bob.account.id}\n${people.bob.password}\n${b.homeserver.url}\n`, { mode: 0o600 });
}

async function end() {
  here.front?.close();
  await here.coturn?.stop();
  await here.organisations?.stop();
  await rm(here.folder, { recursive: true, force: true });
}

/** The other organisation's web server: its well-known, and the way to its focus. */
function front(asked, answer) {
  const { b } = here.organisations;
  const { passes, tells } = here.theirs;
  if (asked.url === "/.well-known/matrix/client" && tells) {
    const foci = [{ type: "livekit", livekit_service_url: `https://${THEIRS}${FOCUS_PATH}` }];
    return answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ "org.matrix.msc4143.rtc_foci": foci }));
  }
  if (!asked.url.startsWith(FOCUS_PATH) || !passes) return answer.writeHead(passes ? 404 : 502).end();
  const { method, url, headers } = asked;
  const passed = request(new URL(url, b.focus), { method, headers }, (came) => came.pipe(answer.writeHead(came.statusCode, came.headers)));
  passed.on("error", () => answer.destroy());
  return asked.pipe(passed);
}

/** Starts coturn, with this secret. */
async function startRelay(secret = here.relay.secret) {
  const { folder, config } = here.relay;
  const file = join(folder, "coturn.conf");
  await writeFile(file, config.replaceAll(here.relay.secret, secret));
  const log = join(folder, `coturn-${secret === here.relay.secret}.log`);
  here.coturn = startProgram({ name: "coturn", command: "turnserver", args: ["-c", file, "-v"], log });
  await here.coturn.ready(async () => /TLS listener opened on/i.test(await here.coturn.log()));
}

async function stranger() {
  const { status, lines } = await doctor({ call: false });
  assert.deepEqual(red(lines), []);
  assert.equal(status, 0);
  const said = (line) => lines.find(({ check }) => check === `with-${line}`);
  assert.equal(said("federation").sentence, "with-federation-good");
  assert.match(said("place").en, new RegExp(`https://${THEIRS}${FOCUS_PATH}$`));
  for (const line of ["name", "certificate", "routes", "token"]) assert.equal(said(line).colour, "green", said(line).en);
  assert.equal(said("call").colour, "grey");
}

async function called() {
  const { status, lines, total } = await doctor({ account: true });
  assert.deepEqual(red(lines), []);
  assert.equal(status, 0);
  const [home, between] = ["call", "with-call"].map((line) => lines.find(({ check }) => check === line));
  assert.equal(home.sentence, "call-good");
  assert.equal(lines.find(({ check }) => check === "turn").en, "media gets through the relay, which was reached by TLS");
  assert.equal(between.sentence, "with-call-good");
  assert.ok(total.ms < 20_000, `${total.ms} ms`);
}

async function withoutRelay() {
  await here.coturn.stop();
  await relayIsRed();
  await startRelay("another".repeat(8));
  await relayIsRed();
  assert.match(await here.coturn.log(), /401|Unauthorized|credentials/i);
}

async function blocked() {
  const { a, b } = here.organisations;
  await operate(b, "block", a.homeserver.name);
  try {
    const { status, lines } = await doctor({ account: true, call: false });
    assert.deepEqual(red(lines), ["with-token: with-token-denied"]);
    assert.equal(status, 1);
    assert.equal(lines.find(({ check }) => check === "with-call").sentence, "waits");
  } finally {
    await operate(b, "unblock", a.homeserver.name);
  }
  await isWell();
}

async function unreachable() {
  here.theirs.passes = false;
  const { lines } = await doctor({ call: false });
  assert.deepEqual(red(lines), ["with-routes: with-routes-bad"]);
  assert.match(lines.find(({ check }) => check === "with-routes").en, /their administrator has to mend this: .*\/sfu\/get does not answer \(status 502\)/);
  here.theirs.passes = true;
  await isWell();
}

async function silent() {
  here.theirs.tells = false;
  const { status, lines } = await doctor({ call: false });
  assert.deepEqual(red(lines), []);
  assert.equal(status, 0);
  assert.equal(lines.find(({ check }) => check === "with-place").sentence, "with-place-not-told");
}

async function isWell() {
  assert.deepEqual(red((await doctor({ call: false })).lines), []);
}

const red = (lines) => lines.filter(({ colour }) => colour === "red").map(({ check, sentence }) => `${check}: ${sentence}`);

/** The doctor says exactly that no media gets through the relay, in time. */
async function relayIsRed() {
  const { status, lines, total } = await doctor({ with: false });
  assert.deepEqual(red(lines), ["turn: turn-closed"]);
  assert.match(lines.find(({ check }) => check === "turn").en, /turns:10\.77\.0\.1:443\?transport=tcp/);
  assert.equal(status, 1);
  assert.ok(total.ms < 20_000, `${total.ms} ms`);
}

/** Asks the doctor of the first organisation about the second one. */
async function doctor({ with: goesFurther = true, account = false, call = true }) {
  const config = join(here.folder, "run", "organisation-a", "hanse.toml");
  const args = ["doctor", "--json", "--config", config, "--participant", executable("HANSE_PARTICIPANT_BIN")];
  if (goesFurther) args.push("--with", here.organisations.b.homeserver.name);
  if (account) args.push("--account", here.account);
  if (!call) args.push("--no-call");
  return new Promise((done, fail) => {
    execFile(executable("HANSE_BIN"), args, (error, stdout, stderr) => {
      const said = stdout.trim().split("\n").filter(Boolean).map((each) => JSON.parse(each));
      if (said.length < 2) return fail(new Error(`the doctor says nothing: ${stderr}`));
      done({ status: error ? error.code : 0, lines: said.slice(0, -1), total: said.at(-1) });
    });
  });
}

/** Tells a running Hanse something. */
async function operate({ letter }, ...command) {
  await promisify(execFile)(executable("HANSE_BIN"), [...command, "--config", join(here.folder, "run", `organisation-${letter}`, "hanse.toml")]);
}
