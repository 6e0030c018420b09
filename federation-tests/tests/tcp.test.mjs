// People whose network lets no UDP through: their media goes over TCP (RFC 6544), and that of everybody else does not.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser } from "../harness/browser.mjs";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 640, height: 360, fps: 15 };
const SIGNS = { ada: { mark: 1, hertz: 440 }, ben: { mark: 2, hertz: 660 }, cleo: { mark: 3, hertz: 880 } };

const here = world({ simulate: true });
/** @type {import("../harness/browser.mjs").Browser} */
let walled;
before(async () => (walled = await openBrowser({ udp: false })));
after(() => walled.close());

for (const [form, dual] of [["one connection", false], ["a connection each way", true]]) {
  test(`people without UDP are in a call with others over TCP, with ${form}`, async (t) => {
    const present = { ...(await people(t, walled, ["ada", "ben"])), ...(await people(t, here.browser, ["cleo"])) };
    for (const [identity, person] of Object.entries(present)) {
      await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, `tcp-${dual}`), dual });
      const { mark, hertz } = SIGNS[identity];
      await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }, [320]), person.publishTone(hertz)]);
    }
    for (const [identity, person] of Object.entries(present)) {
      for (const other of Object.keys(present).filter((each) => each !== identity)) {
        await sees(person, other, "camera", SIGNS[other].mark);
        await hears(person, other, SIGNS[other].hertz);
        const transports = await Promise.all(["camera", "microphone"].map((source) => trackOf(person, other, source)));
        const expected = identity === "cleo" ? "udp" : "tcp";
        assert.deepEqual(transports.map(({ transport }) => transport), [expected, expected], identity);
      }
    }
  });
}

for (const [form, dual] of [["one connection", false], ["a connection each way", true]]) {
  test(`a client that tries TCP out is back over it by itself, with ${form}`, async (t) => {
    const present = await people(t, here.browser, ["ada", "ben"]);
    for (const [identity, person] of Object.entries(present)) {
      await person.join({ url: here.hanse.url, token: here.hanse.seat(identity, `tried-${dual}`), dual });
      await person.publishPicture("camera", { ...CAMERA, mark: SIGNS[identity].mark }, [320]);
    }
    const transports = async () => {
      const of = {};
      for (const [identity, other] of [["ada", "ben"], ["ben", "ada"]]) {
        await sees(present[identity], other, "camera", SIGNS[other].mark);
        of[identity] = (await trackOf(present[identity], other, "camera")).transport;
      }
      return of;
    };
    assert.deepEqual(await transports(), { ada: "udp", ben: "udp" });
    const { sid } = await present.ada.view();
    await present.ada.simulate("force-tcp");
    await until("she has another session", async () => {
      const view = await present.ada.view();
      return view.state === "connected" && view.sid !== sid;
    });
    assert.deepEqual(await transports(), { ada: "tcp", ben: "udp" });
  });
}
