// Two organisations on this machine that know of each other only what Matrix says: each has a homeserver, a Hanse, and
// people. One page serves everybody; which homeserver it talks to depends on who opens it.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startHomeserver } from "./homeserver.mjs";
import { startProgram } from "./program.mjs";
import { startSite } from "./site.mjs";

const CERTIFICATES = fileURLToPath(new URL("certificates.py", import.meta.url));

/** Where a Hanse has its focus. */
const FOCUS_PATH = "/livekit/jwt";

/** The two organisations. */
export const ORGANISATIONS = [
  { letter: "a", title: "Organisation A", name: "org-a.localhost" },
  { letter: "b", title: "Organisation B", name: "org-b.localhost" },
];

/** @typedef {Awaited<ReturnType<typeof startOrganisations>>} Organisations */

/**
 * Starts everything.
 *
 * `hanse`, `python`: executables. `folder`: emptied, then holds everything of this run. `ports`: `{ page, a, b }`, each of the
 * last two `{ hanse, media, client, federation }`. `people`: `{ user, name, organisation }`, the organisation by its letter.
 * `tap`: whether this Hanse is a test build that should copy forwarded frames to a file. `say` is told what is going on.
 */
export async function startOrganisations({ hanse, python, folder, ports, people, tap = false, say = () => {} }) {
  await rm(folder, { recursive: true, force: true });
  const certificates = join(folder, "certificates");
  await mkdir(certificates, { recursive: true, mode: 0o700 });
  await promisify(execFile)(python, [CERTIFICATES, certificates, ...ORGANISATIONS.map(({ name }) => name)]);

  const stops = [];
  const stop = async () => {
    // Everybody leaves before what they use goes away.
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    say("starting two homeservers and two Hanses");
    const started = await Promise.allSettled(
      ORGANISATIONS.map((organisation) => startOrganisation({ ...organisation, hanse, python, folder, certificates, ports, tap, stops })),
    );
    for (const { reason } of started.filter((each) => each.status === "rejected")) throw reason;
    const organisations = Object.fromEntries(started.map(({ value }) => [value.letter, value]));

    say("making accounts");
    const made = await Promise.all(people.map((person) => enrol(person, organisations[person.organisation])));
    const site = await startSite({ port: ports.page, people: made });
    stops.push(() => site.stop());
    return {
      ...organisations,
      all: Object.values(organisations),
      people: Object.fromEntries(made.map((person) => [person.user, person])),
      site,
      /** Makes an encrypted room of these people, which all of them have joined. */
      async room(name, members, version) {
        const [host, ...guests] = members.map((user) => made.find((person) => person.user === user).account);
        const room = await host.makeRoom({ name, version, invite: guests });
        await Promise.all(guests.map((guest) => guest.join(room)));
        return room;
      },
      /** Rejects when a program ends unasked. */
      failed: Promise.race(Object.values(organisations).flatMap(({ homeserver, sfu }) => [homeserver.program.failed, sfu.failed])),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startOrganisation({ letter, title, name, hanse, python, folder, certificates, ports, tap, stops }) {
  const { client: clientPort, federation: federationPort, hanse: port, media } = ports[letter];
  const url = `http://127.0.0.1:${port}`;
  const focus = `${url}${FOCUS_PATH}`;
  const own = join(folder, name);
  await mkdir(own, { recursive: true, mode: 0o700 });
  const tapFile = join(own, "tap.jsonl");
  const keys = join(own, "hanse.keys");
  await writeFile(keys, `organisation-${letter}: ${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  const config = join(own, "hanse.toml");
  const told = { port, media, keys, homeserver: `${name}:${federationPort}`, authority: join(certificates, "ca.pem") };
  await writeFile(config, configuration(told), { mode: 0o600 });
  const sfu = startProgram({
    name: `the Hanse of ${name}`,
    command: hanse,
    args: ["run", "--config", config],
    env: tap ? { HANSE_DEBUG_TAP: tapFile } : {},
    log: join(own, "hanse.log"),
  });
  stops.push(() => sfu.stop());
  const [homeserver] = await Promise.all([
    startHomeserver({
      name,
      python,
      folder: join(own, "synapse"),
      certificates,
      clientPort,
      federationPort,
      focus,
      started: (program) => stops.push(() => program.stop()),
    }),
    sfu.ready(async () => (await fetch(url)).ok),
  ]);
  return { letter, title, homeserver, sfu, url, focus, tapFile };
}

/** What the Hanse of one organisation is told; `homeserver` is its own, `authority` the file of who vouches for both. */
function configuration({ port, media, keys, homeserver, authority }) {
  return `[http]
bind_addresses = ["127.0.0.1"]
port = ${port}

[sfu]
udp_port = ${media}
keys_file = '${keys}'
# Only the focus makes rooms.
auto_create = false

[focus]
sfu_url = "ws://127.0.0.1:${port}"
full_access_homeservers = ["${homeserver}"]

[homeservers]
# Both organisations are on this machine.
allowed_networks = ["127.0.0.0/8", "::1/128"]
ca_files = ['${authority}']
`;
}

async function enrol({ user, name, organisation: letter }, { title, homeserver }) {
  const password = randomBytes(9).toString("base64url");
  const account = await homeserver.register(user, password, `${name} (${title})`);
  return { user, name, organisation: letter, title, password, account, homeserver };
}
