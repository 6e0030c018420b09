// A wall around a network namespace (namespace.mjs) that lets no UDP through to the server, as in some companies: datagrams for its
// media port leave by an interface behind which is nobody. What goes there by TCP arrives.
import { execFileSync } from "node:child_process";
import { ip } from "./namespace.mjs";

const [NOWHERE, TABLE] = ["nowhere", 77];

/** Builds the wall between this network and the media port of a server at the address `host`. */
export function buildWall({ host, mediaPort }) {
  ip(`link add ${NOWHERE} type veth peer name ${NOWHERE}-far`);
  ip(`link set ${NOWHERE}-far up`);
  ip(`link set ${NOWHERE} arp off up`);
  ip(`route add default dev ${NOWHERE} table ${TABLE}`);
  // Own addresses are looked up first by default; now second.
  ip("rule add pref 2 lookup local");
  ip(`rule add pref 1 to ${host} ipproto udp dport ${mediaPort} lookup ${TABLE}`);
  ip("rule del pref 0");
}

/** How many packets the wall has stopped. */
export function stopped() {
  const [{ stats64 }] = JSON.parse(execFileSync("ip", ["-json", "-statistics", "link", "show", NOWHERE], { encoding: "utf8" }));
  return stats64.tx.packets;
}
