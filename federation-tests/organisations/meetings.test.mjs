// Meetings that a bot schedules between two organisations: people say what they want, in encrypted rooms, and the meeting is held by
// Element Call in a room of which the bot is no member.
import assert from "node:assert/strict";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after as afterwards, before as beforehand, test } from "node:test";
import { until } from "../harness/until.mjs";
import { askToken } from "./knock.mjs";
import { acquainted, entrance, everybodyMeets, TEST_MS } from "./meeting.mjs";
import { startBot } from "./meetings-bot.mjs";
import { startOrganisations } from "./organisations.mjs";
import { openBrowser } from "./people.mjs";
import { ANY_PORTS, choosePorts } from "./ports.mjs";
import { startSpeaker } from "./speaker.mjs";

// Parts of the SDK that people have here do not ask for a logger of one's own.
for (const method of ["debug", "info", "log", "warn"]) console[method] = () => {};

const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
  { user: "carol", name: "Carol", organisation: "a" },
  { user: "dave", name: "Dave", organisation: "b" },
];

const MEETING = "org.hanse.meeting";

/** An answer is to be there after so long (the 95th percentile, on a quiet machine); a test waits longer, and says what it saw. */
const SHORT_MEETING_MS = 240_000;

/** Said in a meeting, and nowhere else. */
const CONFIDENCE = "the walls of the treasury are thin";

const here = {
  /** @type {import("./organisations.mjs").Organisations} */
  organisations: undefined,
  /** @type {import("./meetings-bot.mjs").Bot} */
  bot: undefined,
  /** @type {import("./speaker.mjs").Speaker} */
  alice: undefined,
  /** @type {import("./speaker.mjs").Speaker} */
  bob: undefined,
  /** @type {import("./people.mjs").Browser} */
  browser: undefined,
  folder: undefined,
  held: [],
  /** The direct message of Alice with the bot. */
  room: undefined,
  /** Where the meeting is held that is soon over. */
  short: undefined,
};

beforehand(async () => {
  const [hanse, executable, python] = ["HANSE_BIN", "HANSE_MEETINGS_BIN", "HANSE_HOMESERVER_PYTHON"].map((name) => process.env[name]);
  assert.ok(hanse && executable && python, "HANSE_BIN, HANSE_MEETINGS_BIN and HANSE_HOMESERVER_PYTHON name executables: `cargo xtask test --only organisations` sets them");
  here.folder = await mkdtemp(join(tmpdir(), "hanse-meetings-"));
  const ports = await choosePorts(ANY_PORTS);
  here.organisations = await startOrganisations({ hanse, python, folder: here.folder, ports, people: PEOPLE });
  const organisation = here.organisations.a;
  const settings = { close_after_min: 0, delete_after_days: 0, focus: `${new URL(organisation.focus).origin}` };
  here.bot = await startBot({ executable, organisation, folder: here.folder, settings, log: "info,hanse_meetings=debug" });
  [here.alice, here.bob] = await Promise.all(["alice", "bob"].map((user) => startSpeaker(here.organisations.people[user])));
  here.room = await here.alice.directMessage(here.bot.id);
});
afterwards(async () => {
  await here.browser?.close();
  await Promise.all([here.alice?.stop(), here.bob?.stop()]);
  await here.bot?.program.stop();
  await here.organisations?.stop();
  if (here.folder) await rm(here.folder, { recursive: true, force: true });
});

/** Alice says something to the bot in their direct message, and is answered with what contains `part`, sealed. */
async function ask(text, part, { room = here.room, speaker = here.alice, mentions = [] } = {}) {
  const asked = await speaker.say(room, text, mentions);
  const answer = await speaker.hears(`an answer to ${text}`, { room, from: here.bot.id, after: asked }, ({ body }) => body?.includes(part));
  assert.ok(answer.sealed, "it answers sealed");
  return answer;
}

/** Somebody says what is to be confirmed, and confirms it. */
async function agree(text, part, then, { room = here.room, speaker = here.alice } = {}) {
  const question = await ask(text, part, { room, speaker });
  await speaker.react(question, "✅");
  return speaker.hears(`${text}, agreed`, { room, from: here.bot.id, after: question.id }, ({ body }) => body?.includes(then));
}

/** Waits until somebody is told something by the bot, sealed. */
async function told(speaker, part, after) {
  const said = await speaker.hears(`the bot says ${part}`, { from: here.bot.id, after }, ({ body }) => body?.includes(part));
  assert.ok(said.sealed, "it is told sealed");
  return said;
}

/** The room of the meeting with this title, and what stands in it. One has to be in a room to see that: Alice joins those of meetings. */
function meetingRoom(title) {
  const { client } = here.alice;
  return until(`the room of ${title}`, async () => {
    for (const room of client.getRooms()) {
      // It may be closed before that.
      if (room.getMyMembership() === "invite") await client.joinRoom(room.roomId).catch(() => {});
      const content = room.currentState.getStateEvents(MEETING, "")?.getContent();
      if (content?.title === title && room.getMyMembership() === "join") return { room: room.roomId, content };
    }
    return undefined;
  });
}

/** What names a meeting in a file for calendars. */
const uid = (file) => /^UID:(.*)$/m.exec(file)[1];

/** The files that the bot has sent to somebody, opened. */
async function calendars(speaker) {
  const sent = speaker.heard().filter(({ msgtype, sender }) => msgtype === "m.file" && sender === here.bot.id);
  return Promise.all(sent.map((file) => speaker.file(file)));
}

test("a meeting that is soon over is planned first: what becomes of it is looked at later", async () => {
  await agree(`!meet in 1 minute 1m "Short" with ${here.bob.id}`, "Short", "planned");
  await told(here.bob, "Short");
  const { room } = await meetingRoom("Short");
  await here.organisations.people.bob.account.join(room);
  here.short = room;
});

test("people of two organisations plan, move and call off a repeating meeting in an encrypted direct message", async () => {
  const { alice, bob, organisations, bot } = here;
  // The clocks of Berlin go forward on 28 March 2027.
  const planned = await agree(`!meet 2027-03-25 14:00 45m "Budget" with ${bob.id} weekly until 2027-05-31`, "14:00–14:45 (Europe/Berlin), every week on Thursday", "planned");
  assert.ok(planned);
  const invited = await told(bob, "Budget");
  await bob.react(invited, "✅");
  await told(alice, `${bob.id} comes to Budget`);
  await ask("who 2", bob.id);

  const { room } = await meetingRoom("Budget");
  const { account } = organisations.people.alice;
  await until("his reply stands in the room", async () => (await account.state(room, MEETING)).people[bob.id] === "yes");
  const members = (await account.ask(`rooms/${encodeURIComponent(room)}/members`)).chunk.map(({ state_key: user, content: { membership } }) => `${user} ${membership}`);
  assert.deepEqual(members.toSorted(), [`${alice.id} join`, `${bob.id} invite`, `${organisations.a.homeserver.bridgeUser} join`].toSorted(), "the bot is not in it");
  const { devices } = await account.ask("keys/query", { device_keys: { [organisations.a.homeserver.bridgeUser]: [] } }).then(({ device_keys }) => ({ devices: device_keys }));
  assert.deepEqual(Object.keys(devices[organisations.a.homeserver.bridgeUser] ?? {}), [], "whoever owns the room has no device");
  assert.equal((await account.state(room, "m.room.power_levels")).users[alice.id], 100);
  assert.equal((await account.state(room, "m.room.encryption")).algorithm, "m.megolm.v1.aes-sha2");

  await agree("move 2 only on 2027-04-01 to 2027-04-02 15:00", "15:00", "moved");
  await told(bob, "1 April 2027");
  await agree("cancel 2 only on 2027-04-08", "8 April 2027", "not held");
  await told(bob, "not held on Thursday 8 April 2027");
  const last = await until("Bob has a file with both changes", async () => (await calendars(bob)).findLast((file) => file.includes("SEQUENCE:2")));
  const first = (await calendars(bob)).find((file) => file.includes("SUMMARY:Budget"));
  assert.equal(uid(first), uid(last), "it is the same meeting for a calendar");
  assert.match(first, /SEQUENCE:0/);
  assert.match(last, /EXDATE;TZID=Europe\/Berlin:20270408T140000/);
  assert.match(last, /RECURRENCE-ID;TZID=Europe\/Berlin:20270401T140000/);
  assert.match(last, /BEGIN:VTIMEZONE/);

  await agree("cancel 2", "all of them", "cancelled");
  await told(bob, "Budget is cancelled");
  const cancelled = await until("Bob's calendar is told", async () => (await calendars(bob)).findLast((file) => file.includes("METHOD:CANCEL")));
  assert.equal(uid(cancelled), uid(first));
  assert.ok(!(await bot.program.log()).includes("Budget"), "its log names no meeting");
});

test("what is not understood gets the sentence that helps", async () => {
  await ask("!meet Thursday \"Budget\"", "I miss the time at which it begins");
  await ask("!meet 2020-01-01 14:00", "is already over: say a time that is still to come");
  await ask("zone Europe/Berln", "Europe/Berlin");
  await ask("cancel 99", "list");
});

test("strangers do not command it, and it comes to none of their rooms", async () => {
  const { bob, bot } = here;
  const { room_id: room } = await bob.client.createRoom({ preset: "private_chat", invite: [bot.id] });
  await until("the bot has refused the invitation", () => bob.client.getRoom(room)?.getMember(bot.id)?.membership === "leave");
  const invited = await told(bob, "Budget");
  await ask("!meet tomorrow 14:00", "I may not plan meetings for people of", { room: invited.room, speaker: bob });
});

test("a meeting that is over is closed and deleted, and its organiser told who keeps what", { timeout: SHORT_MEETING_MS }, async () => {
  const { alice, bob, bot, organisations } = here;
  await told(alice, "Short begins now");
  await told(bob, "Short begins now");
  const closed = await alice.hears("the room is closed", { from: bot.id }, ({ body }) => body?.includes("The room of Short is closed"));
  assert.ok(closed.body.includes(domain(bob.id)), `it says who else keeps what was written: ${closed.body}`);
  await alice.hears("the room is left", { from: bot.id }, ({ body }) => body?.includes("Nobody is in the room of Short any more"));
  await until("Bob was shown out", async () => (await organisations.people.bob.account.state(here.short, "m.room.member", bob.id)).membership === "leave");
});

test("in an encrypted room people of both organisations plan, move and call off, and the bot hears nothing else", async () => {
  const { alice, bob, bot, organisations } = here;
  await bot.program.stop();
  await bot.startAgain({ allowed_homeservers: [domain(alice.id), domain(bob.id)] });
  const { room_id: room } = await alice.client.createRoom({
    preset: "private_chat",
    invite: [bot.id, bob.id, organisations.people.carol.account.id],
    initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
  });
  const isMember = (speaker, id) => speaker.client.getRoom(room)?.getMember(id)?.membership === "join";
  await bob.client.joinRoom(room);
  await organisations.people.carol.account.join(room);
  await until("the bot is in the room, and both see it", () => isMember(alice, bot.id) && isMember(bob, bot.id) && isMember(alice, bob.id));
  await alice.say(room, "list");
  const from = { room, speaker: bob };
  // The clocks of Berlin go forward on 28 March 2027.
  const question = await ask(`!treffen 25.3.2027 14 Uhr 90 Min "Haushalt" mit ${alice.id} jede Woche bis 31.5.2027`, "14:00–15:30", from);
  await alice.react(question, "✅");
  await bob.react(question, "✅");
  const planned = await bob.hears("it is planned", { room, from: bot.id, after: question.id }, ({ body }) => body?.includes("geplant"));
  assert.ok(planned.sealed);
  const { room: own } = await meetingRoom("Haushalt");
  assert.equal((await organisations.people.alice.account.state(own, "m.room.power_levels")).users[bob.id], 100, "whoever planned it may do everything in it");
  await told(alice, "Haushalt");
  await agree('!treffen verschiebe "Haushalt" nur am 1.4.2027 auf 2.4.2027 15 Uhr', "15:00", "Haushalt", from);
  const moved = await until("Alice has a file with the change", async () => (await calendars(alice)).findLast((file) => file.includes("SUMMARY:Haushalt") && file.includes("SEQUENCE:1")));
  assert.match(moved, /DTSTART;TZID=Europe\/Berlin:20270325T140000/);
  assert.match(moved, /RECURRENCE-ID;TZID=Europe\/Berlin:20270401T140000/);
  await ask("Meetings: wer kommt zu Haushalt", alice.id, { ...from, mentions: [bot.id] });
  await agree("!treffen absagen Haushalt", "Haushalt", "abgesagt", from);
  await until("Alice's calendar is told", async () => (await calendars(alice)).findLast((file) => file.includes("METHOD:CANCEL") && file.includes("SUMMARY:Haushalt")));

  const answers = alice.heard(room).filter(({ sender, type }) => sender === bot.id && type === "m.room.message");
  assert.equal(answers.length, 7, `it kept silent when it was not called, and when others answered its question: ${answers.map(({ body }) => body).join("\n")}`);
});

test("the bot is killed, its device and its store are lost, and the meeting is held by those who were invited", { timeout: TEST_MS }, async (t) => {
  const { bob, bot, organisations } = here;
  const { account } = organisations.people.alice;
  const masterKey = async () => (await account.ask("keys/query", { device_keys: { [bot.id]: [] } })).master_keys[bot.id].keys;
  const before = await masterKey();
  await agree(`!meet tomorrow 14:00 30m "Council" with ${bob.id}`, "Council", "planned");
  await told(bob, "Council");
  const { room } = await meetingRoom("Council");
  bot.program.kill();
  await organisations.people.bob.account.join(room);

  const { carol, dave } = organisations.people;
  for (const { user, status } of [{ user: "alice", status: 200 }, { user: "bob", status: 200 }, { user: "carol", status: 403 }, { user: "dave", status: 403 }]) {
    const { account: asking, organisation } = organisations.people[user];
    const answer = await askToken(organisations[organisation].focus, asking, room);
    assert.equal(answer.status, status, `${user}: ${JSON.stringify(answer.answer)}`);
  }
  assert.ok(carol && dave);

  here.browser = await openBrowser();
  const enter = entrance(here, t, { room });
  const [one, other] = await acquainted(["alice", "bob"].map((user) => enter(user)));
  await one.join();
  await other.join();
  await everybodyMeets({ alice: one, bob: other });

  // All is lost but the key that was to be copied to a safe place.
  const key = await readFile(join(bot.data, "recovery-key"));
  await rm(bot.data, { recursive: true });
  await bot.keepRecoveryKey(key);
  const { room_id: strangers } = await bob.client.createRoom({ preset: "private_chat", invite: [bot.id] });
  await bot.startAgain({ allowed_homeservers: [domain(here.alice.id)] });
  await until("a stranger's invitation from before is refused", () => bob.client.getRoom(strangers)?.getMember(bot.id)?.membership === "leave");
  await ask("list", "Council");
  assert.deepEqual(await masterKey(), before, "it is who it was");
});

test("nothing that was said in a meeting is in the bot's memory, nor in its store", async () => {
  const { alice, bot } = here;
  const { room } = await meetingRoom("Council");
  await until("Alice's client is in the room", () => alice.client.getRoom(room)?.getMyMembership() === "join");
  await alice.say(room, CONFIDENCE);
  // Whatever the bot hears comes in order: this is after it.
  await ask("list", "Council");
  const places = [await memory(bot.program.pid), ...(await files(bot.data))];
  const has = (text) => places.some((bytes) => bytes.includes(text));
  assert.ok(has("Council"), "what the bot knows is found in it");
  assert.ok(!has(CONFIDENCE), "what was said is not");
});

const domain = (id) => id.split(":").slice(1).join(":");

/** The memory of a process, as its kernel shows it. */
async function memory(pid) {
  const maps = (await readFile(`/proc/${pid}/maps`, "utf8")).split("\n").flatMap((line) => /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []);
  const file = await open(`/proc/${pid}/mem`, "r");
  const parts = [];
  try {
    for (let each = 0; each < maps.length; each += 3) {
      const [from, to] = [Number.parseInt(maps[each + 1], 16), Number.parseInt(maps[each + 2], 16)];
      const bytes = Buffer.alloc(to - from);
      // A part that is gone meanwhile cannot be read.
      const { bytesRead } = await file.read(bytes, 0, bytes.length, from).catch(() => ({ bytesRead: 0 }));
      parts.push(bytes.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return Buffer.concat(parts);
}

/** All files of a folder, and of those in it. */
async function files(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name))));
}
