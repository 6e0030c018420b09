// Two organisations on this machine that know of each other only what Matrix says: each has a homeserver, a Hanse, and
// people. One page serves everybody; which homeserver it talks to depends on who opens it.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { newKey, privateFile, startHanse } from "./hanse.mjs";
import { startHomeserver } from "./homeserver.mjs";
import { startSite } from "./site.mjs";

const CERTIFICATES = fileURLToPath(new URL("certificates.py", import.meta.url));

/** Where a Hanse has its focus. */
const FOCUS_PATH = "/livekit/jwt";

/** The two organisations. */
export const ORGANISATIONS = [
  { letter: "a", title: "Organisation A", name: "organisation-a.localhost" },
  { letter: "b", title: "Organisation B", name: "organisation-b.localhost" },
];

/** @typedef {Awaited<ReturnType<typeof startOrganisations>>} Organisations */

/**
 * Starts everything.
 *
 * `hanse`, `python`: executables. `folder`: emptied, then holds everything of this run. `ports`: `{ page, a, b }`, each of the
 * last two `{ hanse, media, client, federation }`. `people`: `{ user, name, organisation }`, the organisation by its letter.
 * `tap`: whether this Hanse is a test build that should copy forwarded frames to a file. `say` is told what is going on.
 *
 * `split`: the letters of organisations whose focus and SFU are one Hanse each, which know of each other only an address and
 * an API key; their ports have a `focus`, too. `log`: the filter of every Hanse's log. `strangers`: further names that have
 * certificates of the same authority.
 */
export async function startOrganisations({ hanse, python, folder, ports, people, tap = false, split = [], log, strangers = [], say = () => {} }) {
  await rm(folder, { recursive: true, force: true });
  const certificates = join(folder, "certificates");
  await mkdir(certificates, { recursive: true, mode: 0o700 });
  const certified = [...ORGANISATIONS.map(({ name }) => name), ...strangers];
  await promisify(execFile)(python, [CERTIFICATES, certificates, ...certified]);

  const stops = [];
  const stop = async () => {
    // Everybody leaves before what they use goes away.
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    say("starting two homeservers and two Hanses");
    const common = { hanse, python, folder, certificates, tap, log, stops };
    const started = await Promise.allSettled(
      ORGANISATIONS.map((each) => startOrganisation({ ...each, ...common, ports: ports[each.letter], split: split.includes(each.letter) })),
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
      certificates,
      /** Makes an encrypted room of these people, which all of them have joined. */
      async room(name, members, version) {
        const [host, ...guests] = members.map((user) => made.find((person) => person.user === user).account);
        const room = await host.makeRoom({ name, version, invite: guests });
        await Promise.all(guests.map((guest) => guest.join(room)));
        return room;
      },
      /** Rejects when a program ends unasked. */
      failed: Promise.race(
        Object.values(organisations).flatMap(({ homeserver, hanses }) => [homeserver, ...hanses].map(({ program }) => program.failed)),
      ),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startOrganisation({ letter, title, name, hanse, python, folder, certificates, ports, tap, split, log, stops }) {
  const own = join(folder, name);
  const started = (program) => stops.push(() => program.stop());
  const tapFile = join(own, "tap.jsonl");
  const key = newKey(`organisation-${letter}`);
  const sfuTables = {
    // Only the focus makes rooms.
    sfu: { udp_port: ports.media, auto_create: false },
    ...(log && { log: { filter: log } }),
  };
  const focusTables = {
    focus: { sfu_url: `ws://127.0.0.1:${ports.hanse}`, full_access_homeservers: [`${name}:${ports.federation}`] },
    homeservers: {
      // Both organisations are on this machine.
      allowed_networks: ["127.0.0.0/8", "::1/128"],
      ca_files: [join(certificates, "ca.pem")],
    },
  };
  const sfuPlace = { executable: hanse, folder: own, port: ports.hanse, key, env: tap ? { HANSE_DEBUG_TAP: tapFile } : {}, started };

  async function whole() {
    const one = await startHanse({ ...sfuPlace, name: `the Hanse of ${name}`, tables: { ...sfuTables, ...focusTables } });
    return { sfu: one, admits: one };
  }
  async function two() {
    const apart = join(own, "focus");
    const keyFile = await privateFile(apart, "sfu.key", `${key.name}: ${key.secret}\n`);
    const tables = {
      ...sfuTables,
      // It has an SFU of its own, as every Hanse has, with a key that no grant is signed with, on a port that nobody is told.
      sfu: { ...sfuTables.sfu, udp_port: 0 },
      ...focusTables,
      focus: { ...focusTables.focus, sfu_api_url: `http://127.0.0.1:${ports.hanse}`, key_file: keyFile },
    };
    const place = { executable: hanse, folder: apart, port: ports.focus, key: newKey("nobody"), started };
    const [sfu, admits] = await Promise.all([
      startHanse({ ...sfuPlace, name: `the SFU of ${name}`, tables: sfuTables }),
      startHanse({ ...place, name: `the focus of ${name}`, tables }),
    ]);
    return { sfu, admits };
  }

  const focus = `http://127.0.0.1:${split ? ports.focus : ports.hanse}${FOCUS_PATH}`;
  const [homeserver, { sfu, admits }] = await Promise.all([
    startHomeserver({
      name,
      python,
      folder: join(own, "synapse"),
      certificates,
      clientPort: ports.client,
      federationPort: ports.federation,
      focus,
      started,
    }),
    split ? two() : whole(),
  ]);
  return {
    letter,
    title,
    homeserver,
    /** Its processes: the one that forwards media, and the one that admits people, which may be the same. */
    hanses: [...new Set([sfu, admits])],
    admits,
    sfu: sfu.program,
    key,
    url: sfu.url,
    focus,
    tapFile,
  };
}

async function enrol({ user, name, organisation: letter }, { title, homeserver }) {
  const password = randomBytes(9).toString("base64url");
  const account = await homeserver.register(user, password, `${name} (${title})`);
  return { user, name, organisation: letter, title, password, account, homeserver };
}
