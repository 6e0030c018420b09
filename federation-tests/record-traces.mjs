// Records what browsers tell of the packets that they get over links that we know, for the tests of the estimator
// (sfu/core/tests/traces.rs):
//
//   HANSE_BIN=… node record-traces.mjs FOLDER [NAME…]
//
// Writes NAME.trace for each of RUNS, or for those that are named: what became of the link and when, and behind it what went into
// the server's estimator, as the debug tap has it (sfu/core/src/tap.rs says how it is written). The machine should have nothing
// else to do: what it holds up looks like a queue.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hears, sees, seesAtWidth } from "./harness/judge.mjs";
import { openLink } from "./harness/link.mjs";
import { ADDRESS, inOwnNetwork } from "./harness/namespace.mjs";
import { people, world } from "./harness/world.mjs";

/** A megabit a second in all its layers' largest. */
const CAMERA = { width: 640, height: 360, fps: 10, mark: 7, grain: true };
const LAYERS = [160, 320];

/** What waits longer at a link is lost. */
const QUEUE_MS = 400;

const FAR = { delayMs: 150, jitterMs: 50, isOrdered: true };
const LOSSY = { loss: 0.05 };

/**
 * What a link is in turn, for so many seconds each once everything is seen and heard. What it carries is about the way down;
 * the rest is about both.
 */
const RUNS = {
  "chromium-steady": [[20, 1_000_000]],
  "chromium-fall": [
    [8, 3_000_000],
    [10, 300_000],
    [8, 3_000_000],
  ],
  "chromium-jitter": [[20, 3_000_000, FAR]],
  "chromium-loss": [[20, 3_000_000, LOSSY]],
  "firefox-steady": [[20, 1_000_000]],
  "firefox-fall": [
    [8, 3_000_000],
    [10, 300_000],
    [8, 3_000_000],
  ],
};

const [FOLDER, ...NAMES] = process.env["TRACES_FOLDER"]?.split("\n") ?? process.argv.slice(2);
// What is started inside the network has no arguments of its own, and the server writes where it is told to from its beginning.
if (FOLDER) process.env["TRACES_FOLDER"] = [FOLDER, ...NAMES].join("\n");
const RAW = (process.env["HANSE_DEBUG_TRACES"] ??= mkdtempSync(join(tmpdir(), "hanse-traces-")));

inOwnNetwork(import.meta.filename, () => {
  const here = world({ firefox: true, address: ADDRESS });
  for (const [name, plan] of Object.entries(RUNS)) {
    if (NAMES.length === 0 || NAMES.includes(name)) test(name, (t) => record(t, here, name, plan));
  }
  test("what the server wrote is gone", () => rm(RAW, { recursive: true }));
});

/** Ada publishes, and Ben sees and hears her over the link. Cleo sees over none when all layers are there. */
async function record(t, here, name, plan) {
  assert.ok(FOLDER, "name the folder for the traces");
  const [kind] = name.split("-");
  const { ada, cleo } = await people(t, here.browser, ["ada", "cleo"]);
  const { ben } = await people(t, kind === "firefox" ? here.firefox : here.browser, ["ben"]);
  const [, first] = plan[0];
  const { mediaPort } = here.hanse;
  const link = await openLink({ mediaPort, mediaHost: ADDRESS, at: { host: ADDRESS }, ...shape(plan[0]) });
  t.after(() => link.close());
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, name) });
  await Promise.all([ada.join(seat("ada")), cleo.join(seat("cleo"))]);
  await Promise.all([ada.publishTone(440), ada.publishPicture("camera", CAMERA, LAYERS)]);
  await seesAtWidth(cleo, "ada", "camera", CAMERA.width);
  await cleo.leave();
  const before = await readdir(RAW);
  await ben.join({ ...seat("ben"), through: link.port });
  await hears(ben, "ada", 440);
  await sees(ben, "ada", "camera", CAMERA.mark);

  /** @type {[number, number, Partial<import("./harness/link.mjs").Way>?][]} */
  const changes = [[0, first, plan[0][2]]];
  for (const step of plan) {
    const [seconds, bitsPerSecond, way] = step;
    if (step !== plan[0]) {
      link.shape(shape(step));
      changes.push([Date.now(), bitsPerSecond, way]);
    }
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
  const end = Date.now();
  await ben.leave();

  const files = (await readdir(RAW)).filter((file) => !before.includes(file));
  const texts = await Promise.all(files.map((file) => readFile(join(RAW, file), "utf8")));
  assert.equal(texts.length, 1, "Ben alone came and was sent something");
  const [text] = texts;
  const program = kind === "firefox" ? (process.env["FIREFOX"] ?? "firefox-esr") : (process.env["CHROMIUM"] ?? "/usr/bin/chromium");
  const version = execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  await writeFile(join(FOLDER, `${name}.trace`), trace(version, text, changes, end));
}

/** A step of a plan for a link. */
function shape([, bitsPerSecond, way = {}]) {
  return { up: way, down: { ...way, bitsPerSecond, queueMs: QUEUE_MS } };
}

/** The recording as it is kept: nothing in it says when it was made. */
function trace(version, text, changes, end) {
  const [head, ...lines] = text.split("\n").filter(Boolean);
  const epoch = Number(/^epoch (\d+)$/.exec(head)[1]);
  const kept = [`# ${version}`];
  for (const [at, bitsPerSecond, { loss = 0, delayMs = 0, jitterMs = 0 } = {}] of changes) {
    kept.push(`link ${Math.max(0, at - epoch)} ${bitsPerSecond / 1000} ${loss} ${delayMs} ${jitterMs}`);
  }
  kept.push(`end ${end - epoch}`);
  let now = 0;
  for (const line of lines) {
    now += Number(/^.(\d*)/.exec(line)[1]) / 1000;
    if (now > end - epoch) break;
    kept.push(line);
  }
  return `${kept.join("\n")}\n`;
}
