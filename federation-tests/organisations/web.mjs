// People on the page that Hanse serves, and people in unmodified Element Call, in one call. Alice has no mouse.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { standsStill, until } from "../harness/until.mjs";
import { isForEverybody } from "./access.mjs";
import { keyboard } from "./hands.mjs";
import { post } from "./knock.mjs";
import { entrance, everybodyMeets, hears, isGone, isUnheard, meets, PATIENCE_MS, sees, TEST_MS } from "./meeting.mjs";
import { changeNews, openWebPage } from "./web-person.mjs";

const ALICE = { mark: 1, hertz: 440 };

/** What nobody but people in the room may read. */
const WORDS = "Good morning to the whole council";

/** Registers the tests. */
export function web(here) {
  test("somebody on Hanse's page and somebody in Element Call see and hear each other, and the page asks nobody else", { timeout: TEST_MS }, (t) =>
    meet(here, t),
  );
}

/** By how much colours of neighbours differ, of 255, in a picture with edges and in one without. */
const SHARP = 120;
const SOFT = 60;

/** The largest difference between two pixels side by side of a small version of a video. @param {import("playwright-core").Locator} video */
function edgesOf(video) {
  return video.evaluate((element) => {
    const context = new OffscreenCanvas(96, 54).getContext("2d");
    if (!context) return 0;
    context.drawImage(/** @type {HTMLVideoElement} */ (element), 0, 0, 96, 54);
    const { data } = context.getImageData(0, 0, 96, 54);
    let largest = 0;
    for (let at = 4; at < data.length; at += 1) if (at % (4 * 96) >= 4) largest = Math.max(largest, Math.abs((data[at] ?? 0) - (data[at - 4] ?? 0)));
    return largest;
  });
}

/** Waits until a screen reader would say this. @param {{ page: import("playwright-core").Page }} person */
function told({ page }, words) {
  return page.getByTestId("told").getByText(words).waitFor({ state: "attached" });
}

/** Run in a page: from now on its connections know no way by UDP, as behind a firewall that lets none through. */
function letNoUdpThrough() {
  const { setRemoteDescription, addIceCandidate } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp = "" }) {
    const lines = sdp.split("\r\n").filter((line) => !/^a=candidate:.* udp /i.test(line));
    return setRemoteDescription.call(this, { type, sdp: lines.join("\r\n") });
  };
  RTCPeerConnection.prototype.addIceCandidate = async function (init) {
    if (!/ udp /i.test(init?.candidate ?? "")) await addIceCandidate.call(this, init);
  };
}

/** Has Alice's homeserver tell her that somebody is in her room and her call, and publishes at her organisation's SFU. */
async function lieAbout(alice, organisations, room, { id }) {
  const said = (type, key, content) => ({ type, state_key: key, sender: id, content, event_id: `$lie-${type}`, origin_server_ts: Date.now() });
  const lies = [
    said("m.room.member", id, { membership: "join", displayname: "Carol" }),
    said("org.matrix.msc3401.call.member", `_${id}_LIE_m.call`, {
      application: "m.call",
      call_id: "",
      scope: "m.room",
      device_id: "LIE",
      expires: 14_400_000,
      "m.call.intent": "video",
      focus_active: { type: "livekit", focus_selection: "multi_sfu" },
      foci_preferred: [{ type: "livekit", livekit_service_url: organisations.a.focus, livekit_alias: room }],
    }),
  ];
  let hasLied = false;
  await changeNews(alice.page, (answer) => {
    if (hasLied) return;
    hasLied = true;
    const joined = ((answer.rooms ??= {}).join ??= {});
    const news = (joined[room] ??= {});
    ((news.timeline ??= {}).events ??= []).push(...lies);
  });
  // It answers when there is something to say.
  const { account } = organisations.people.alice;
  const note = `user/${encodeURIComponent(account.id)}/account_data/org.example.note`;
  await until("her homeserver has lied", async () => {
    if (!hasLied) await account.ask(note, { at: Date.now() }, "PUT");
    return hasLied;
  });
}

async function meet(here, t) {
  const present = {};
  const step = story(t, present);
  const { organisations } = here;
  const room = await organisations.room("Council", ["alice", "bob"], { followed: true });
  let alice, bob;
  await step("Alice logs in at her organisation's page, with everything off at the door", async () => {
    alice = await openWebPage(here, t, "alice", ALICE, {}, keyboard);
    await alice.page.getByLabel("Password").waitFor();
    await isForEverybody(alice, "log-in");
    await alice.logIn();
    await isForEverybody(alice, "the rooms");
    await alice.openRoom("Council");
    assert.deepEqual(await alice.page.locator("[data-testid^=door-][aria-pressed=true]").count(), 0, "something is on at the door");
    const network = alice.page.getByTestId("network");
    await network.getByText(/reached directly \(UDP\), .?\d+.? ms there and back/).waitFor();
    await alice.press(alice.page.getByRole("button", { name: "Check the network" }));
    await network.getByText("That is enough for").waitFor();
    await alice.turnOn("microphone", "camera");
    await isForEverybody(alice, "the door");
  });
  await step("she and Bob in Element Call meet", async () => {
    bob = await entrance(here, t, { room })("bob");
    await alice.join();
    await Promise.all([told(alice, /Bob.* has joined/), bob.join()]);
    Object.assign(present, { alice, bob });
    await everybodyMeets(present);
  });
  await step("his tile says who he is, of which organisation, and what he may", async () => {
    const text = await alice.tileText("bob");
    for (const word of [organisations.people.bob.name, "organisation-b.localhost", "Participant"]) assert.ok(text.includes(word), text);
  });
  await step("the page says who can read it", async () => {
    await alice.press(alice.page.getByTestId("panel-open"));
    const text = await alice.page.getByTestId("panel").innerText();
    for (const { account } of [organisations.people.alice, organisations.people.bob]) assert.ok(text.includes(account.id), text);
    assert.match(text, /Only these .?2.? people can see and hear this call/);
    await isForEverybody(alice, "who can read it");
    await alice.page.keyboard.press("Escape");
    await alice.page.getByTestId("panel").waitFor({ state: "detached" });
    assert.equal(await alice.focus(), "panel-open", "the panel has kept the focus to itself");
  });
  await step("muted, she is not heard, and is again afterwards", async () => {
    await alice.toggle("microphone");
    await isUnheard(bob, "alice");
    await alice.toggle("microphone");
    await meets(bob, "alice");
  });
  await step("her hand goes up and down for him", async () => {
    const hand = bob.page.frameLocator('iframe[title="Element Call"]').getByText("✋");
    await alice.toggle("hand");
    await until("he sees it", async () => (await hand.count()) > 0, PATIENCE_MS);
    await alice.toggle("hand");
    await until("he does not see it any more", async () => (await hand.count()) === 0, PATIENCE_MS);
  });
  await step("her sign stands on her tile for him", async () => {
    const sign = bob.page.frameLocator('iframe[title="Element Call"]').getByText("👍");
    await alice.choose("React", "👍");
    await until("he sees it", async () => (await sign.count()) > 0, PATIENCE_MS);
  });
  await step("she quietens reactions alone: she sees his and is told nothing of it, and of his hand she is told", async () => {
    const { account } = organisations.people.bob;
    const membership = (await account.ask(`rooms/${encodeURIComponent(room)}/state`)).find(({ type, sender }) => type === "org.matrix.msc3401.call.member" && sender === account.id);
    const send = (type, content) => account.ask(`rooms/${encodeURIComponent(room)}/send/${type}/${Math.random()}`, content, "PUT");
    const react = () => send("io.element.call.reaction", { "m.relates_to": { rel_type: "m.reference", event_id: membership.event_id }, emoji: "👏", name: "clapping" });
    await alice.choose("More", "Announcements");
    await isForEverybody(alice, "announcements");
    await alice.page.getByLabel("reactions").focus();
    await alice.page.keyboard.press("Space");
    await Promise.all([alice.tile("bob").getByText("👏").waitFor(), react()]);
    const hand = { "m.relates_to": { rel_type: "m.annotation", event_id: membership.event_id, key: "🖐️" } };
    const [, { event_id: raised }] = await Promise.all([told(alice, /Bob.* has raised a hand/), send("m.reaction", hand)]);
    assert.ok(!(await alice.page.getByTestId("told").innerText()).includes("👏"), "what is quiet is told");
    await Promise.all([told(alice, /Bob.* has lowered a hand/), account.ask(`rooms/${encodeURIComponent(room)}/redact/${encodeURIComponent(raised)}/1`, {}, "PUT")]);
    await alice.page.keyboard.press("Space");
    await Promise.all([told(alice, /Bob.*👏/), react()]);
    await alice.page.keyboard.press("Escape");
  });
  await step("with everything blurred but people he sees no person, and nothing else either; then her picture again", async () => {
    await alice.choose("More", "Devices");
    const blur = alice.page.getByLabel("Blur what is behind me");
    const own = alice.tile("alice").locator("video");
    assert.ok((await edgesOf(own)) > SHARP);
    await blur.focus();
    await alice.page.keyboard.press("Space");
    let first = 0;
    await until("pictures come in which nothing is to be told", async () => {
      const video = (await bob.view()).find(({ kind }) => kind === "video");
      if (!video || video.picture !== null) return false;
      first ||= video.framesDecoded;
      return video.framesDecoded > first + 10;
    }, PATIENCE_MS);
    const edges = await edgesOf(own);
    assert.ok(edges > 0 && edges < SOFT, `between pixels there are ${edges}`);
    await blur.focus();
    await alice.page.keyboard.press("Space");
    await meets(bob, "alice");
    await alice.page.keyboard.press("Escape");
  });
  await step("she chooses by key who is large, and is told", async () => {
    const now = alice.page.getByTestId("layout-now");
    assert.match(await now.innerText(), /Grid/);
    await alice.page.keyboard.press("l");
    await alice.page.getByTestId("big").locator(`[data-user="${organisations.people.bob.account.id}"]`).waitFor();
    assert.match(await now.innerText(), /Whoever speaks/);
  });
  await step("the interpreter stays where they are, whatever she chooses", async () => {
    await alice.choose("bob", "Interpreter: always visible");
    const place = alice.page.getByTestId("interpreter");
    const before = await place.boundingBox();
    for (const layout of ["Grid", "Whoever speaks", "Spotlight"]) {
      await alice.choose("Layout", layout);
      assert.deepEqual(await place.boundingBox(), before, layout);
      await sees(alice, "bob");
    }
    await alice.choose("bob", "Not the interpreter any more");
    await alice.choose("Layout", "Grid");
    await meets(alice, "bob");
  });
  await step("what is not shown does not come, and everybody is heard", async () => {
    const size = alice.page.viewportSize();
    await alice.page.setViewportSize({ width: 390, height: 720 });
    await alice.press(alice.page.getByTestId("panel-open"));
    const pictures = async () => (await alice.view()).filter(({ kind }) => kind === "video").map(({ packets }) => packets);
    await standsStill("no packet of a picture comes", pictures);
    await hears(alice, "bob");
    await alice.press(alice.page.getByTestId("panel-open"));
    await meets(alice, "bob");
    await alice.page.setViewportSize(size);
  });
  await step("what she writes stands beside the call, and reaches the room sealed", async () => {
    await alice.write(WORDS);
    await alice.page.getByTestId("chat").getByText(WORDS).waitFor();
    const { account } = organisations.people.alice;
    const written = await until("it is in the room", async () => {
      const events = await account.latest(room);
      return events.find(({ type, sender }) => type === "m.room.encrypted" && sender === account.id) && events;
    }, PATIENCE_MS);
    assert.ok(!JSON.stringify(written).includes(WORDS), "the homeserver can read it");
    await isForEverybody(alice, "the chat");
    await alice.press(alice.page.getByTestId("chat").getByRole("button", { name: "Close" }));
    assert.equal(await alice.focus(), "call-chat");
  });
  await step("menus, devices and questions are for everybody, and Escape leaves all of them", async () => {
    const { page } = alice;
    await alice.choose("More", "Devices");
    await page.getByTestId("gear").getByRole("combobox").first().waitFor();
    await isForEverybody(alice, "devices");
    await page.keyboard.press("Escape");
    for (const menu of ["Share screen", /^More: .*Bob/]) {
      const button = page.locator("summary").and(page.getByLabel(menu, { exact: true }));
      await alice.press(button);
      await isForEverybody(alice, `the menu ${menu}`);
      await page.keyboard.press("Escape");
      assert.equal(await page.locator("details[open]").count(), 0, String(menu));
    }
    await alice.choose("Share screen", "The whole screen …");
    await isForEverybody(alice, "a question");
    await page.keyboard.press("Escape");
    await page.getByTestId("question").waitFor({ state: "detached" });
    assert.equal(await alice.focus(), "Share screen");
  });
  await step("she mutes him, and only he himself is heard again", async () => {
    await alice.choose("bob", "Mute microphone");
    await isUnheard(alice, "bob");
    await bob.switchMicrophone();
    await hears(alice, "bob");
  });
  await step("her browser has asked her page's server, her homeserver, and both servers of Bob's organisation, and nobody else", async () => {
    const { a, b } = organisations;
    const allowed = [a.admits.url, a.url, a.homeserver.url, b.admits.url, b.url].map((address) => new URL(address).origin);
    const others = [...alice.asked].filter((origin) => !allowed.includes(origin));
    assert.deepEqual(others, []);
    assert.ok([a.admits.url, a.homeserver.url, b.admits.url].every((address) => alice.asked.has(new URL(address).origin)), [...alice.asked].join(" "));
  });
  await step("a script of the page could not ask anybody else, and nothing can be put into it", async () => {
    const refused = await alice.page.evaluate(async () => {
      const tried = await Promise.allSettled([
        fetch("http://127.0.0.1:9/"),
        import(`data:text/javascript,${Math.random()}`),
        Promise.resolve().then(() => (document.createElement("div").innerHTML = "<b></b>")),
      ]);
      return tried.map(({ status }) => status);
    });
    assert.deepEqual(refused, ["rejected", "rejected", "rejected"]);
    assert.match(alice.headers["content-security-policy"], /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; /);
  });
  await step("whoever asks without being a browser is still told how the server is", async () => {
    const reply = await fetch(organisations.a.admits.url);
    assert.deepEqual({ status: reply.status, text: await reply.text() }, { status: 200, text: "OK" });
  });
  await step("once she has left she is gone for him", async () => {
    await alice.leave();
    delete present.alice;
    await isForEverybody(alice, "having left");
    await isGone(bob, "alice");
  });
  await step("she comes back, and his key is lost on the way: her page says so, asks for it again, and they meet", async () => {
    const letThrough = await alice.loseKeysFrom("bob");
    await alice.page.evaluate(letNoUdpThrough);
    await alice.comeBack();
    await until("her page says that it has asked", async () => /has been asked for again/.test(await alice.tileText("bob")), PATIENCE_MS);
    assert.equal(await alice.lack("bob"), "no-key");
    assert.ok((await letThrough()) > 0, "nothing was lost");
    await meets(alice, "bob");
    assert.equal(await alice.lack("bob"), null);
  });
  await step("her network lets no UDP through: the page says so, at the door and in the call, until she has read it", async () => {
    const detour = alice.page.getByTestId("detour");
    await detour.getByText("Your network blocks UDP, so TCP is used").waitFor();
    await isForEverybody(alice, "a network without UDP");
    await alice.press(detour.getByRole("button", { name: "Close" }));
    assert.equal(await detour.count(), 0);
  });
  await step("her network goes away and comes back: the page says so for as long as it lasts, and they meet again", async () => {
    const { page } = alice;
    await alice.toggle("microphone");
    await hears(bob, "alice");
    // Only what was lost is connected to once more.
    const again = page.waitForEvent("websocket", (socket) => socket.url().includes("/rtc"));
    await page.context().setOffline(true);
    await page.getByText("This device has no network").waitFor();
    await isForEverybody(alice, "a call without a network");
    await page.context().setOffline(false);
    await again;
    const waiting = page.getByText(/This device has no network|Connecting again|cannot be reached/);
    await until("nothing is waited for any more", async () => (await waiting.count()) === 0, PATIENCE_MS);
    await meets(alice, "bob");
    await hears(bob, "alice");
  });
  await step("her homeserver says that Carol is in the call, who is not even in the room: she is shown as a reader, and no server gives her a seat", async () => {
    const { a, b, people } = organisations;
    const carol = people.carol.account;
    await lieAbout(alice, organisations, room, carol);
    await alice.press(alice.page.getByTestId("panel-open"));
    const panel = alice.page.getByTestId("panel");
    await panel.getByText(/Only these .?3.? people can see and hear this call/).waitFor();
    for (const words of [carol.id, "LIE"]) await panel.getByText(words).waitFor();
    assert.ok(await alice.lack("carol"), "nothing of her is missing");
    for (const { focus } of [a, b]) {
      const body = { room, openid_token: await carol.openIdToken(), device_id: "LIE" };
      assert.equal((await post(`${focus}/sfu/get`, body)).status, 403);
    }
    assert.deepEqual((await bob.tiles()).filter((name) => name.includes(people.carol.name)), []);
    await alice.press(alice.page.getByTestId("panel-open"));
  });
  await step("she puts him out of the call", async () => {
    await alice.chooseAndConfirm("bob", "Remove from the call");
    await isGone(alice, "bob");
  });
}
