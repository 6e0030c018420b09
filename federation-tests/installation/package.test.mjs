// The Debian package, installed, upgraded, removed and purged in a clean Debian with systemd. Needs root.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../harness/until.mjs";
import { cleanRoot, debianPackage, differences, inventory, serviceIs, withPackage } from "./debian-root.mjs";
import { executable } from "./setup.mjs";

const execute = promisify(execFile);

const BILL_CHECK = fileURLToPath(new URL("bill_check.py", import.meta.url));

const [FIRST, SECOND] = ["0.1.0~test1", "0.1.0~test2"];
const KEYS = "hanse: 0123456789abcdef0123456789abcdef0123456789\n";
const SETTINGS = `[sfu]
keys_file = "/etc/hanse/hanse.keys"
addresses = ["127.0.0.1"]
[focus]
sfu_url = "ws://127.0.0.1:7880"
full_access_homeservers = ["org-a.example"]
`;
/** After so long an upgrade is killed: while it unpacks, while it asks the server to stop, and while it starts the new one. */
const KILLED_AFTER_S = [0.2, 0.5, 0.8, 1.2];
/** The rating of systemd-analyze, from 0 (everything is shut off) to 100. */
const EXPOSURE_MAX = 15;

let folder;
let packages;
let root;
/** What was there before anything was installed. */
let clean;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "hanse-package-test-"));
  packages = await Promise.all([FIRST, SECOND].map((version) => debianPackage({ version, out: folder })));
  root = await cleanRoot();
  clean = await inventory(root);
});

after(async () => {
  await root?.stop();
  await rm(folder, { recursive: true, force: true });
});

const digest = async (file) => createHash("sha256").update(await readFile(file)).digest("hex");
const isThere = async (file) => (await stat(join(root.path, file)).catch(() => null)) !== null;
const answersAt = (port) => root.status(`http://127.0.0.1:${port}/healthz`);
const pid = () => root.property("hanse", "MainPID");
const journal = () => root.run("journalctl", ["--unit", "hanse", "--output", "cat", "--no-pager"]);

async function configure(settings = SETTINGS) {
  await root.write("/etc/hanse/hanse.keys", KEYS);
  await root.write("/etc/hanse/hanse.toml", settings);
}

async function isUp(port = 7880) {
  await until("the service answers", async () => (await answersAt(port)) === 200);
  assert.equal(await root.property("hanse", "ActiveState"), "active");
}

test("the same executables are packed to the same bytes from another folder, and another version is not", async () => {
  // On another file system, where there is one, whose folders list their files in another order.
  const elsewhere = await mkdtemp(join((await stat("/dev/shm").catch(() => null)) ? "/dev/shm" : tmpdir(), "hanse-elsewhere-"));
  try {
    await mkdir(join(elsewhere, "scratch"));
    const again = await debianPackage({ version: FIRST, out: elsewhere, env: { TMPDIR: join(elsewhere, "scratch"), TZ: "Asia/Tokyo" } });
    assert.equal(await digest(again), await digest(packages[0]));
    assert.notEqual(await digest(packages[1]), await digest(packages[0]));
    assert.deepEqual(await readdir(join(elsewhere, "scratch")), [], "nothing stays behind");
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

test("CycloneDX's own schema takes the bill of materials, and not one with a mistake", async () => {
  const bill = JSON.parse(await readFile(packages[0].replace(/\.deb$/, ".cdx.json"), "utf8"));
  assert.equal(bill.specVersion, "1.5");
  for (const purl of [/^pkg:cargo\/aws-lc-rs@/, /^pkg:npm\/livekit-client@/]) assert.ok(bill.components.some((component) => purl.test(component.purl)), purl);
  const [first] = bill.components;
  const mistakes = [
    [{ ...first, type: "libary" }],
    [{ ...first, licence: "MIT" }],
    [first, first],
    [{ ...first, hashes: [{ alg: "SHA-256", content: "none" }] }],
  ];
  const judging = execute(executable("HANSE_SCHEMA_PYTHON"), [BILL_CHECK]);
  judging.child.stdin.end(JSON.stringify([bill, ...mistakes.map((components) => ({ ...bill, components, dependencies: [] }))]));
  const [verdict, ...others] = JSON.parse((await judging).stdout);
  assert.equal(verdict, null);
  for (const [index, said] of others.entries()) assert.match(said ?? "nothing", /^\$\.components/, JSON.stringify(mistakes[index]));
});

test("lintian has nothing to say", async () => {
  const { stdout } = await execute("lintian", ["--allow-root", "--fail-on", "error,warning", packages[0]]).catch((error) => error);
  assert.equal(stdout.trim(), "");
});

test("a fresh installation starts nothing before there is a configuration", async () => {
  await withPackage(root, packages[0]);
  assert.equal((await root.run("systemctl", ["is-enabled", "hanse"])).trim(), "enabled");
  assert.equal(await root.property("hanse", "ActiveState"), "inactive");
  assert.equal(await root.property("hanse", "ConditionResult"), "no");
  assert.equal(await answersAt(7880), 0);
  assert.match(await root.run("hanse", ["--version"]), /^hanse \d/);
  assert.match(await root.run("hanse-participant", ["--help"]), /--homeserver/);
  const notices = await root.shell("zcat /usr/share/doc/hanse/third-party-notices.gz");
  for (const others of [/^aws-lc-rs \d/m, /\blivekit-client \d/]) assert.match(notices, others);
  assert.equal((await root.run("stat", ["--format", "%U:%G %a", "/etc/hanse", "/var/lib/hanse"])).trim(), "root:root 755\nhanse:hanse 750");
});

test("the example of the package is a valid configuration, and a wrong one is refused", async () => {
  const example = "/usr/share/doc/hanse/examples/hanse.toml";
  const said = await root.run("hanse", ["check-config", "--config", example], { env: { LIVEKIT_KEYS: KEYS } });
  assert.match(said, /This configuration is valid/);
  await root.write("/etc/hanse/wrong.toml", "[sfu]\nupd_port = 1\n");
  await assert.rejects(root.run("hanse", ["check-config", "--config", "/etc/hanse/wrong.toml"]), /udp_port/);
  await root.run("rm", ["/etc/hanse/wrong.toml"]);
});

test("the unit is in order and shuts off what the server does not need", async () => {
  const unit = "/usr/lib/systemd/system/hanse.service";
  await root.run("systemd-analyze", ["verify", "--man=no", unit]);
  await root.run("systemd-analyze", ["security", "--offline=true", `--threshold=${EXPOSURE_MAX}`, unit]);
  // The same unit without one of its walls is above the limit, so the limit is one.
  await root.shell(`sed -e /SystemCallFilter/d ${unit} > /run/open.service`);
  await assert.rejects(root.run("systemd-analyze", ["security", "--offline=true", `--threshold=${EXPOSURE_MAX}`, "/run/open.service"]));
});

test("the service runs as a user without privileges who can write its own folder and nothing else", async () => {
  await configure();
  await root.run("systemctl", ["start", "hanse"]);
  await isUp();
  const [status, mounts] = await Promise.all([root.run("cat", [`/proc/${await pid()}/status`]), root.run("cat", [`/proc/${await pid()}/mountinfo`])]);
  assert.doesNotMatch(status, /^Uid:\s+0/m);
  for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) assert.match(status, new RegExp(`^Cap${set}:\\s+0+$`, "m"));
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  assert.match(status, /^Seccomp:\s+2$/m);
  const options = (at) => mounts.split("\n").map((line) => line.split(" ")).findLast((mount) => mount[4] === at)?.[5] ?? "";
  assert.match(options("/"), /^ro\b/);
  assert.match(options("/var/lib/hanse"), /^rw\b/);
  const owner = await root.run("stat", ["--format", "%U %a", "/var/lib/hanse/hanse.db", "/var/lib/hanse/hanse.sock"]);
  assert.equal(owner.trim(), "hanse 600\nhanse 600");
  assert.match(await root.run("hanse", ["calls", "--socket", "/var/lib/hanse/hanse.sock"]), /No call/);
  // Others on the machine neither read the keys nor speak to the server.
  const stranger = (command) => root.run("setpriv", ["--reuid", "nobody", "--clear-groups", "sh", "-c", command]);
  await assert.rejects(stranger("cat /etc/hanse/hanse.keys"), /Permission denied/);
  await assert.rejects(stranger("hanse calls --socket /var/lib/hanse/hanse.sock"));
});

test("a reload reads the rules again in the same process", async () => {
  const process = await pid();
  await root.run("systemctl", ["reload", "hanse"]);
  await until("the log says so", async () => (await journal()).includes("are read again"));
  assert.equal(await pid(), process);
});

test("an upgrade restarts the server in good order and keeps the configuration and the data", async () => {
  const settings = `${SETTINGS}# mine\n[log]\nfilter = "info"\n`;
  await configure(settings);
  await root.shell("chmod 0700 /etc/hanse && chown hanse:hanse /etc/hanse && touch /var/lib/hanse/mine");
  const process = await pid();
  await withPackage(root, packages[1]);
  await isUp();
  assert.notEqual(await pid(), process, "the new one runs");
  assert.match(await journal(), /SIGTERM[^]*\bstopped\b/, "the old one has said goodbye");
  assert.equal((await root.run("dpkg-query", ["--show", "--showformat", "${Version}", "hanse"])).trim(), SECOND);
  assert.equal(await readFile(join(root.path, "etc/hanse/hanse.toml"), "utf8"), settings);
  assert.equal((await root.run("stat", ["--format", "%U %a", "/etc/hanse"])).trim(), "hanse 700", "so the administrator has decided");
  assert.ok(await isThere("var/lib/hanse/mine"));
});

test("an upgrade that is killed at any moment leaves configuration and data, and the next one ends it", async (t) => {
  const settings = await readFile(join(root.path, "etc/hanse/hanse.toml"), "utf8");
  await copyFile(packages[0], join(root.path, "var/tmp/older.deb"));
  await copyFile(packages[1], join(root.path, "var/tmp/newer.deb"));
  const states = [];
  for (const [number, seconds] of KILLED_AFTER_S.entries()) {
    const [version, file] = number % 2 ? [SECOND, "/var/tmp/newer.deb"] : [FIRST, "/var/tmp/older.deb"];
    // Whatever dpkg has started dies with it, as when the power fails.
    await root.run("setsid", ["timeout", "--signal=KILL", `${seconds}`, "dpkg", "--install", file]).catch(() => {});
    states.push((await root.run("dpkg-query", ["--show", "--showformat", "${db:Status-Status}", "hanse"])).trim());
    // apt does not touch a package that is half there.
    await root.run("dpkg", ["--install", file]);
    assert.equal((await root.run("dpkg-query", ["--show", "--showformat", "${db:Status-Status} ${Version}", "hanse"])).trim(), `installed ${version}`);
    await isUp();
    assert.equal(await readFile(join(root.path, "etc/hanse/hanse.toml"), "utf8"), settings);
    assert.ok(await isThere("var/lib/hanse/mine"));
  }
  await root.run("rm", ["/var/tmp/older.deb", "/var/tmp/newer.deb"]);
  t.diagnostic(`killed when it was ${states.join(", ")}`);
  assert.ok(states.some((state) => state !== "installed"), "one was killed in the middle");
});

test("a server that the administrator has stopped or disabled stays so over an upgrade", async () => {
  await root.run("systemctl", ["disable", "--now", "hanse"]);
  await goBackTo(packages[0]);
  await withPackage(root, packages[1]);
  assert.equal(await root.property("hanse", "ActiveState"), "inactive");
  assert.equal((await root.run("systemctl", ["is-enabled", "hanse"]).catch((error) => error.stdout)).trim(), "disabled");
  assert.equal(await answersAt(7880), 0);
  await root.run("systemctl", ["enable", "--now", "hanse"]);
  await isUp();
});

/** As an administrator goes back to the release before. */
async function goBackTo(file) {
  const inside = "/var/tmp/older.deb";
  await execute("cp", [file, join(root.path, inside)]);
  await root.run("apt-get", ["install", "--yes", "--allow-downgrades", inside]);
  await root.run("rm", [inside]);
}

test("port 443 needs the drop-in of the package, which gives that one capability", async () => {
  await configure(SETTINGS.replace("[sfu]", "[http]\nport = 443\n[sfu]"));
  await root.run("systemctl", ["restart", "hanse"]);
  await until("it is refused", async () => (await journal()).match(/443[^]*Permission denied|Permission denied[^]*443/));
  await root.shell(
    "install -D -m 644 /usr/share/hanse/direct.conf /etc/systemd/system/hanse.service.d/direct.conf; systemctl daemon-reload; systemctl restart hanse",
  );
  await isUp(443);
  assert.match(await root.run("cat", [`/proc/${await pid()}/status`]), /^CapEff:\s+0*400$/m);
  await configure();
});

test("removal leaves configuration and data and nothing else", async () => {
  await root.run("apt-get", ["remove", "--yes", "hanse"]);
  await serviceIs(root, "hanse", "inactive");
  assert.equal(await answersAt(443), 0);
  const { changed, gone } = differences(clean, await inventory(root));
  assert.deepEqual(gone, []);
  const mine = /^(etc\/hanse|var\/lib\/hanse)(\/|$)|^etc\/systemd\/system\/hanse\.service\.d(\/direct\.conf)?$/;
  const books = /^var\/lib\/systemd\/deb-systemd-helper-|^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^etc\/systemd\/system\/multi-user\.target\.wants\/hanse\.service$/;
  assert.deepEqual(changed.filter((name) => !mine.test(name) && !books.test(name)), []);
  for (const name of ["etc/hanse/hanse.toml", "etc/hanse/hanse.keys", "var/lib/hanse/hanse.db", "var/lib/hanse/mine"]) assert.ok(await isThere(name), name);
});

test("who installs again finds their configuration and data", async () => {
  await withPackage(root, packages[1]);
  await isUp();
  assert.ok(await isThere("var/lib/hanse/mine"));
});

test("purging leaves nothing", async () => {
  await root.run("apt-get", ["purge", "--yes", "hanse"]);
  const { changed, gone } = differences(clean, await inventory(root));
  assert.deepEqual(gone, []);
  // Copies that adduser keeps of the files before its last change.
  assert.deepEqual(changed.filter((name) => !/^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$/.test(name)), []);
});
