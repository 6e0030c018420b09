// A network of a test's own. Firefox pairs no loopback address with another one, so it needs an address that is none; what
// a machine has differs from one to the next, and a test must not touch it. A network namespace (Linux) gives both.
import { execFileSync, spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { test } from "node:test";

/** The only address in the namespace besides loopback. */
export const ADDRESS = "10.77.0.1";

/** Set in the process that runs inside: the namespace it came from. */
const OUTSIDE = "HANSE_NETWORK_OUTSIDE";

/** The namespace of this process, such as `net:[4026531840]`. */
const current = () => readlinkSync("/proc/self/ns/net");

/**
 * Runs the tests of a file, which `declare` gives, in a network of their own: for the test runner the file is one test,
 * which starts the file once more inside. Where namespaces are not permitted it fails and says so: a client that is said
 * to work and was never started is worse than a red test. `furnish` makes what the network has, by default loopback and a LAN.
 * `mounts`: what is mounted inside is mounted for nobody else.
 */
export function inOwnNetwork(file, declare, furnish = lan, { mounts = false } = {}) {
  const outside = process.env[OUTSIDE];
  if (outside !== undefined && outside !== current()) {
    furnish();
    declare();
    return;
  }
  test("in a network of its own", async () => {
    const reason = refusal();
    if (reason) throw new Error(`this test needs a network namespace, and this machine permits none (${reason})`);
    const ending = await new Promise((done, fail) => {
      const [program, ...options] = [...unshare(), ...(mounts ? ["--mount"] : [])];
      const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
      // As a program of its own, so that its report is read by people and not by the test runner outside.
      const inside = spawn(program, [...options, process.execPath, "--test-reporter=spec", file], {
        env: { ...environment, [OUTSIDE]: current() },
        stdio: "inherit",
      });
      inside.once("error", fail);
      inside.once("exit", (code, signal) => done(code ?? signal));
    });
    if (ending !== 0) throw new Error(`tests inside failed (${ending}): their report is above`);
  });
}

/** Without root one becomes it, for this namespace alone. */
function unshare() {
  return process.getuid?.() === 0 ? ["unshare", "--net"] : ["unshare", "--user", "--map-root-user", "--net"];
}

/** Why there can be no namespace here, or null. */
function refusal() {
  const [program, ...options] = unshare();
  try {
    execFileSync(program, [...options, "ip", "link", "add", "here", "type", "veth", "peer", "name", "there"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    return null;
  } catch (error) {
    return (error.stderr?.toString() || error.message).trim();
  }
}

/** Loopback, and a link that leads nowhere but has an address, as a machine on a LAN has one. */
function lan() {
  ip("link set lo up");
  ip("link add lan type veth peer name beyond");
  ip("link set beyond up");
  ip(`address add ${ADDRESS}/24 dev lan`);
  ip("link set lan up");
  ip("route add default via 10.77.0.254");
}

/** Changes the network of this process. */
export function ip(command) {
  execFileSync("ip", command.split(" "), { stdio: ["ignore", "ignore", "inherit"] });
}
