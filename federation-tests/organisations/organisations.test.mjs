// Two organisations, each with a homeserver and a Hanse of its own: what their people may do, what strangers may not, and what
// is written about it. Everything is started once, and the last test reads all logs.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { admission } from "./admission.mjs";
import { badInput, STRANGER } from "./bad-input.mjs";
import { bans } from "./bans.mjs";
import { calls } from "./calls.mjs";
import { nothingClearInTheLogs } from "./clear.mjs";
import { forged } from "./forged.mjs";
import { guests } from "./guests.mjs";
import { startOrganisations } from "./organisations.mjs";
import { startPostgres } from "./postgres.mjs";
import { leaves, takenOver } from "./leaves.mjs";
import { moot } from "./moot.mjs";
import { participant } from "./participant.mjs";
import { openBrowser } from "./people.mjs";
import { ANY_PORTS, choosePorts } from "./ports.mjs";
import { startProvider } from "./provider.mjs";
import { resume } from "./resume.mjs";
import { rules } from "./rules.mjs";
import { singleSignOn } from "./single-sign-on.mjs";
import { slow } from "./slow.mjs";
import { focusAndSfuApart, oneProcess } from "./split.mjs";
import { visit } from "./visit.mjs";
import { web } from "./web.mjs";

const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
  { user: "carol", name: "Carol", organisation: "a" },
  { user: "dave", name: "Dave", organisation: "b" },
];

/** The loudest that there is. */
const LOG = "trace";

/**
 * What the tests share: `hanses` are all that were started (`{ program }`), `held` is what each person had to keep to
 * themselves, `jwts` are grants that no browser asked for, `links` is what lets guests and others in. `provider` is A's log-in beside passwords.
 *
 * @type {{
 *   organisations: import("./organisations.mjs").Organisations, browser: import("./people.mjs").Browser,
 *   database: { url: string, stop: () => Promise<void> }, provider: import("./provider.mjs").OpenIdProvider,
 *   python: string, hanse: string, participant: string, folder: string, log: string, died: Error | undefined,
 *   hanses: { program: import("./program.mjs").Program, key: { name: string, secret: string } }[],
 *   held: import("./people.mjs").Person["held"][], jwts: string[], links: string[],
 * }}
 */
const here = {
  organisations: undefined,
  browser: undefined,
  database: undefined,
  provider: undefined,
  python: process.env["HANSE_HOMESERVER_PYTHON"],
  hanse: process.env["HANSE_BIN"],
  participant: process.env["HANSE_PARTICIPANT_BIN"],
  folder: undefined,
  log: LOG,
  died: undefined,
  hanses: [],
  held: [],
  jwts: [],
  links: [],
};

before(async () => {
  for (const name of ["HANSE_BIN", "HANSE_PARTICIPANT_BIN", "HANSE_HOMESERVER_PYTHON"]) {
    assert.ok(process.env[name], `${name} must name an executable: \`cargo xtask test --only organisations\` sets it`);
  }
  here.database = await startPostgres();
  here.folder = await mkdtemp(join(tmpdir(), "hanse-organisations-"));
  const ports = await choosePorts(ANY_PORTS);
  here.provider = await startProvider({ port: ports.a.provider, clientPort: ports.a.client });
  here.organisations = await startOrganisations({
    hanse: here.hanse,
    python: here.python,
    folder: here.folder,
    ports,
    people: PEOPLE,
    // A has one Hanse for everything. B's focus and SFU are a Hanse each, which know of each other an address and an API key: so
    // every call proves both ways of running it. And A has SQLite, B PostgreSQL.
    split: ["b"],
    stores: { b: here.database.url },
    providers: { a: here.provider.forSynapse },
    strangers: [STRANGER],
    log: LOG,
  });
  here.hanses.push(...here.organisations.all.flatMap(({ hanses }) => hanses));
  here.organisations.failed.catch((error) => (here.died = error));
  here.browser = await openBrowser();
});
after(async () => {
  await here.browser?.close();
  await here.organisations?.stop();
  await here.provider?.stop();
  await here.database?.stop();
  if (here.folder) await rm(here.folder, { recursive: true, force: true });
  // Tests that needed it have failed, but only this says why.
  if (here.died) throw here.died;
});

badInput(here);
slow(here);
calls(here);
web(here);
singleSignOn(here);
participant(here);
resume(here);
focusAndSfuApart(here);
admission(here);
guests(here);
visit(here);
moot(here);
// B's focus and SFU are still two processes: what changes in mid-call gets from one to the other over HTTP.
bans(here);
rules(here);
takenOver(here);
oneProcess(here);
leaves(here);
forged(here);
nothingClearInTheLogs(here);
