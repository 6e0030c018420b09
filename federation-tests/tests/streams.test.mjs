// What administrators are told of why somebody's picture is small (`hanse streams`, and the metric beside it), beside what that person
// sees: a narrow link, a small tile, a hidden one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sees, trackOf } from "../harness/judge.mjs";
import { openLink } from "../harness/link.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

/** More than a megabit a second in its largest layer. */
const CAMERA = { width: 640, height: 360, fps: 10, mark: 7, grain: true };
/** Of so small a picture livekit-client makes two layers. */
const WIDTHS = [160, 640];

const NARROW_BPS = 300_000;
/** What is said to be carried may be this much more: it is an estimate. */
const CARRIES_MAX = 1.5;

const ROOM = "!kitchen:org-a.example";

/** As the command says it of a video that its link makes small. */
const LINK = /^layer 1 of 2: the link carries (?<carries>[\d,]+) kbit\/s, with sound; layer 2 would need (?<needs>[\d,]+)$/;
const kilobits = (said) => Number(said.replace(",", ""));

const here = world({ focus: true });

test("hanse streams and the metric say why a picture is small, and say another reason when there is one", reasons);

async function reasons(t) {
  const { ada, ben } = await people(t, here.browser, ["ada", "ben"]);
  const step = story(t, { ada, ben });
  const link = await openLink({ mediaPort: here.hanse.mediaPort, down: { queueMs: 400 } });
  t.after(() => link.close());
  const [publisher, viewer] = await Promise.all(["ada", "ben"].map((name) => here.hanse.admit(name, ROOM)));
  const camera = () => trackOf(ben, publisher.identity, "camera");

  /** Waits until the one video there is said to be as `expected` has it, by both, and gives that. */
  const said = (reason, asked, expected) =>
    until(`the reason is ${reason}`, async () => {
      const { streams, left_off: leftOff } = JSON.parse(await here.hanse.ask("streams", viewer.call.slice(0, 12), "--json"));
      assert.deepEqual([streams.length, leftOff], [1, 0]);
      const [stream] = streams;
      const { subscriber, publisher: from, source } = stream;
      assert.deepEqual([subscriber, from, source], [viewer.user, publisher.user, "camera"]);
      assert.equal(stream.asked, asked);
      assert.match(stream.why, expected);
      const counted = await here.hanse.gauges("hanse_sfu_videos");
      const others = Object.entries(counted).filter(([, videos]) => videos > 0);
      assert.deepEqual(others, [[reason, 1]]);
      return expected.exec(stream.why);
    });
  /** What arrives is the layer that was said, counted from 1. */
  const arrives = async (layer) => {
    await until(`layer ${layer} arrives`, async () => {
      assert.equal((await camera())?.width, WIDTHS[layer - 1]);
      return true;
    });
    await sees(ben, publisher.identity, "camera", CAMERA.mark);
  };

  await step("on a link with room for all, the largest layer goes out, because it is what the tile asks for", async () => {
    await ada.join(publisher.seat);
    await ben.join({ ...viewer.seat, adaptive: true, through: link.port });
    await ada.publishPicture("camera", CAMERA, WIDTHS.slice(0, -1));
    await sees(ben, publisher.identity, "camera", CAMERA.mark);
    await ben.resize(publisher.identity, "camera", 640, 360);
    await said("wanted", "640x360", /^layer 2 of 2: it is what the subscriber asks for$/);
    await arrives(2);
  });
  await step("on a narrow link the reason is the link: what it carries, and what the next layer would need", async () => {
    link.shape({ down: { bitsPerSecond: NARROW_BPS } });
    const { carries, needs } = (await said("link", "640x360", LINK)).groups;
    t.diagnostic(`it carries ${carries} kbit/s, and the next layer would need ${needs}`);
    assert.ok(kilobits(carries) < (NARROW_BPS / 1000) * CARRIES_MAX, `${carries} of ${NARROW_BPS / 1000} kbit/s`);
    assert.ok(kilobits(needs) > kilobits(carries));
    await arrives(1);
  });
  await step("a small tile on the narrow link gets what it asks for", async () => {
    await ben.resize(publisher.identity, "camera", 160, 90);
    await said("wanted", "160x90", /^layer 1 of 2: it is what the subscriber asks for$/);
    await arrives(1);
  });
  await step("a large one again gets what the link carries", async () => {
    await ben.resize(publisher.identity, "camera", 640, 360);
    await said("link", "640x360", LINK);
  });
  await step("once the link is wide, the largest layer goes out, because it is what the tile asks for", async () => {
    link.shape({ down: { bitsPerSecond: Infinity } });
    await said("wanted", "640x360", /^layer 2 of 2: it is what the subscriber asks for$/);
    await arrives(2);
  });
  await step("a hidden tile gets nothing, because it is hidden", async () => {
    await ben.resize(publisher.identity, "camera", 0, 0);
    await said("hidden", "hidden", /^nothing: the subscriber hides it$/);
  });
  await step("people read the same as a table, and who is not in the call has no videos in it", async () => {
    const table = await here.hanse.ask("streams", viewer.call);
    assert.match(table, /^RECEIVES +FROM +SOURCE +ASKED FOR +GETS\n/);
    assert.ok(table.includes(viewer.user) && table.includes("nothing: the subscriber hides it"), table);
    const own = JSON.parse(await here.hanse.ask("streams", viewer.call, "--user", publisher.user, "--json"));
    assert.deepEqual(own.streams, [], "the publisher receives none");
  });
  await step("whoever leaves is counted no more", async () => {
    await ben.leave();
    await until("no video is counted", async () => Object.values(await here.hanse.gauges("hanse_sfu_videos")).every((videos) => videos === 0));
  });
}
