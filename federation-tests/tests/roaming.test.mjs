// A device that goes from one network to another: its media has a new address, and the call goes on where it was.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser } from "../harness/browser.mjs";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { inOwnNetwork } from "../harness/namespace.mjs";
import { enters, furnish, loses, losesAll, NETWORKS, SERVER } from "../harness/roaming.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { layWire } from "../harness/wire.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 320, height: 180, fps: 10 };
const SIGNS = { ada: { mark: 1, hertz: 440 }, ben: { mark: 2, hertz: 660 } };

/** Sound of this many packets: it flows. */
const PACKETS = 25;

/** @type {ReturnType<typeof world>} */
let here;
/** The browser of the device. Ben's is another one, which is reached whatever network the device has. */
/** @type {import("../harness/browser.mjs").Browser} */
let device;

inOwnNetwork(
  import.meta.filename,
  () => {
    here = world({ address: SERVER });
    before(async () => (device = await openBrowser({ devices: true })));
    after(() => device.close());
    for (const dual of [false, true]) {
      const form = dual ? "two peer connections" : "one peer connection";
      test(`whose network is another one, socket and all, comes again and is in the call there, with ${form}`, (t) => comesAgain(t, dual));
      test(`who has two networks and loses one goes on by the other without a word on the socket, with ${form}`, (t) => goesOn(t, dual));
    }
  },
  furnish,
);

async function comesAgain(t, dual) {
  const { ada, step, wire } = await twoPeople(t, `another-${dual}`, dual, ["wifi"]);
  await step("Wi-Fi is gone, and there is a mobile network", async () => {
    loses("wifi");
    enters("mobile");
    // A browser looks after its network by itself, and takes its time.
    await until("her browser knows", async () => {
      assert.deepEqual(await ada.person.ownAddresses(), [NETWORKS.mobile]);
      return true;
    });
  });
  await step("her socket breaks, too: she comes again, and so does her media", async () => {
    const told = await moves(t, "by coming again", ada, "mobile", () => {
      wire.cut();
      wire.mend();
    });
    assert.deepEqual(told, ["signal reconnecting", "reconnected"]);
  });
  await step("they still see and hear each other", () => meet(ada));
}

async function goesOn(t, dual) {
  const { ada, step } = await twoPeople(t, `two-${dual}`, dual, ["wifi", "mobile"]);
  await step("the network is gone by which her media went; her socket stays", async () => {
    const { address } = await trackOf(ada.person, "ben", "microphone");
    const [used, other] = address === NETWORKS.wifi ? ["wifi", "mobile"] : ["mobile", "wifi"];
    const told = await moves(t, "by ICE", ada, other, () => loses(used));
    assert.deepEqual(told, []);
  });
  await step("they still see and hear each other", () => meet(ada));
}

/** Ada on a device with these networks, and Ben, who see and hear each other. */
async function twoPeople(t, room, dual, networks) {
  for (const network of networks) enters(network);
  t.after(losesAll);
  const wire = await layWire(here.hanse.url);
  t.after(() => wire.close());
  const present = { ...(await people(t, device, ["ada"])), ...(await people(t, here.browser, ["ben"])) };
  const step = story(t, present);
  const ada = { person: present.ada, ben: present.ben };
  await step("two people meet", async () => {
    for (const [identity, url] of [["ada", wire.url], ["ben", here.hanse.url]]) {
      const { mark, hertz } = SIGNS[identity];
      await present[identity].join({ url, token: here.hanse.seat(identity, room), dual });
      await Promise.all([present[identity].publishPicture("camera", { ...CAMERA, mark }), present[identity].publishTone(hertz)]);
    }
    await meet(ada);
  });
  return { ada, step, wire };
}

async function meet({ person, ben }) {
  await sees(person, "ben", "camera", SIGNS.ben.mark);
  await hears(person, "ben", SIGNS.ben.hertz);
  await sees(ben, "ada", "camera", SIGNS.ada.mark);
  await hears(ben, "ada", SIGNS.ada.hertz);
}

const packets = async (viewer, identity) => (await trackOf(viewer, identity, "microphone")).packets;

const happenings = async (person) => (await person.happened()).map(({ event }) => event);

/**
 * After `change` media comes again both ways, hers by way of this network, with the session that she has, and Ben notices nothing
 * but a gap. Gives what she was told meanwhile.
 */
async function moves(t, how, { person, ben }, network, change) {
  const { sid } = await person.view();
  const [hers, his] = [(await person.happened()).length, (await ben.happened()).length];
  for (const [viewer, identity] of [[person, "ben"], [ben, "ada"]]) await viewer.timeGaps(identity, "microphone");
  change();
  const gone = await packets(ben, "ada");
  await until("her sound comes from the other network", async () => (await packets(ben, "ada")) > gone + PACKETS);
  await until("his sound comes there", async () => (await trackOf(person, "ben", "microphone")).address === NETWORKS[network]);
  const back = await packets(person, "ben");
  await until("and goes on", async () => (await packets(person, "ben")) > back + PACKETS);
  const gaps = (await Promise.all([person.timedGaps(), ben.timedGaps()])).flat();
  t.diagnostic(`${how}: she heard nothing for ${Math.round(gaps[0])} ms, Ben nothing of her for ${Math.round(gaps[1])} ms`);
  await until("her client is at rest", async () => (await person.view()).state === "connected");
  assert.equal((await person.view()).sid, sid, "it is the same session");
  assert.deepEqual((await ben.happened()).slice(his), [], "nobody else notices");
  return (await happenings(person)).slice(hers);
}
