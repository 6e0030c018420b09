#!/usr/bin/env node
// The demo: two organisations on this machine, until Ctrl-C; or, with --check, until headless Chromium has judged their call.
//
//   node run.mjs --hanse PATH --python PATH --folder PATH [--check [--json] | --pictures PATH] [--mode MODE] [--room-version VERSION]
//
// --python has matrix-synapse installed; --folder is emptied. With --pictures the pictures of the book are taken into a folder instead.
// --check needs a Hanse that was built with the feature debug-tap.
// Progress goes to standard error, results to standard output; with --json its last line is the verdict.
import { parseArgs } from "node:util";
import { startOrganisations } from "./organisations.mjs";
import { post } from "./knock.mjs";
import { choosePorts } from "./ports.mjs";
import { pause } from "./program.mjs";
import { MODES } from "./site.mjs";

const PORTS = {
  page: 17890,
  a: { hanse: 17880, media: 17882, client: 18008, federation: 18448 },
  b: { hanse: 27880, media: 27882, client: 28008, federation: 28448 },
};

/** Exit status of a program that was interrupted. */
const INTERRUPTED = 130;

const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
];

const USAGE = "usage: run.mjs --hanse PATH --python PATH --folder PATH [--check [--json] | --pictures PATH] [--mode MODE] [--room-version VERSION]";

const options = readOptions();
const begun = performance.now();
const say = (line) => console.error(`demo: ${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${line}`);

let organisations;
const interrupted = new Promise((done) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // Whatever is only starting ends with us.
      if (!organisations) process.exit(INTERRUPTED);
      done(INTERRUPTED);
    });
  }
});
process.exit(
  await main().catch((error) => {
    console.error(`demo: ${error.message}`);
    return 1;
  }),
);

async function main() {
  const ports = await choosePorts(PORTS);
  const { MORE_PEOPLE, takePictures } = options.pictures ? await import("./pictures.mjs") : {};
  const people = [...PEOPLE, ...(MORE_PEOPLE ?? [])];
  organisations = await startOrganisations({ ...options, ports, people, tap: options.check, say });
  try {
    const room = await organisations.room("First call", people.map(({ user }) => user), { version: options["room-version"], followed: true });
    organisations.site.meetIn(room);
    return await Promise.race([work(room, takePictures), interrupted, organisations.failed]);
  } finally {
    say("stopping everything");
    await organisations.stop();
  }
}

async function work(room, takePictures) {
  if (options.check) return judge(room);
  const link = await guestLink(room);
  if (!takePictures) return wait(link);
  await takePictures(organisations, { room, link, folder: options.pictures, say });
  return 0;
}

async function judge(room) {
  // Chromium and what drives it are only there when they are needed.
  const { check } = await import("./check.mjs");
  const { mode, python, json } = options;
  const { figures, troubles, remarks } = await check(organisations, { room, mode, python, say });
  for (const each of figures.directions) {
    console.log(
      `${each.from} to ${each.to}: first frame after ${each.first_frame_ms} ms (${each.sfu_ms} ms of it ours), ` +
        `${each.frames_per_second} frames a second, ${each.audio_seconds} of 10 seconds of sound clean`,
    );
  }
  for (const remark of remarks) console.log(remark);
  console.log(`keys came by Olm: ${figures.keys_by_olm ? "yes" : "no"}; the SFUs forwarded sealed media only: ${figures.sealed ? "yes" : "no"}`);
  for (const trouble of troubles) console.log(`MISSED  ${trouble}`);
  console.log(`demo: ${troubles.length === 0 ? 1 : 0} passed, ${troubles.length === 0 ? 0 : 1} failed`);
  if (json) console.log(JSON.stringify(figures));
  return troubles.length === 0 ? 0 : 1;
}

/** Has Organisation A take guests, and Alice make a link for them. */
async function guestLink(room) {
  const { a, people } = organisations;
  const { account } = people.alice;
  await a.admits.reload({ guests: { allowed: true } });
  await account.setState(room, "m.room.join_rules", { join_rule: "knock" });
  const wish = { room_id: room, openid_token: await account.openIdToken(), once: false };
  for (;;) {
    const { status, answer } = await post(`${a.focus}/guest/link`, wish);
    if (status === 200) return `${a.admits.url}/#/join/${answer.secret}`;
    // Whoever made the room has asked the focus often already, and waits as long as they are told.
    if (answer?.errcode !== "M_LIMIT_EXCEEDED") throw new Error(`no link for guests: ${answer?.error ?? status}`);
    await pause(answer.retry_after_ms);
  }
}

function wait(guests) {
  const { people, all, site } = organisations;
  const lines = ["", "Two organisations are running. Open each link in a tab of its own, and join the call:", ""];
  for (const { user, name, title, password, account, organisation } of Object.values(people)) {
    lines.push(`  ${name}, ${title}`, `    Element Call  ${site.link(user)}`, `    Hanse's page  ${organisations[organisation].admits.url}`);
    lines.push(`    log-in        ${account.id}   password ${password}`, "");
  }
  lines.push("  A guest, without an account", `    link          ${guests}`, "    They wait until Alice lets them in, on Hanse's page.", "");
  for (const { title, homeserver, url } of all) {
    lines.push(`  ${title}`, `    homeserver    ${homeserver.name} (client API ${homeserver.url})`, `    Hanse         ${url}`, "");
  }
  lines.push(`  Settings and logs of this run: ${options.folder}`, "", "Ctrl-C stops everything.");
  console.log(lines.join("\n"));
  return new Promise(() => {});
}

function readOptions() {
  try {
    const text = { type: "string" };
    const flag = { type: "boolean", default: false };
    const { values } = parseArgs({
      options: { hanse: text, python: text, folder: text, pictures: text, check: flag, json: flag, mode: { ...text, default: MODES[0] }, "room-version": text },
    });
    for (const name of ["hanse", "python", "folder"]) if (!values[name]) throw new Error(`--${name} is missing`);
    if (!MODES.includes(values.mode)) throw new Error(`--mode must be one of ${MODES.join(", ")}`);
    return values;
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}
