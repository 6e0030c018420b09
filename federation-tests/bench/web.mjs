// Hanse's page in a real Chromium between two organisations: how soon it can be used, how soon a second one who joins hears and sees the
// first, and what 25 people cost who are seen at once. Media is end-to-end encrypted, as in every encrypted room.
//
//   web.mjs [--json] [--joins N]
//
// Out: figures beside their targets, with --json as one line of JSON; exit code 1 when one is missed. `cargo xtask bench web` builds what it
// needs and names it by environment variables.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { until } from "../harness/until.mjs";
import { startParticipant } from "../organisations/native.mjs";
import { startOrganisations } from "../organisations/organisations.mjs";
import { openBrowser } from "../organisations/people.mjs";
import { ANY_PORTS, choosePorts } from "../organisations/ports.mjs";
import { pause } from "../organisations/program.mjs";
import { openWebPage } from "../organisations/web-person.mjs";

/** What must be reached: milliseconds, and shares of sound that was invented in place of what was lost. */
const TARGETS = { usable: 1000, audio: 1500, video: 2500, concealed: 0.01 };

/** So many people are seen at once. */
const TILES = 25;

/** What somebody on the page sends, larger than in tests. */
const CAMERA = { width: 640, height: 360, fps: 15 };

/** How long they are watched. */
const WATCH_S = 20;

/** Whoever joins: the machine has come to rest from what was before. */
const REST_MS = 3_000;

/** The page opens so often without anything in its cache. */
const OPENINGS = 5;

/** So many participants sign in at a time: the homeserver shares the machine. */
const AT_A_TIME = 5;

const PATIENCE_MS = 180_000;

/** Clock ticks of a processor in a second, as `/proc` counts (proc(5), `_SC_CLK_TCK`). */
const TICKS_PER_S = 100;

const { values: options } = parseArgs({ options: { json: { type: "boolean", default: false }, joins: { type: "string", default: "7" } } });
const { HANSE_BIN: hanse, HANSE_PARTICIPANT_BIN: participant, HANSE_HOMESERVER_PYTHON: python } = process.env;
const say = (sentence) => console.error(`bench web: ${sentence}`);

const tiles = Array.from({ length: TILES }, (_, index) => `tile${index + 1}`);
const PEOPLE = [
  { user: "alice", name: "Alice", organisation: "a" },
  { user: "bob", name: "Bob", organisation: "b" },
  ...tiles.map((user) => ({ user, name: user, organisation: "a" })),
];

/** What is to be closed at the end, last first; the harness of the tests expects the like. */
const closers = [];
const scope = { after: (close) => closers.push(close) };

const figures = [];
const note = (name, value, unit, target, digits = 0) => figures.push({ name, value: Number(value.toFixed(digits)), unit, target, is_met: target === null || value <= target });

try {
  await main();
} finally {
  for (const close of closers.toReversed()) await Promise.resolve(close()).catch(() => {});
}
print();

async function main() {
  const folder = await mkdtemp(join(tmpdir(), "hanse-bench-web-"));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const organisations = await startOrganisations({ hanse, python, folder, ports: await choosePorts(ANY_PORTS), people: PEOPLE, say });
  closers.push(() => organisations.stop());
  const browser = await openBrowser({ isMeasured: true });
  closers.push(() => browser.close());
  const here = { organisations, browser, participant, folder, held: [] };

  say("opening the page");
  const url = organisations.a.admits.url;
  const openings = [];
  for (let opening = 0; opening < OPENINGS; opening++) openings.push(await usableAfter(browser, url));
  note("the page can be used, cold, median", median(openings), "ms", TARGETS.usable);
  note("the page can be used, cold, slowest", Math.max(...openings), "ms", null);

  await joins(here, Number(options.joins));
  await many(here);
}

/** Milliseconds from the navigation until somebody can type their name. */
async function usableAfter(browser, url) {
  const { context, page } = await browser.visit({});
  await page.addInitScript(() => {
    const look = () => {
      if (document.querySelector("input[name=user]")) document.documentElement.dataset["usable"] = String(Math.round(performance.now()));
      else requestAnimationFrame(look);
    };
    look();
  });
  await page.goto(url);
  const usable = await page.waitForFunction(() => document.documentElement.dataset["usable"]);
  const after = Number(await usable.jsonValue());
  await context.close();
  return after;
}

/** Bob of B comes again and again to a call in which Alice of A is. */
async function joins(here, times) {
  say(`Alice waits in a call, and Bob joins ${times} times`);
  await here.organisations.room("Two", ["alice", "bob"], { followed: true });
  const alice = await person(here, "alice", { mark: 1, hertz: 440 });
  await alice.openRoom("Two");
  await alice.turnOn("microphone", "camera");
  await alice.join();
  await until("Alice is heard and seen at her SFU", async () => (await alice.sends()).length === 2, PATIENCE_MS);
  const bob = await person(here, "bob", { mark: 2, hertz: 660 });
  await bob.openRoom("Two");
  await bob.page.evaluate(() => {
    window.hanseProbe.listenForFirst();
    document.addEventListener("click", ({ target }) => {
      if (target instanceof Element && target.closest("[data-testid=join]")) document.documentElement.dataset["joined"] = String(Date.now());
    }, true);
  });
  const heard = [];
  const seen = [];
  for (let visit = 0; visit < times; visit++) {
    await bob.turnOn("microphone", "camera");
    await pause(REST_MS);
    await bob.page.getByTestId("join").click();
    const clicked = Number(await bob.page.evaluate(() => document.documentElement.dataset["joined"]));
    const first = (name) =>
      until(`Bob is reached by Alice's media (${name})`, async () => (await bob.page.evaluate((each) => window.hanseProbe[each](), name)).find((at) => at > clicked), PATIENCE_MS);
    const [sound, frame] = await Promise.all([first("firstSounds"), first("firstFrames")]);
    heard.push(sound - clicked);
    seen.push(frame - clicked);
    await bob.leave();
    await bob.page.getByRole("button", { name: "Join again" }).click();
    await bob.page.getByTestId("join").waitFor();
  }
  note("from click to sound, median", median(heard), "ms", TARGETS.audio);
  note("from click to sound, slowest", Math.max(...heard), "ms", null);
  note("from click to picture, median", median(seen), "ms", TARGETS.video);
  note("from click to picture, slowest", Math.max(...seen), "ms", null);
  await alice.leave();
  await alice.page.context().close();
  await bob.page.context().close();
}

/** Alice sees 25 people at once, 320 × 180 at 15 pictures a second, each with sound; her whole browser has one core. */
async function many(here) {
  if (availableParallelism() < 2) {
    say(`this machine has one core, which those would share who are seen: ${TILES} tiles are not measured`);
    return;
  }
  say(`${TILES} people come, who show a picture each`);
  const room = await here.organisations.room("Many", ["alice", ...tiles]);
  for (let first = 0; first < TILES; first += AT_A_TIME) {
    const some = tiles.slice(first, first + AT_A_TIME);
    await Promise.all(some.map(async (user) => (await startParticipant(here, scope, user, { room, args: ["--mode", "compatibility", "--send-only"] })).connected()));
  }
  // All of them have room on the screen; what is not shown is not sent.
  const alice = await person(here, "alice", { mark: 1, hertz: 440 }, { viewport: { width: 1920, height: 1080 } });
  await alice.openRoom("Many");
  await alice.join();
  const views = async (kind) => (await alice.page.evaluate(() => window.hanseProbe.counts())).filter((each) => each.kind === kind);
  await until("all are seen", async () => (await views("video")).filter(({ framesDecoded }) => framesDecoded > 0).length >= TILES, PATIENCE_MS);
  await until("all are heard", async () => (await views("audio")).filter(({ samples }) => samples > 0).length >= TILES, PATIENCE_MS);
  const browser = await processesOf(here.browser.group);
  const one = availableParallelism() - 1;
  for (const pid of browser) await promisify(execFile)("taskset", ["--all-tasks", "--pid", "--cpu-list", String(one), String(pid)]);
  await pause(REST_MS);

  say(`they are watched for ${WATCH_S} s`);
  const [began, soundBefore, picturesBefore, ticksBefore] = [performance.now(), await views("audio"), await views("video"), await ticks(browser)];
  await pause(WATCH_S * 1000);
  const [soundAfter, picturesAfter, ticksAfter] = [await views("audio"), await views("video"), await ticks(browser)];
  const seconds = (performance.now() - began) / 1000;
  note(`${TILES} tiles: sound that was invented`, (100 * grown(soundBefore, soundAfter, "concealed")) / grown(soundBefore, soundAfter, "samples"), "%", 100 * TARGETS.concealed, 2);
  note(`${TILES} tiles: people who are seen`, new Set(picturesAfter.filter(({ framesDecoded }) => framesDecoded > 0).map(({ id }) => id)).size, "people", null);
  note(`${TILES} tiles: pictures a second of each`, grown(picturesBefore, picturesAfter, "framesDecoded") / seconds / TILES, "", null, 1);
  note(`${TILES} tiles: of one core, the whole browser`, (100 * (ticksAfter - ticksBefore)) / TICKS_PER_S / seconds, "%", null);
}

/** By how much something has grown meanwhile, over all tracks. */
function grown(before, after, field) {
  return after.reduce((sum, each) => sum + each[field] - (before.find(({ id }) => id === each.id)?.[field] ?? 0), 0);
}

async function person(here, user, signs, wish = {}) {
  const opened = await openWebPage(here, scope, user, { ...CAMERA, ...signs }, wish);
  await opened.logIn();
  return opened;
}

/** What `/proc/pid/stat` says after the name: state, parent, group and so on (proc(5)); nothing of a process that is gone. */
async function stat(pid) {
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return line.slice(line.lastIndexOf(")") + 2).split(" ");
}

async function processesOf(group) {
  const found = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (Number((await stat(pid))[2]) === group) found.push(Number(pid));
  }
  return found;
}

/** Time that processes have had, user and system, in ticks. */
async function ticks(pids) {
  let sum = 0;
  for (const pid of pids) {
    const fields = await stat(pid);
    sum += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return sum;
}

function median(values) {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}

function print() {
  const missed = figures.filter(({ is_met }) => !is_met);
  if (options.json) {
    console.log(JSON.stringify({ figures }));
  } else {
    for (const { name, value, unit, target, is_met } of figures) {
      const wanted = target === null ? "" : `≤ ${target}${is_met ? "" : "  MISSED"}`;
      console.log(`${name.padEnd(46)}  ${String(value).padStart(8)}  ${unit.padEnd(6)}  ${wanted}`.trimEnd());
    }
  }
  if (missed.length > 0) {
    console.error(`targets are missed: ${missed.map(({ name }) => name).join("; ")}`);
    process.exitCode = 1;
  }
}
