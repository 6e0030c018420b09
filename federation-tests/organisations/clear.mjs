// Whether a log says who was in a call, where, or what would let somebody in.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { audit } from "./audit.mjs";
import { STRANGER } from "./bad-input.mjs";
import { claims } from "./knock.mjs";
import { ORGANISATIONS } from "./organisations.mjs";

/** A shorter word may stand in a log by chance. Known ones are longer, and shorter ones are searched for by their form. */
const WORD_MIN = 8;

/** What a Hanse says at its start about its own addresses, which are no secret. */
const LIST = String.raw`[\d.:[\]a-f]+(/udp|/tcp)?(, [\d.:[\]a-f]+(/udp|/tcp)?)*`;
const MEDIA = `clients are offered these media addresses: by IPv4 (none|${LIST}); by IPv6 (none|${LIST}); by relay none`;
const INSIDE = String.raw`by IPv[46] only people in the same network can send media to ${LIST}; whoever comes from outside [^\d]*by IPv[46] is in .*`;
const CONTAINERS = String.raw`[\d.:a-f]+ \(\S+\) is not offered: it leads to containers and virtual machines here, and to nobody else`;
const OWN_ADDRESSES = new RegExp(String.raw`^\S+ +(INFO [\w:]+: (hanse \S+ serves HTTP on ${LIST}|${MEDIA})|WARN hanse_sfu::reach[\w:]*: (${INSIDE}|${CONTAINERS}))$`);

/** Things that may be IPv6 addresses, among paths of modules and times of day. */
const COLONS = /(?<![\w:.])[\da-f:]*:[\da-f]*:[\da-f:.]*/gi;

/** Registers the tests. They belong at the end: what happened before is in the logs that they read. */
export function nothingClearInTheLogs(here) {
  test("the search of logs finds each kind of what must not be there", async () => {
    const kinds = kindsOf(await known(here));
    const [{ program }] = here.hanses;
    const lines = (await program.log()).split("\n").slice(0, 20);
    const file = join(here.folder, "planted.log");
    const search = async (planted) => {
      await writeFile(file, [...lines.slice(0, 10), planted, ...lines.slice(10)].join("\n"));
      return firstClear(file, kinds);
    };
    assert.equal(await search("2026-01-01T10:20:30.123456Z  INFO hanse_sfu::http::signal: joined session=7 person=~0a1b2c3d room=~00ff00ff"), null);
    for (const [kind, planted] of examples(await known(here))) {
      const found = await search(`2026-01-01T10:20:30.123456Z  INFO hanse_sfu::http: something happened it=${planted}, and more`);
      assert.deepEqual([found?.kind, found?.number], [kind, 11], `${kind}: ${planted}`);
    }
  });

  test("nothing that names anybody is in the logs of any Hanse, however much they log", async (t) => {
    const kinds = kindsOf(await known(here));
    const logs = here.hanses.map(({ program }) => program);
    assert.equal(logs.length, 6, "A's, B's first two, the careful one, B's second focus, and B's last one");
    for (const { name, file } of logs) {
      const found = await firstClear(file, kinds);
      assert.equal(found, null, found && `the log of ${name} has ${found.kind} in line ${found.number}: ${found.line}`);
      const text = await readFile(file, "utf8");
      t.diagnostic(`${name}: ${text.length} bytes`);
    }
    const everything = (await Promise.all(logs.map((each) => each.log()))).join("");
    for (const said of [" DEBUG ", " INFO ", "joined session=", "admitted user=~", "nobody is proven"]) {
      assert.ok(everything.includes(said), `the logs were to have: ${said}`);
    }
  });
}

/** Everything that is known of these tests' people and calls, and must be in no log. */
async function known({ organisations, python, hanses, held, jwts, links }) {
  const databases = await Promise.all(organisations.all.map(({ homeserver }) => audit(python, "names", homeserver.database)));
  const grants = [...jwts, ...all(held, (each) => each.jwts)];
  const names = grants.map(claims);
  const plain = names.map(({ sub }) => sub).filter((sub) => sub.startsWith("@"));
  const words = {
    users: all(databases, (each) => each.users),
    rooms: all(databases, (each) => each.rooms),
    devices: [...all(databases, (each) => each.devices), ...all(plain, (sub) => sub.split(":").slice(-1))],
    memberships: all(held, (each) => each.memberships),
    accessTokens: all(databases, (each) => each.accessTokens),
    openIdTokens: all(databases, (each) => each.openIdTokens),
    jwts: grants,
    sfuNames: all(names, ({ sub, video }) => [sub, video.room]),
    mediaKeys: all(held, (each) => each.mediaKeys),
    delays: all(held, (each) => each.delays),
    secrets: [...links, ...hanses.map(({ key }) => key.secret), ...all(organisations.all, ({ registration: { asToken, hsToken } }) => [asToken, hsToken])],
    ice: all(held, (each) => each.ice),
  };
  for (const [what, list] of Object.entries(words)) {
    assert.ok(list.length > 0, `no ${what} are known: nothing would be proven about them`);
    assert.ok(list.every((word) => word.length >= WORD_MIN), `${what} are too short to be searched for: ${list.join(" ")}`);
  }
  return words;
}

function all(of, take) {
  return [...new Set(of.flatMap(take))];
}

/** Kinds of things that a log must not have, each with what finds one in a line. */
function kindsOf(words) {
  // What is called as this program is in every line.
  const localparts = words.users.map((id) => id.slice(1, id.indexOf(":"))).filter((localpart) => localpart !== "hanse");
  const servers = [...ORGANISATIONS.map(({ name }) => name), STRANGER];
  return [
    ["a LiveKit token", [/eyJ[\w-]{10}/, ...those(words.jwts)]],
    ["an access token", [/\bsyt_[\w-]+_/, ...those(words.accessTokens)]],
    ["an OpenID token", those(words.openIdTokens)],
    ["a media key", those(words.mediaKeys)],
    ["a secret", those(words.secrets)],
    ["ICE credentials", [/ice-(ufrag|pwd)\b/, ...those(words.ice)]],
    ["a room", [/(!|%21)[\w-]{18}/i, ...those(words.rooms.map((id) => id.slice(1).split(":")[0]))]],
    // A hash as the focus makes them: 32 bytes in base64.
    ["a name on an SFU", [/(?<![\w+/])[\w+/]{43}(?![\w+/=])/, ...those(words.sfuNames)]],
    ["a user", [/@[\w.=/+-]+(:|%3a)[\w.-]/i, /[\w.+-]+@[\w-]+\.\w/, any(localparts, "i", String.raw`(?<![a-z])`, "(?![a-z])")]],
    ["a device", those(words.devices)],
    ["a membership", those(words.memberships)],
    ["a leave", those(words.delays)],
    ["a homeserver", [any(servers, "i")]],
    ["an address", [{ test: hasAddress }]],
  ];
}

/** A line for each kind, in each of the forms that are searched for. */
function examples(words) {
  const [user, room] = [words.users[0], words.rooms[0]];
  return [
    ["a LiveKit token", first(words.jwts)],
    ["an access token", first(words.accessTokens)],
    ["an OpenID token", first(words.openIdTokens)],
    ["a media key", first(words.mediaKeys)],
    ["a secret", first(words.secrets)],
    ["a leave", first(words.delays)],
    ["ICE credentials", first(words.ice)],
    ["ICE credentials", "a=ice-ufrag:abcd"],
    ...words.sfuNames.filter((name) => !name.startsWith("@")).slice(0, 2).map((name) => ["a name on an SFU", name]),
    ["a name on an SFU", words.sfuNames.find((name) => name.startsWith("@"))],
    ["a user", user],
    ["a user", encodeURIComponent(user)],
    ["a user", user.slice(1, user.indexOf(":"))],
    ["a user", "somebody@example.org"],
    ["a user", "@somebody:example.org"],
    ["a room", room],
    ["a room", encodeURIComponent(room)],
    ["a room", "!OGEhHVWSdvArJzumhm:example.org"],
    ["a device", first(words.devices)],
    // Some are made of a user and a device.
    ["a membership", words.memberships.find((id) => !id.startsWith("@"))],
    ...[...ORGANISATIONS.map(({ name }) => name), STRANGER].map((name) => ["a homeserver", `${name}:8448`]),
    ...["127.0.0.1", "192.0.2.7:40000", "::1", "[2001:db8::7]:40000", "fe80::1%eth0", "::ffff:192.0.2.7"].map((each) => ["an address", each]),
    ["an address", "0b1c2d3e-0000-4000-8000-123456789abc.local"],
    ["an address", "127.0.0.1; clients are offered these media addresses: by IPv4 127.0.0.1:7882/udp; by IPv6 none; by relay none"],
  ];
}

function first([word]) {
  return word;
}

function those(words) {
  return words.length > 0 ? [any([...new Set(words.flatMap((word) => [word, encodeURIComponent(word)]))])] : [];
}

function any(words, flags = "", before = "", after = "") {
  const plain = words.map((word) => word.replaceAll(/[^\w]/g, String.raw`\$&`));
  return new RegExp(`${before}(${plain.join("|")})${after}`, flags);
}

function hasAddress(line) {
  if (OWN_ADDRESSES.test(line)) return false;
  if (/[\da-f-]{36}\.local\b/.test(line)) return true;
  if ((line.match(/(?<![\w.])\d+\.\d+\.\d+\.\d+(?![\w.]*\d)/g) ?? []).some(isIPv4)) return true;
  return (line.match(COLONS) ?? []).some((each) => each !== "::" && isIPv6(each.replace(/[:.]+$/, (end) => (end === "::" ? end : ""))));
}

/** The first line of a file that has any of it: `{ kind, number, line }`, or `null`. */
async function firstClear(file, kinds) {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  let number = 0;
  for await (const line of lines) {
    number += 1;
    const found = kinds.find(([, tests]) => tests.some((each) => each.test(line)));
    if (found) return { kind: found[0], number, line };
  }
  return null;
}
