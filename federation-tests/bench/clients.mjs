// How long real clients wait for a newcomer, and newcomers for them: `clients.mjs [VISITS] [single|dual]`, in both forms of
// signalling unless one is named. Out: figures beside their targets; exit code 1 when one is missed. `cargo xtask bench
// clients` builds what it needs.
import { CLIENTS, arrivals } from "../harness/arrivals.mjs";
import { openBrowser } from "../harness/browser.mjs";
import { startHanse } from "../harness/hanse.mjs";

/** By when a newcomer has to be heard and seen by everybody, and to hear and see everybody. */
const PATIENCE_MS = 1000;
const FORMS = { single: "/rtc/v1", dual: "/rtc" };

const visits = Number(process.argv[2] ?? 200);
const only = process.argv[3];
const missed = [];
const line = (name, value, unit, target) =>
  console.log(`${name.padEnd(66)}  ${value.padStart(10)}  ${unit.padEnd(6)}  ${target}`.trimEnd());
line("figure", "value", "unit", "target");
for (const [form, path] of Object.entries(FORMS).filter(([name]) => !only || name === only)) {
  const hanse = await startHanse();
  const browser = await openBrowser();
  const all = await arrivals({ hanse, browser, form, visits });
  await browser.close();
  await hanse.stop();
  for (const client of CLIENTS) {
    const mine = all.filter((each) => each.client === client);
    for (const [what, key] of /** @type {const} */ ([
      ["heard and seen by all", "shown"],
      ["hearing and seeing all", "shows"],
    ])) {
      const waits = mine.map((each) => each[key] ?? Infinity).toSorted((a, b) => a - b);
      const at = (share) => waits[Math.ceil(waits.length * share) - 1].toFixed(0);
      const inTime = waits.filter((wait) => wait <= PATIENCE_MS).length;
      const name = `${path}, newcomers with ${client}, ${what}`;
      const isMet = inTime === visits;
      if (!isMet) missed.push(name);
      line(`${name} within 1 s`, String(inTime), "people", `≥ ${visits}${isMet ? "" : "  MISSED"}`);
      line(`${name}, p50`, at(0.5), "ms", "");
      line(`${name}, p95`, at(0.95), "ms", "");
      line(`${name}, max`, at(1), "ms", "");
    }
  }
}
if (missed.length > 0) {
  console.error(`targets are missed: ${missed.join("; ")}`);
  process.exitCode = 1;
}
