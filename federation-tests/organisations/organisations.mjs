// Two organisations on this machine that know of each other only what Matrix says: each has a homeserver, a Hanse, and
// people. One page serves everybody; which homeserver it talks to depends on who opens it.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { introduce, newKey, privateFile, startHanse } from "./hanse.mjs";
import { startHomeserver } from "./homeserver.mjs";
import { follows } from "./knock.mjs";
import { startSite } from "./site.mjs";

const CERTIFICATES = fileURLToPath(new URL("certificates.py", import.meta.url));

/** Where a Hanse has its focus. */
const FOCUS_PATH = "/livekit/jwt";

/** How soon a focus notices, in seconds, that somebody is gone of whom nothing told it: as often as it may look. */
const PRESENCE_CHECK_INTERVAL_S = 5;

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
 * an API key; their ports have a `focus`, too. `stores`: URLs of databases by an organisation's letter; without one it has
 * SQLite. `signed`: whether the homeservers pass requests for tokens on. `log`: the filter of every Hanse's log. `sfu`: more of `[sfu]` by an organisation's letter. `providers`: of OpenID, by
 * which its people log in, too (provider.mjs). `strangers`: further names that have certificates of the same authority.
 */
export async function startOrganisations(wish) {
  const { hanse, python, folder, ports, people, tap = false, split = [], stores = {}, signed = false, log, sfu = {}, providers = {}, strangers = [], say = () => {} } = wish;
  await rm(folder, { recursive: true, force: true });
  const certificates = join(folder, "certificates");
  await mkdir(certificates, { recursive: true, mode: 0o700 });
  const certified = [...ORGANISATIONS.map(({ name }) => name), ...strangers];
  await promisify(execFile)(python, [CERTIFICATES, certificates, ...certified]);

  const stops = [];
  let fail;
  /** Rejects when a program ends unasked. */
  const failed = new Promise((_, reject) => (fail = reject));
  failed.catch(() => {});
  const started = (program) => {
    stops.push(() => program.stop());
    program.failed.catch(fail);
  };
  const stop = async () => {
    // Everybody leaves before what they use goes away.
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    say("starting two homeservers and two Hanses");
    const common = { hanse, python, folder, certificates, tap, signed, log, started };
    const begun = await Promise.allSettled(
      ORGANISATIONS.map(({ letter, ...each }) => {
        const own = { letter, ports: ports[letter], split: split.includes(letter), store: stores[letter], sfu: sfu[letter], provider: providers[letter] };
        const others = ORGANISATIONS.filter((other) => other.letter !== letter).map((other) => ports[other.letter]);
        return startOrganisation({ ...each, ...own, others, ...common });
      }),
    );
    for (const { reason } of begun.filter((each) => each.status === "rejected")) throw reason;
    const organisations = Object.fromEntries(begun.map(({ value }) => [value.letter, value]));

    say("making accounts");
    const made = await Promise.all(people.map((person) => enrol(person, organisations[person.organisation])));
    const accounts = (users) => users.map((user) => made.find((person) => person.user === user).account);
    const site = await startSite({ port: ports.page, people: made });
    stops.push(() => site.stop());
    return {
      ...organisations,
      all: Object.values(organisations),
      people: Object.fromEntries(made.map((person) => [person.user, person])),
      site,
      certificates,
      /**
       * Makes a room of these people, by their names, which all of them have joined; the first one makes it. It is encrypted unless it is not
       * to be (`encrypted`).
       * `followed`: whether both organisations' bridge users are in it and their focuses know what holds there. `invited`: those
       * who are invited and have not joined. `powers`: levels by name; `levels`: more of `m.room.power_levels`.
       */
      async room(name, members, { version, encrypted, followed = false, invited = [], powers = {}, levels = {} } = {}) {
        const [host, ...guests] = accounts(members);
        const bridges = followed ? Object.values(organisations).map(({ homeserver }) => homeserver.bridgeUser) : [];
        const users = Object.fromEntries(Object.entries(powers).map(([user, level]) => [accounts([user])[0].id, level]));
        const invite = [...guests, ...accounts(invited)].map(({ id }) => id);
        const room = await host.makeRoom({ name, version, encrypted, invite, levels: { ...levels, users } });
        await Promise.all(guests.map((guest) => guest.join(room)));
        // A bridge user follows the others of its organisation: strangers alone do not get it into their rooms.
        for (const bridge of bridges) await host.act(room, "invite", bridge);
        await Promise.all(bridges.map((bridge) => host.sees(room, bridge, "join")));
        if (followed) await Promise.all(Object.values(organisations).map(({ focus }) => follows(focus, host, room)));
        return room;
      },
      failed,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startOrganisation({ letter, title, name, hanse, python, folder, certificates, ports, others, tap, split, store, sfu, provider, signed, log, started }) {
  // Logs name paths, and must not name homeservers.
  const own = join(folder, `organisation-${letter}`);
  const tapFile = join(own, "tap.jsonl");
  const key = newKey(`organisation-${letter}`);
  /** Where people and the homeserver reach the focus. */
  const port = split ? ports.focus : ports.hanse;
  const url = `http://127.0.0.1:${port}`;
  const serverName = `${name}:${ports.federation}`;
  const registration = await introduce({
    executable: hanse,
    folder: own,
    serverName,
    homeserverUrl: `http://127.0.0.1:${ports.client}`,
    hanseUrl: url,
    signed,
  });
  const sfuTables = {
    // Only the focus makes rooms.
    sfu: { udp_port: ports.media, tcp_port: ports.tcp ?? 0, auto_create: false, ...sfu },
    ...(log && { log: { filter: log } }),
  };
  const focusTables = {
    focus: {
      sfu_url: `ws://127.0.0.1:${ports.hanse}`,
      full_access_homeservers: [serverName],
      presence_check_interval_s: PRESENCE_CHECK_INTERVAL_S,
    },
    store: { url: store ?? `sqlite:${join(own, "hanse.db")}` },
    web: {
      homeservers: [`${serverName}=http://127.0.0.1:${ports.client}`],
      organisations: others.flatMap((other) => [other.hanse, other.focus].filter(Boolean).map((each) => `http://127.0.0.1:${each}`)),
    },
    homeservers: {
      registrations: [registration.file],
      // Both organisations are on this machine.
      allowed_networks: ["127.0.0.0/8", "::1/128"],
      ca_files: [join(certificates, "ca.pem")],
    },
  };
  const sfuPlace = { executable: hanse, started, folder: own, port: ports.hanse, key, env: tap ? { HANSE_DEBUG_TAP: tapFile } : {} };

  /** One process that is both. Its SFU is where the focus is. */
  async function whole() {
    const focus = { ...focusTables.focus, sfu_url: `ws://127.0.0.1:${port}` };
    const tables = { ...sfuTables, ...focusTables, focus };
    const place = { ...sfuPlace, folder: split ? join(own, "whole") : own, port };
    const one = await startHanse({ ...place, name: `the Hanse of ${name}`, tables });
    return parts(one, one);
  }
  async function focusApart(place) {
    const keyFile = await privateFile(place.folder, "sfu.key", `${key.name}: ${key.secret}\n`);
    const tables = {
      ...sfuTables,
      // It has an SFU of its own, as every Hanse has, with a key that no grant is signed with, on a port that nobody is told.
      sfu: { ...sfuTables.sfu, udp_port: 0, tcp_port: 0 },
      ...focusTables,
      focus: { ...focusTables.focus, sfu_api_url: `http://127.0.0.1:${ports.hanse}`, key_file: keyFile },
    };
    return startHanse({ executable: hanse, started, ...place, key: newKey("nobody"), name: `the focus of ${name}`, tables });
  }
  async function two() {
    return parts(
      ...(await Promise.all([
        startHanse({ ...sfuPlace, name: `the SFU of ${name}`, tables: sfuTables }),
        focusApart({ folder: join(own, "focus"), port }),
      ])),
    );
  }
  const [homeserver, running] = await Promise.all([
    startHomeserver({
      name,
      python,
      folder: join(own, "synapse"),
      certificates,
      clientPort: ports.client,
      federationPort: ports.federation,
      lines: registration.homeserverLines,
      provider,
      started,
    }),
    split ? two() : whole(),
  ]);
  const organisation = {
    letter,
    title,
    homeserver,
    registration,
    ...running,
    key,
    focus: `${url}${FOCUS_PATH}`,
    tapFile,
    /** Another focus beside the one that there is, on the same database. */
    secondFocus: () => focusApart({ folder: join(own, "second"), port: ports.second }),
    /** Has focus and SFU be one process from now on, where the focus was, on the same database. */
    async unite() {
      await Promise.all(organisation.hanses.map(({ program }) => program.stop()));
      Object.assign(organisation, await whole());
    },
  };
  return organisation;
}

/** `hanses`: an organisation's processes, the one that forwards media and the one that admits people, which may be the same. */
function parts(sfu, admits) {
  return { hanses: [...new Set([sfu, admits])], admits, sfu: sfu.program, url: sfu.url };
}

async function enrol({ user, name, organisation: letter }, { title, homeserver }) {
  const password = randomBytes(9).toString("base64url");
  const account = await homeserver.register(user, password, `${name} (${title})`);
  return { user, name, organisation: letter, title, password, account, homeserver };
}
