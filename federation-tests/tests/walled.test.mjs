// People behind a wall that lets no UDP through, with clients that find their way by themselves: Firefox, and LiveKit's SDKs for
// Python and Node.js. (tcp.test.mjs has Chromium.)
import assert from "node:assert/strict";
import { test } from "node:test";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { openLink } from "../harness/link.mjs";
import { ADDRESS, inOwnNetwork } from "../harness/namespace.mjs";
import { nodePerson, pythonPerson } from "../harness/sdk.mjs";
import { story } from "../harness/story.mjs";
import { buildWall, stopped } from "../harness/wall.mjs";
import { people, world } from "../harness/world.mjs";

const CAMERA = { width: 640, height: 360, fps: 15 };
const SIGNS = {
  fia: { mark: 1, hertz: 440 },
  pia: { mark: 2, hertz: 660 },
  nils: { mark: 3, hertz: 880 },
  cleo: { mark: 4, hertz: 1100 },
};

inOwnNetwork(import.meta.filename, () => {
  const here = world({ firefox: true, address: ADDRESS });
  let isBuilt = false;
  /** The wall can be built once the server has its port. */
  const wall = () => {
    if (!isBuilt) buildWall({ host: ADDRESS, ...here.hanse });
    isBuilt = true;
  };
  for (const [form, dual] of /** @type {const} */ ([["one connection", false], ["a connection each way", true]])) {
    test(`people with Firefox and the SDKs whose network stops UDP are in a call with others over TCP, with ${form}`, (t) => {
      wall();
      return walled(t, here, dual, `walled-${dual}`);
    });
  }
});

async function publish(person, { mark, hertz }) {
  await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }, [320]), person.publishTone(hertz)]);
}

async function walled(t, here, dual, room) {
  const outside = await openLink({ mediaPort: here.hanse.mediaPort, at: { host: ADDRESS } });
  t.after(() => outside.close());
  const present = {};
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room), dual });
  /** Everybody present sees and hears everybody else, who is told over which transport. */
  const everybodyMeets = async () => {
    for (const [viewer, person] of Object.entries(present)) {
      for (const other of Object.keys(present).filter((each) => each !== viewer)) {
        await sees(person, other, "camera", SIGNS[other].mark);
        await hears(person, other, SIGNS[other].hertz);
        const transports = await Promise.all(["camera", "microphone"].map((source) => trackOf(person, other, source)));
        // The Node SDK does not tell.
        const expected = { cleo: "udp", fia: "tcp", pia: "tcp", nils: undefined }[viewer];
        assert.deepEqual(transports.map(({ transport }) => transport), [expected, expected], viewer);
      }
    }
  };
  /** Somebody comes who is behind the wall. */
  const comes = async (identity, enter) => {
    const earlier = stopped();
    present[identity] = await enter();
    await everybodyMeets();
    assert.ok(stopped() > earlier, `${identity} tried UDP, and the wall stopped it`);
  };
  await step("somebody outside the wall is there", async () => {
    const { cleo } = await people(t, here.browser, ["cleo"]);
    await cleo.join({ ...seat("cleo"), through: outside.port });
    await publish(cleo, SIGNS.cleo);
    present.cleo = cleo;
  });
  await step("somebody with Firefox behind it sees and hears them over TCP, and is seen and heard", () =>
    comes("fia", async () => {
      const { fia } = await people(t, here.firefox, ["fia"]);
      await fia.join(seat("fia"));
      await publish(fia, SIGNS.fia);
      return fia;
    }));
  await step("so does somebody with the Python SDK", () => comes("pia", () => pythonPerson(t, { ...seat("pia"), ...SIGNS.pia })));
  if (dual) return;
  const { dual: _, ...only } = seat("nils");
  await step("so does somebody with the SDK for Node.js", () => comes("nils", () => nodePerson(t, { ...only, ...SIGNS.nils })));
}
