// Two people of two organisations hold a call, and it is judged: how soon they see each other, how well, and whether anybody
// but them could have.
import { readFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { until } from "../harness/until.mjs";
import { audit } from "./audit.mjs";
import { acquainted } from "./meeting.mjs";
import { openBrowser } from "./people.mjs";
import { pause } from "./program.mjs";
import { brokenSeal, frameKeys, framesOf } from "./sealed.mjs";
import { firstPictureMs, tokenTime } from "./timing.mjs";

/** What must be reached. */
export const REACH = { firstFrameMs: 4000, sfuMs: 300, framesPerSecond: 10, audioSeconds: 8, memoryMb: 60, tokenMs: 10 };

/** How long a call is watched. */
const WATCH_S = 10;
/**
 * The second one to join clicks so long after the first, and at most so long. Sooner, the machine that plays both people and both
 * homeservers is still busy with the first one's entrance.
 */
const APART_MS = { wanted: 5_000, most: 10_000 };

/** What everybody's camera shows and microphone hears. */
const SIGNS = { alice: { mark: 1, hertz: 440 }, bob: { mark: 2, hertz: 660 } };

/** How the type of a key event is written, today and in the proposal. */
const KEY_EVENTS = ["io.element.call.encryption_keys", "org.matrix.msc4143.rtc.encryption_key"];

/** Holds the call. Gives the figures, and what else there is to say: `{ figures, troubles, remarks }`. */
export async function check(organisations, { room, mode, python, say }) {
  const { a, b, all, people, site } = organisations;
  const troubles = [];
  const remarks = [];
  await Promise.all(all.map(({ homeserver }) => audit(python, "keep", homeserver.database)));
  const token = Math.max(await tokenTime(a.focus, people.alice.account, room), await tokenTime(b.focus, people.bob.account, room));
  remarks.push(`a token request takes ${token.toFixed(1)} ms`);
  if (token >= REACH.tokenMs) troubles.push(`a token request takes ${token.toFixed(1)} ms`);
  const browser = await openBrowser({ isMeasured: true });
  // Whoever judges a call does not hold it: what is measured goes first.
  setPriority(constants.priority.PRIORITY_LOW);
  try {
    say("Alice and Bob open Element Call");
    const link = (user) => site.link(user, { room, mode });
    const [alice, bob] = await acquainted(["alice", "bob"].map((user) => browser.open(link(user), SIGNS[user])));
    const aliceClicked = await alice.join();
    await until("Alice is heard and seen at her SFU", async () => (await alice.sends()).length === 2);
    await pause(aliceClicked + APART_MS.wanted - Date.now());
    // To look whether the call is there would keep his page from making it.
    const bobClicked = await bob.click();
    say("both have joined");
    const apart = bobClicked - aliceClicked;
    if (apart > APART_MS.most) troubles.push(`Bob could not click within ${APART_MS.most / 1000} s of Alice, but after ${apart} ms`);

    const directions = [
      { from: "alice", to: "bob", viewer: bob, organisation: a },
      { from: "bob", to: "alice", viewer: alice, organisation: b },
    ];
    const firsts = await Promise.all(directions.map(({ from, viewer }) => firstFrame(viewer, SIGNS[from])));
    say(`each sees the other; watching for ${WATCH_S} s`);
    const watched = await Promise.all(directions.map(({ from, viewer }) => watch(viewer, SIGNS[from])));
    const figures = await Promise.all(
      directions.map(async ({ from, to, organisation }, index) => ({
        from,
        to,
        first_frame_ms: firsts[index] - bobClicked,
        sfu_ms: await firstPictureMs(organisation.sfu),
        frames_per_second: watched[index].framesPerSecond,
        audio_seconds: watched[index].audioSeconds,
      })),
    );
    const memory = await Promise.all(all.map(({ sfu }) => memoryMb(sfu.pid)));
    remarks.push(`memory of each hanse: ${memory.map((each) => `${each.toFixed(0)} MB`).join(", ")}`);
    for (const each of memory) if (each >= REACH.memoryMb) troubles.push(`a hanse process takes ${each.toFixed(0)} MB`);

    say("judging keys and seals");
    const keys = await judgeKeys(directions, all, python, troubles);
    await Promise.all([alice.leave(), bob.leave()]);
    const sealed = await judgeSeals(directions, troubles);
    judgeFigures(figures, troubles);
    return { figures: { directions: figures, keys_by_olm: keys, sealed }, troubles, remarks };
  } finally {
    await browser.close();
  }
}

function judgeFigures(figures, troubles) {
  for (const { from, to, ...each } of figures) {
    const miss = (sentence) => troubles.push(`${from} to ${to}: ${sentence}`);
    if (!(each.first_frame_ms <= REACH.firstFrameMs)) miss(`the first frame came after ${each.first_frame_ms} ms`);
    if (!(each.sfu_ms !== null && each.sfu_ms <= REACH.sfuMs)) miss(`our part of it was ${each.sfu_ms} ms`);
    if (!(each.frames_per_second >= REACH.framesPerSecond)) miss(`${each.frames_per_second} frames a second`);
    if (!(each.audio_seconds >= REACH.audioSeconds)) miss(`${each.audio_seconds} of ${WATCH_S} seconds of sound were clean`);
  }
}

/** When the first picture of the other was shown; it has their mark. */
async function firstFrame(viewer, { mark }) {
  const [at] = await until("the first frame of the other arrives", async () => {
    const times = await viewer.firstFrames();
    return times.length > 0 && times;
  });
  await until("it is the other's picture", async () => (await viewer.view()).some((each) => each.picture?.mark === mark));
  return at;
}

/** Pictures that were decoded, and seconds of the other's tone without anything invented. */
async function watch(viewer, { hertz }) {
  const look = async () => {
    const tracks = await viewer.view();
    const [video, audio] = ["video", "audio"].map((kind) => tracks.find((each) => each.kind === kind));
    return { at: performance.now(), frames: video?.framesDecoded ?? 0, audio };
  };
  const first = await look();
  let before = first;
  let clean = 0;
  for (let second = 1; second <= WATCH_S; second++) {
    await pause(first.at + second * 1000 - performance.now());
    const now = await look();
    const played = (now.audio?.samples ?? 0) - (before.audio?.samples ?? 0);
    const invented = (now.audio?.concealed ?? 0) - (before.audio?.concealed ?? 0);
    const heard = now.audio?.tone != null && Math.abs(now.audio.tone - hertz) <= 10;
    if (played > 0 && invented === 0 && heard) clean += 1;
    before = now;
  }
  const seconds = (before.at - first.at) / 1000;
  return { framesPerSecond: Math.round(((before.frames - first.frames) / seconds) * 10) / 10, audioSeconds: clean };
}

/**
 * Media keys reach a device as Olm messages and in no other way: its sync had such messages and no key event in the clear,
 * Element Call was handed the sender's keys as decrypted ones, and no homeserver has seen a key or a key event.
 */
async function judgeKeys(directions, all, python, troubles) {
  const before = troubles.length;
  const words = [...KEY_EVENTS];
  for (const direction of directions) {
    const { from, to, viewer } = direction;
    const sender = (each) => each.sender.startsWith(`@${from}:`);
    const events = (await viewer.keys()).filter(sender);
    direction.keys = events.flatMap(({ content }) => content.keys ?? []);
    words.push(...direction.keys.map(({ key }) => key.replace(/=+$/, "")));
    const miss = (sentence) => troubles.push(`${from} to ${to}: ${sentence}`);
    if (direction.keys.length === 0) miss("no media key arrived");
    if (events.some((each) => each.encrypted !== true)) miss("a media key arrived that was not encrypted");
    const olm = viewer.arrived.filter((each) => each.olm && sender(each)).length;
    if (olm < events.length) miss(`${events.length} key events arrived in ${olm} Olm messages`);
    if (viewer.arrived.some((each) => KEY_EVENTS.includes(each.type))) miss("a key event arrived in the clear");
  }
  for (const { title, homeserver } of all) {
    const { places, olm } = await audit(python, "search", homeserver.database, words);
    if (places.length > 0) troubles.push(`${title}'s homeserver has media keys in the clear: ${places.join(", ")}`);
    if (olm === 0) troubles.push(`${title}'s homeserver has passed on no Olm message: nothing was judged`);
  }
  return troubles.length === before;
}

/** What each SFU forwarded, against the sender's keys. */
async function judgeSeals(directions, troubles) {
  const before = troubles.length;
  await Promise.all(
    directions.map(async ({ from, to, organisation, keys, viewer }) => {
      const frames = framesOf(await tapped(organisation.tapFile));
      const trouble = await brokenSeal(frames, await frameKeys(keys), SIGNS[from], viewer);
      if (trouble) troubles.push(`${from} to ${to}: ${trouble}`);
    }),
  );
  return troubles.length === before;
}

/** Every forwarded packet that the debug tap has written so far; the last line may be half written. */
export async function tapped(file) {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

async function memoryMb(pid) {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) / 1000;
}
