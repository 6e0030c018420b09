// A device that has Wi-Fi and a mobile network, one after the other or both: interfaces of a network namespace (namespace.mjs)
// that come and go, which its browser notices as on any machine.
import { ip } from "./namespace.mjs";

/** Where the server is, whatever network the device has: on loopback, which no browser takes for an interface of its own. */
export const SERVER = "10.78.0.1";

/** The device's own address in each network. */
export const NETWORKS = { wifi: "10.78.1.2", mobile: "10.78.2.2" };

/** @typedef {keyof typeof NETWORKS} Network */

/** The networks that the device is in. */
const entered = new Set();

/** Loopback, the server's address, and both interfaces without a network. */
export function furnish() {
  ip("link set lo up");
  ip(`address add ${SERVER}/32 dev lo`);
  for (const name of Object.keys(NETWORKS)) {
    ip(`link add ${name} type veth peer name ${name}-far`);
    ip(`link set ${name}-far up`);
  }
}

/** The device is in a network, from now on. */
export function enters(/** @type {Network} */ name) {
  const address = NETWORKS[name];
  entered.add(name);
  ip(`link set ${name} up`);
  ip(`address add ${address}/24 dev ${name}`);
  ip(`route add default via ${address.replace(/\d+$/, "254")} dev ${name} metric ${Object.keys(NETWORKS).indexOf(name) + 1}`);
}

/** The device loses a network: nothing comes from its address or goes to it any more. */
export function loses(/** @type {Network} */ name) {
  entered.delete(name);
  ip(`address del ${NETWORKS[name]}/24 dev ${name}`);
  ip(`link set ${name} down`);
}

/** The device is in no network any more. */
export function losesAll() {
  for (const name of Object.keys(NETWORKS).filter((each) => entered.has(each))) loses(name);
}
