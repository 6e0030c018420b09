// A small Internet of network namespaces: people, a server and a relay, each in a network of its own, and a router between them
// on which walls and NATs stand, and which counts what they stop. The tests themselves are where the people are (namespace.mjs).
import { execFileSync, spawn } from "node:child_process";
import { ip } from "../harness/namespace.mjs";

/** Where everybody is. The server's outer address is the router's while the server is behind NAT. */
export const PLACES = {
  people: { v4: "198.51.100.2", v6: "2001:db8:1::2" },
  server: { v4: "203.0.113.2", v6: "2001:db8:2::2" },
  relay: { v4: "192.0.2.2", v6: "2001:db8:3::2" },
};
/** The server's own address behind NAT, and what the outside sees. */
export const INNER = "10.0.0.2";
export const OUTER = "203.0.113.7";
/** The people's own address behind NAT, and what the outside sees. */
export const HOME = "10.1.0.2";
export const HOME_OUTER = "198.51.100.1";

const router = (/** @type {string} */ address) => address.replace(/2$/, "1");

/**
 * Lays the networks for the test `t`. `families`: of the people, the server and the relay. `serverNat`, `peopleNat`: who is behind
 * NAT, with IPv4.
 * @param {import("node:test").TestContext} t
 * @param {{ families?: ("v4" | "v6")[], serverNat?: boolean, peopleNat?: boolean }} _
 */
export function layNetworks(t, { families = ["v4"], serverNat = false, peopleNat = false } = {}) {
  const names = Object.fromEntries(["router", "server", "relay"].map((place) => [place, `hanse-${process.pid}-${place}`]));
  const inside = (place, ...command) => ["ip", "netns", "exec", names[place], ...command];
  const run = (place, command) => {
    const [program, ...options] = inside(place, ...command.split(" "));
    return execFileSync(program, options, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  };
  const tearDown = () => {
    for (const name of Object.values(names)) execFileSync("ip", ["netns", "delete", name], { stdio: "ignore" });
  };
  for (const name of Object.values(names)) ip(`netns add ${name}`);
  process.once("exit", tearDown);
  t.after(() => {
    process.off("exit", tearDown);
    tearDown();
  });

  ip("link set lo up");
  for (const place of Object.keys(names)) run(place, "ip link set lo up");
  run("router", "sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  const own = {
    people: { ...PLACES.people, ...(peopleNat && { v4: HOME }) },
    server: { ...PLACES.server, ...(serverNat && { v4: INNER }) },
    relay: PLACES.relay,
  };
  for (const [place, addresses] of Object.entries(own)) {
    ip(`link add ${place} netns ${names.router} type veth peer name eth0 netns ${place === "people" ? process.pid : names[place]}`);
    const there = place === "people" ? ip : (command) => run(place, `ip ${command}`);
    run("router", `ip link set ${place} up`);
    there("link set eth0 up");
    for (const family of families) {
      const [address, length] = [addresses[family], family === "v4" ? "24" : "64 nodad"];
      run("router", `ip address add ${router(address)}/${length} dev ${place}`);
      there(`address add ${address}/${length} dev eth0`);
      there(`${family === "v4" ? "-4" : "-6"} route add default via ${router(address)}`);
    }
  }
  const tables = (rule) => run("router", `iptables ${rule}`);
  if (serverNat) {
    run("router", `ip address add ${OUTER}/32 dev lo`);
    // Its other neighbours are on that side, too.
    run("router", `ip route add ${OUTER.replace(/7$/, "0")}/24 dev server`);
    tables(`-t nat -A PREROUTING -d ${OUTER} -j DNAT --to-destination ${INNER}`);
    tables(`-t nat -A POSTROUTING -s ${INNER} ! -o server -j SNAT --to-source ${OUTER}`);
    // Nobody outside has a way to the inside.
    tables(`-A FORWARD -i people -d ${INNER} -m conntrack ! --ctstate DNAT -m comment --comment inner -j DROP`);
  }
  if (peopleNat) {
    run("router", `ip address add ${HOME_OUTER}/24 dev people`);
    tables(`-t nat -A POSTROUTING -s ${HOME} -j SNAT --to-source ${HOME_OUTER}`);
  }

  return {
    /** A command for `spawn`, in a place. */
    inside,
    run,
    /** Adds a wall for what people send: a rule of iptables after `-A FORWARD -i people`, under a name. */
    wall: (name, rule, program = "iptables") => run("router", `${program} -A FORWARD -i people ${rule} -m comment --comment ${name} -j DROP`),
    /** Lets through what people send by this rule, whatever walls come later, and counts it. */
    door: (name, rule) => tables(`-A FORWARD -i people ${rule} -m comment --comment ${name} -j ACCEPT`),
    /** Counts what people send by this rule, and does nothing else. */
    watch: (name, rule) => tables(`-A FORWARD -i people ${rule} -m comment --comment ${name}`),
    /** Packets to which a rule with this name has applied. */
    counted(name, program = "iptables") {
      const lines = run("router", `${program} -nvxL FORWARD`).split("\n").filter((line) => line.includes(`/* ${name} */`));
      if (lines.length === 0) throw new Error(`there is no rule ${name}`);
      return lines.reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[0]), 0);
    },
  };
}

/** @typedef {ReturnType<typeof layNetworks>} Networks */

/** Starts a program in a place; it ends with the test. Gives what it has said so far. */
export function start(t, networks, place, command, env = {}) {
  const [program, ...options] = networks.inside(place, ...command);
  const started = spawn(program, options, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [started.stdout, started.stderr]) stream.on("data", (data) => (said += data));
  const ended = new Promise((done) => {
    started.once("exit", (code, signal) => done(`${command[0]} ended with ${code ?? signal}`));
    started.once("error", (error) => done(`${command[0]} cannot be started: ${error.message}`));
  });
  let failure;
  void ended.then((sentence) => (failure = sentence));
  t.after(async () => {
    started.kill("SIGTERM");
    await ended;
  });
  return {
    said: () => said,
    /** Throws if it has ended. */
    check() {
      if (failure) throw new Error(`${failure}:\n${said}`);
    },
  };
}
