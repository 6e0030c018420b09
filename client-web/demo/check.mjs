#!/usr/bin/env node
// Three people hold a call on the demo page, in headless Chromium with its fake camera and microphone.
//
//   node check.mjs --url http://localhost:8080 [--screenshots DIR]
//
// The page is used as a person uses it, by labels and buttons; what arrives is judged by the browser's own WebRTC
// statistics, not by what the page says. Prints a table and ends with 0 (all well) or 1. CHROMIUM names the browser.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { installProbe, readProbe } from "./probe.mjs";

/** How long a condition may take to become true, in milliseconds. Generous: a loaded machine is no failure. */
const PATIENCE_MS = 30_000;
/** Pause between two looks at a condition. */
const LOOK_MS = 250;
/** How long one listens before one says who was heard; the fake microphone beeps about once a second. */
const LISTEN_MS = 1500;
/** Audio energy below which that time was silent. A beep has 0.01 and more. */
const SILENCE = 1e-5;

const { values: options } = parseArgs({ options: { url: { type: "string" }, screenshots: { type: "string" } } });
if (!options.url) {
  console.error("--url is missing\nusage: check.mjs --url URL [--screenshots DIR]");
  process.exit(2);
}
if (options.screenshots) await mkdir(options.screenshots, { recursive: true });

const results = [];
/** When somebody last did something that others should see, as `Date.now()`. */
let actedAt = 0;
const room = `check-${process.pid}`;
const profile = await mkdtemp(join(tmpdir(), "hanse-check-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium",
  headless: true,
  locale: "en-GB",
  viewport: { width: 1280, height: 800 },
  permissions: ["camera", "microphone", "clipboard-read", "clipboard-write"],
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // The three pages are on one screen: none of them is in the background.
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=15",
  ],
});
await browser.addInitScript(installProbe);

try {
  await holdCall();
} catch (error) {
  results.push({ what: "the call went to its end", ok: false, figures: error.message.split("\n")[0] });
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}
report();

async function holdCall() {
  const ada = await enter("Ada", new URL(`/?room=${room}`, options.url));
  await shot(ada, "alone");
  const link = ada.page.url();
  judge("the link carries a key behind #", /#key=[\w-]{43}$/.test(link), "");
  const ben = await enter("Ben", link);
  await everybodyMeets([ada, ben], "two people");
  const cleo = await enter("Cleo", link);
  await everybodyMeets([ada, ben, cleo], "a late joiner");
  await shot(ada, "three");

  await press(ben, "Share screen");
  for (const viewer of [ada, cleo]) await sees(viewer, "Ben’s screen", "screen share");
  await shot(ada, "screen");

  await press(ben, "Microphone");
  for (const listener of [ada, cleo]) {
    await until(`${listener.name} is told that Ben’s microphone is off`, () => noteOn(listener, "Ben", "microphone off"));
    const other = listener === ada ? "Cleo" : "Ada";
    const heard = async () => String((await heardBy(listener)).filter((each) => !each.includes("screen"))) === other;
    await until(`${listener.name} hears ${other}, and silence from Ben`, heard);
  }
  await press(ben, "Camera");
  await until("Ada sees Ben’s initial in place of his camera", async () => (await tile(ada, "Ben"))?.track === null);
  await press(ben, "Share screen");
  await until("Ada sees the screen go", async () => (await tile(ada, "Ben’s screen")) === undefined);

  await press(cleo, "Leave");
  await until("Cleo is back in the lobby", () => cleo.page.getByRole("button", { name: "Join the call" }).isVisible());
  for (const left of [ada, ben]) {
    await until(`${left.name} sees Cleo go`, async () => (await tile(left, "Cleo")) === undefined);
  }
  await until("Ada and Ben go on", async () => (await tile(ben, "Ada"))?.fps > 0);
  await press(ben, "Camera");
  await sees(ada, "Ben", "camera on again");
}

/** Opens a page and joins; Ada’s address has no key yet, so that the page makes one. */
async function enter(name, address) {
  const page = name === "Ada" && browser.pages()[0] ? browser.pages()[0] : await browser.newPage();
  const person = { name, page, errors: [] };
  page.on("pageerror", (error) => person.errors.push(error.message));
  await page.goto(String(address));
  await page.getByLabel("Your name").fill(name);
  if (name === "Ada") await shot(person, "lobby");
  await press(person, "Join the call");
  await until(`${name} is in the call`, () => page.getByRole("button", { name: "Leave" }).isVisible());
  return person;
}

async function press({ page }, button) {
  actedAt = Date.now();
  await page.getByRole("button", { name: button }).click();
}

/** Everybody sees and hears everybody else, and receives nothing more than that. */
async function everybodyMeets(people, occasion) {
  for (const viewer of people) {
    for (const other of people) if (other !== viewer) await sees(viewer, other.name, occasion);
    const others = people.filter((each) => each !== viewer).map((each) => each.name);
    const heard = async () => String(await heardBy(viewer)) === String(others);
    await until(`${viewer.name} hears ${others.join(" and ")} (${occasion})`, heard);
    const { tiles, videos } = await viewer.page.evaluate(readProbe);
    const own = tiles.filter((each) => each.label.includes("(you)"));
    const theirs = tiles.filter((each) => !each.label.includes("(you)") && each.label.startsWith(viewer.name));
    const clean = own.length === 1 && theirs.length === 0 && videos.length === others.length;
    judge(`${viewer.name} receives nothing of their own (${occasion})`, clean, `${videos.length} video streams`);
  }
}

/** A tile shows pictures that arrived over the network, and they keep coming. */
async function sees(viewer, label, occasion) {
  let before;
  let seen;
  await until(
    `${viewer.name} sees ${label} (${occasion})`,
    async () => {
      seen = await tile(viewer, label);
      if (seen?.frames === undefined) return false;
      before ??= seen.frames;
      return seen.frames > before + 5 && seen.width > 0;
    },
    () => {
      const first = seen.firstFrameAt - actedAt;
      return `${seen.width} × ${seen.height}, ${seen.fps} fps${first > 0 ? `, first frame after ${first} ms` : ""}`;
    },
  );
}

async function tile(viewer, label) {
  const { tiles } = await viewer.page.evaluate(readProbe);
  return tiles.find((each) => each.label === label);
}

async function noteOn(viewer, label, note) {
  return (await tile(viewer, label))?.notes.includes(note);
}

/** Who is louder than silence for the next moment, in the order of the alphabet. */
async function heardBy(listener) {
  const before = await listener.page.evaluate(readProbe);
  await listener.page.waitForTimeout(LISTEN_MS);
  const after = await listener.page.evaluate(readProbe);
  const energyBefore = new Map(before.sounds.map((each) => [each.of, each.energy]));
  const loud = after.sounds.filter((each) => each.energy - (energyBefore.get(each.of) ?? 0) > SILENCE);
  return loud.map((each) => each.of).toSorted();
}

/** Waits until `condition` holds and writes down how long it took. */
async function until(what, condition, figures = () => "") {
  const begin = performance.now();
  while (performance.now() - begin < PATIENCE_MS) {
    if (await condition()) {
      const waited = `${((performance.now() - begin) / 1000).toFixed(1)} s`;
      return judge(what, true, [figures(), `waited ${waited}`].filter(Boolean).join(", "));
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  judge(what, false, `not within ${PATIENCE_MS / 1000} s`);
  throw new Error(`stopped at: ${what}`);
}

function judge(what, ok, figures) {
  results.push({ what, ok, figures });
}

async function shot({ page }, name) {
  if (options.screenshots) await page.screenshot({ path: join(options.screenshots, `${name}.png`) });
}

function report() {
  const width = Math.max(...results.map((each) => each.what.length));
  for (const { what, ok, figures } of results) console.log(`${ok ? "ok  " : "FAIL"}  ${what.padEnd(width)}  ${figures}`);
  const failed = results.filter((each) => !each.ok).length;
  console.log(failed === 0 ? `all ${results.length} judgements hold` : `${failed} of ${results.length} judgements fail`);
  process.exit(failed === 0 ? 0 : 1);
}
