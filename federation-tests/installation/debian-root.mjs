// A clean Debian of its own to install in: the smallest one with systemd, started as a machine is by systemd-nspawn. Needs root.
//
//   const root = await cleanRoot();          // what is in it goes with `root.stop()`
//   await withPackage(root);                 // apt install ./hanse.deb
//   await root.run("systemctl", ["start", "hanse"]);
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../harness/until.mjs";
import { startProgram } from "../organisations/program.mjs";

const execute = promisify(execFile);

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
/** Beside the smallest Debian: what a machine has on which a homeserver runs behind nginx. */
const PACKAGES = ["ca-certificates", "iproute2", "nginx-light", "python3", "systemd"];
/** A command in the root that takes longer has failed. */
const COMMAND_MAX_S = 180;
/** Making the first root downloads a Debian, packing a package of a test compiles nothing. */
const MAKE_MAX_S = 300;
/** What apt of this machine is told about how to download: it holds for the clean Debian, too. */
const DOWNLOADS = /^Acquire::(https?|ForceIPv|Retries|Check-)/;

/** Runs a program that has so long, with everything that it starts: what survives it holds its output open, and us. */
async function bounded(seconds, command, args, options = {}) {
  try {
    return await execute("timeout", ["--kill-after=5", `${seconds}`, command, ...args], { maxBuffer: 64 << 20, ...options });
  } catch (error) {
    if ([124, 137].includes(error.code)) error.message = `${command} is not done after ${seconds} s: ${error.message}`;
    throw error;
  }
}

/** The workshop's cache (deploy/xtask/src/place.rs). */
function cacheFolder() {
  const { HANSE_CACHE, XDG_CACHE_HOME, HOME } = process.env;
  if (HANSE_CACHE) return HANSE_CACHE;
  return XDG_CACHE_HOME ? join(XDG_CACHE_HOME, "hanse") : join(HOME ?? tmpdir(), ".cache/hanse");
}

/** Debian as apt of this machine downloads it, packed; made once for each release and list of packages. */
async function packedRoot() {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1];
  assert.ok(release, "installation is tested on Debian: /etc/os-release names no release");
  const key = createHash("sha256").update(PACKAGES.join(" ")).digest("hex").slice(0, 16);
  const packed = join(cacheFolder(), `debian-${release}-${key}.tar`);
  if (await stat(packed).catch(() => null)) return packed;
  await mkdir(cacheFolder(), { recursive: true });
  // Somebody else may make the same at the same time; the last one stays.
  const made = `${packed}.${process.pid}.tar`;
  try {
    await bounded(MAKE_MAX_S, "mmdebstrap", [
      "--quiet", "--variant=minbase", `--include=${PACKAGES.join(",")}`, ...(await downloads()),
      "--customize-hook=rm -f \"$1/etc/apt/apt.conf.d/99mmdebstrap\"",
      release, made, `deb ${await mirror(release)} ${release} main`,
    ]);
    await rename(made, packed);
  } finally {
    await rm(made, { force: true });
  }
  return packed;
}

async function downloads() {
  const { stdout } = await execute("apt-config", ["dump"]);
  return stdout.split("\n").filter((line) => DOWNLOADS.test(line)).map((line) => `--aptopt=${line}`);
}

/** Where this machine gets the release from. */
async function mirror(release) {
  const find = async () => {
    const { stdout } = await execute("apt-get", ["indextargets", "--format", "$(CODENAME) $(COMPONENT) $(LABEL) $(REPO_URI)"]);
    return stdout.split("\n").find((line) => line.startsWith(`${release} main Debian `))?.split(" ")[3];
  };
  const known = await find();
  if (known) return known;
  await bounded(COMMAND_MAX_S, "apt-get", ["update"]);
  const found = await find();
  assert.ok(found, `apt knows of no place to download Debian's ${release} from`);
  return found;
}

/** A clean Debian with systemd that is up, in a network of its own that has a loopback interface and nothing else. */
export async function cleanRoot() {
  assert.equal(process.getuid?.(), 0, "a Debian to install in can only be made by root");
  const packed = await packedRoot();
  const folder = await mkdtemp(join(tmpdir(), "hanse-root-"));
  const path = join(folder, "root");
  await mkdir(path);
  await bounded(COMMAND_MAX_S, "tar", ["--extract", "--directory", path, "--file", packed]);
  // Names are looked up as on this machine.
  await copyFile("/etc/hosts", join(path, "etc/hosts"));
  await copyFile("/etc/resolv.conf", join(path, "etc/resolv.conf"));
  const machine = startProgram({
    name: "a clean Debian",
    command: "systemd-nspawn",
    args: [
      "--quiet",
      "--register=no",
      "--keep-unit",
      "--link-journal=no",
      "--timezone=off",
      "--resolv-conf=off",
      "--private-network",
      "--directory",
      path,
      "--machine",
      `hanse-${process.pid}-${basename(folder).slice(-6).toLowerCase()}`,
      "--boot",
    ],
    log: join(folder, "console.log"),
  });
  let leader = 0;
  const enter = (what) => ["--target", String(leader), ...what, "--"];
  const inside = ["--mount", "--uts", "--ipc", "--pid", "--net", "--root", "--wd"];
  const environment = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    LANG: "C.UTF-8",
    DEBIAN_FRONTEND: "noninteractive",
  };
  const root = {
    /** Its folder, as seen from here. */
    path,
    /** Runs a command in it as root, and gives back what it wrote; throws with that if it fails. */
    async run(command, args = [], { env = {} } = {}) {
      const { stdout } = await bounded(COMMAND_MAX_S, "nsenter", [...enter(inside), command, ...args], {
        env: { ...environment, ...env },
      });
      return stdout;
    },
    /** Runs lines for a shell in it. */
    shell: (lines) => root.run("sh", ["-euc", lines]),
    /** Runs a program of this machine in its network. */
    async inNetwork(command, args) {
      const { stdout } = await bounded(COMMAND_MAX_S, "nsenter", [...enter(["--net"]), command, ...args]);
      return stdout;
    },
    /** What is at a URL in its network: the status; 0 where nobody answers. */
    async status(url) {
      const ask = `fetch(${JSON.stringify(url)}).then((answer) => console.log(answer.status), () => console.log(0))`;
      return Number(await root.inNetwork(process.execPath, ["-e", ask]));
    },
    /** Writes a file in it that only root and the group may read. */
    async write(file, text, group = "hanse") {
      await writeFile(join(path, file), text, { mode: 0o640 });
      await root.run("chgrp", [group, file]);
      await root.run("chmod", ["0640", file]);
    },
    /** A property of a systemd unit. */
    property: async (unit, name) => (await root.run("systemctl", ["show", "--property", name, "--value", unit])).trim(),
    /** Switches it off and deletes it. */
    async stop() {
      await machine.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await machine.ready(async () => {
      leader ||= await childNamed(machine.pid, "systemd");
      const state = await root.run("systemctl", ["is-system-running"]).catch((error) => error.stdout);
      return ["running", "degraded"].includes(state.trim());
    });
  } catch (error) {
    await root.stop();
    throw error;
  }
  return root;
}

async function childNamed(parent, name) {
  const { stdout } = await execute("pgrep", ["--parent", String(parent), "--exact", name]);
  return Number(stdout.trim());
}

/** Packs the executables of `HANSE_BIN` and `HANSE_PARTICIPANT_BIN`, and gives back the package's path. */
export async function debianPackage({ version, out, env = {} }) {
  const { HANSE_BIN, HANSE_PARTICIPANT_BIN } = process.env;
  assert.ok(HANSE_BIN && HANSE_PARTICIPANT_BIN, "HANSE_BIN and HANSE_PARTICIPANT_BIN name the executables to pack");
  const executables = ["--hanse", HANSE_BIN, "--participant", HANSE_PARTICIPANT_BIN];
  const { stdout } = await bounded(
    MAKE_MAX_S,
    "cargo",
    ["xtask", "release", "--profile", "dev", ...executables, "--version", version, "--out", out],
    { cwd: CHECKOUT, env: { ...process.env, ...env } },
  );
  const [, name] = stdout.trim().split(/\s+/);
  return join(out, name);
}

/** Copies a package into a root and installs it as an administrator does; packs one first if none is given. */
export async function withPackage(root, file) {
  if (!file) {
    const out = await mkdtemp(join(tmpdir(), "hanse-package-"));
    try {
      return await withPackage(root, await debianPackage({ version: "0.1.0~test1", out }));
    } finally {
      await rm(out, { recursive: true, force: true });
    }
  }
  const inside = `/var/tmp/${basename(file)}`;
  await copyFile(file, join(root.path, inside));
  const said = await root.run("apt-get", ["install", "--yes", "--no-install-recommends", inside]);
  await rm(join(root.path, inside));
  return said;
}

/** Folders whose contents belong to the running system and to the package manager's own books. */
const BOOKS = ["dev", "proc", "run", "sys", "tmp", "var/cache/apt", "var/lib/apt", "var/lib/dpkg", "var/log", "var/tmp"];

/** Everything else in a root: each path with its kind and, in `/etc`, a digest of its contents. */
export async function inventory(root) {
  const seen = new Map();
  async function look(folder) {
    for (const entry of await readdir(join(root.path, folder), { withFileTypes: true })) {
      const name = join(folder, entry.name);
      if (BOOKS.includes(name)) continue;
      if (entry.isDirectory()) {
        seen.set(name, "folder");
        await look(name);
      } else if (entry.isFile() && name.startsWith("etc/")) {
        seen.set(name, createHash("sha256").update(await readFile(join(root.path, name))).digest("hex"));
      } else {
        seen.set(name, entry.isFile() ? "file" : "other");
      }
    }
  }
  await look("");
  return seen;
}

/** What is in the second inventory and not, or not so, in the first, and what is gone. */
export function differences(before, after) {
  const changed = [...after].filter(([name, what]) => before.get(name) !== what).map(([name]) => name);
  const gone = [...before.keys()].filter((name) => !after.has(name));
  return { changed: changed.toSorted(), gone: gone.toSorted() };
}

/** Waits until a service of the root has this state. */
export function serviceIs(root, unit, state) {
  return until(`${unit} is ${state}`, async () => (await root.property(unit, "ActiveState")) === state);
}
