// Meetings that a bot schedules between two organisations.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startBot } from "./meetings-bot.mjs";
import { startOrganisations } from "./organisations.mjs";
import { ANY_PORTS, choosePorts } from "./ports.mjs";
import { startSpeaker } from "./speaker.mjs";

const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
  { user: "carol", name: "Carol", organisation: "a" },
  { user: "dave", name: "Dave", organisation: "b" },
];

/** @type {import("./organisations.mjs").Organisations} */
let organisations;
/** @type {import("./meetings-bot.mjs").Bot} */
let bot;
/** @type {import("./speaker.mjs").Speaker} */
let alice;
/** @type {import("./speaker.mjs").Speaker} */
let bob;
let folder;

before(async () => {
  const [hanse, meetings, python] = ["HANSE_BIN", "HANSE_MEETINGS_BIN", "HANSE_HOMESERVER_PYTHON"].map((name) => process.env[name]);
  assert.ok(hanse && meetings && python, "HANSE_BIN, HANSE_MEETINGS_BIN and HANSE_HOMESERVER_PYTHON name executables: `cargo xtask test --only organisations` sets them");
  folder = await mkdtemp(join(tmpdir(), "hanse-meetings-"));
  const ports = await choosePorts(ANY_PORTS);
  organisations = await startOrganisations({ hanse, python, folder, ports, people: PEOPLE });
  bot = await startBot({ executable: meetings, organisation: organisations.a, folder, log: "info,hanse_meetings=debug" });
  [alice, bob] = await Promise.all(["alice", "bob"].map((user) => startSpeaker(organisations.people[user])));
});
after(async () => {
  await Promise.all([alice?.stop(), bob?.stop()]);
  await bot?.program.stop();
  if (process.env["KEEP"]) console.log(await bot?.program.log());
  await organisations?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("people of two organisations plan a meeting in an encrypted direct message", async () => {
  const room = await alice.directMessage(bot.id);
  const asked = await alice.say(room, `!meet tomorrow 14:00 45m "Budget" with ${bob.id} weekly`);
  const understood = await alice.hears("what the bot understood", { room, from: bot.id, after: asked }, ({ body }) => body.includes("Budget"));
  assert.ok(understood.sealed, "it answers sealed");
  console.log(understood.body);
  await alice.react(understood, "✅");
  const invited = await bob.hears("the invitation", { from: bot.id }, ({ body }) => body.includes("Budget") && body.includes("✅"));
  assert.ok(invited.sealed, "Bob is told sealed");
  console.log(invited.body);
  const file = await bob.hears("the file", { from: bot.id }, ({ msgtype }) => msgtype === "m.file");
  console.log(await bob.file(file));
});
