// Five people of two organisations in one call: a member, a moderator, a presenter, a guest, and somebody in an unmodified Element Call.
// The moderator does on Hanse's page what moderators do; whether it holds is asked of the servers, and of what arrives.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { isForEverybody } from "./access.mjs";
import { granted } from "./admission.mjs";
import { askToken, claims, moderate, outstay, participants, post } from "./knock.mjs";
import { Account } from "./matrix.mjs";
import { entrance, hears, isGone, isUnheard, isUnseen, meets, PATIENCE_MS, sees, SIGNS } from "./meeting.mjs";
import { pause } from "./program.mjs";
import { openPage, openWebPage } from "./web-person.mjs";

/** Five people's browsers take their time on a small machine. */
const TEST_MS = 900_000;

const ROOM = "Great hall";
const POLICY = "org.hanse.call_policy";

/** For as long it is watched that nothing reaches somebody, in milliseconds. */
const QUIET_MS = 3_000;

/** Registers the tests. */
export function moot(here) {
  test("five people of two organisations in one call: a moderator has their way, and nobody else", { timeout: TEST_MS }, (t) => meet(here, t));
}

/** How often the menu of somebody's tile has it that one writes to them alone. */
function offersToWrite(person, other) {
  return person.tile(other).locator("button", { hasText: "alone" }).count();
}

async function meet(here, t) {
  const present = {};
  const step = story(t, present);
  const { a, b, people, room: make } = here.organisations;
  const [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map((user) => people[user].account);
  // Carol moderates, and nobody has more power than she.
  const room = await make(ROOM, ["carol", "alice", "bob"], { followed: true, invited: ["dave"], powers: { carol: 50 } });
  await a.admits.reload({ guests: { allowed: true } });
  await carol.setState(room, "m.room.join_rules", { join_rule: "knock" });
  /** Asks both focuses for a seat. */
  const asks = (account) => Promise.all([a, b].map(({ focus }) => askToken(focus, account, room, "ANOTHERDEVICE")));
  const sources = async (account, { focus }) => claims(granted(here, await askToken(focus, account, room, "ANOTHERDEVICE")).jwt).video.canPublishSources;
  const others = (...without) => Object.keys(present).filter((who) => !without.includes(who));
  let grace;

  await step("Bob in Element Call, and Alice and Carol on the page, meet", async () => {
    const [one, two] = await Promise.all(["alice", "carol"].map((user) => openWebPage(here, t, user, SIGNS[user])));
    for (const person of [one, two]) {
      await person.logIn();
      await person.openRoom(ROOM);
    }
    await one.turnOn("microphone", "camera");
    await two.turnOn("microphone");
    Object.assign(present, { alice: one, carol: two, bob: await entrance(here, t, { room })("bob") });
    for (const person of Object.values(present)) await person.join();
    for (const viewer of ["alice", "carol"]) await meets(present[viewer], "bob");
    for (const viewer of ["bob", "carol"]) await meets(present[viewer], "alice");
    for (const viewer of ["alice", "bob"]) await hears(present[viewer], "carol");
  });

  await step("Grace comes by a link as a guest, and Carol lets her in", async () => {
    await present.carol.choose("More", "Invite guests");
    await present.carol.page.getByRole("button", { name: "Make a link" }).click();
    const link = await present.carol.page.getByLabel("The link", { exact: true }).inputValue();
    here.links.push(new URL(link).hash.replace("#/join/", ""));
    const page = await openPage(here, t, link, SIGNS.grace);
    // What her client has of the room until then says nothing of it, least of all that it is encrypted.
    await page.tellLate();
    await page.page.getByLabel("Your name").fill("Grace");
    await page.page.getByRole("button", { name: "Ask to be let in" }).click();
    await present.carol.page.getByTestId("lobby").getByRole("button", { name: "Let in" }).click();
    await page.page.getByTestId("join").waitFor();
    assert.equal(await page.page.getByText("End-to-end encrypted: no server").count(), 1);
    await page.turnOn("microphone");
    await page.join();
    present.grace = page;
    const { account } = await page.page.evaluate(() => JSON.parse(sessionStorage.getItem("hanse.guest")));
    here.links.push(account.token);
    grace = new Account(a.homeserver.url, account.userId, account.token);
    for (const viewer of others("grace")) await hears(present[viewer], "grace");
    for (const viewer of ["alice", "carol"]) assert.equal(await present[viewer].lack("grace"), null, "she is sealed");
  });

  await step("Alice writes to Carol alone: she is told and answers, it is a direct conversation of these two, and nobody else has it", async () => {
    const [first, second] = ["Between the two of us, Carol", "Between the two of us, Alice"];
    const [one, two] = [present.alice.page, present.carol.page];
    const offers = await Promise.all([[present.alice, "carol"], [present.alice, "grace"], [present.grace, "carol"]].map(([person, other]) => offersToWrite(person, other)));
    assert.deepEqual(offers, [1, 1, 0], "people with an account are offered it, and a guest to whom nobody has written is not");
    await present.alice.choose("carol", /Write to .*Carol.* alone/);
    await one.getByTestId("chat-readers").getByText(/Only you and .*Carol.* can read this/).waitFor();
    await isForEverybody(present.alice, "a conversation of two");
    await one.getByRole("textbox", { name: /Message to .*Carol.* alone/ }).fill(first);
    await Promise.all([two.getByTestId("told").getByText(/Alice.* has written to you alone/).waitFor({ state: "attached" }), one.keyboard.press("Enter")]);
    assert.match(await two.getByTestId("call-chat").innerText(), /1 new message/);
    await present.carol.press(two.getByTestId("call-chat"));
    assert.equal(await two.getByTestId("chat").getByText(first).count(), 0, "it stands among what is everybody's");
    await present.carol.press(two.getByTestId("chat").getByRole("button", { name: /Alice/ }));
    await two.getByTestId("chat").getByText(first).waitFor();
    await present.carol.type(two.getByRole("textbox", { name: /Message to .*Alice.* alone/ }), second);
    await two.keyboard.press("Enter");
    await one.getByTestId("chat").getByText(second).waitFor();
    const directs = await Promise.all([[alice, carol], [carol, alice]].map(async ([own, other]) => (await own.ask(`user/${encodeURIComponent(own.id)}/account_data/m.direct`))[other.id]));
    assert.deepEqual([directs[0].length, directs[1]], [1, directs[0]]);
    const [direct] = directs[0];
    const state = await carol.ask(`rooms/${encodeURIComponent(direct)}/state`);
    assert.deepEqual(state.filter(({ type }) => type === "m.room.member").map(({ state_key: id }) => id).toSorted(), [alice.id, carol.id].toSorted());
    assert.ok(state.some(({ type, state_key: of, content }) => type === "m.room.member" && of === carol.id && content.membership === "join"));
    const events = [...(await carol.latest(direct)), ...(await carol.latest(room))];
    assert.equal(events.filter(({ type, room_id: where }) => type === "m.room.encrypted" && where === direct).length, 2);
    for (const words of [first, second]) assert.ok(!JSON.stringify(events).includes(words), "a homeserver can read it");
    for (const account of [bob, dave, grace]) await assert.rejects(account.latest(direct), /M_FORBIDDEN|M_NOT_FOUND/);
    assert.ok(!(await present.grace.page.locator("body").innerText()).includes("Between the two"));
    for (const who of ["alice", "carol"]) {
      await present[who].press(present[who].page.getByTestId("chat").getByRole("button", { name: "Everybody" }));
      await present[who].press(present[who].page.getByTestId("call-chat"));
    }
  });

  await step("Carol locks the call: all see it, and nobody new gets a seat at either organisation", async () => {
    await dave.join(room);
    for (const { status } of await asks(dave)) assert.equal(status, 200, "it is open");
    await present.carol.choose("More", "Lock the call");
    for (const who of ["alice", "carol", "grace"]) await present[who].page.getByTestId("locked").waitFor();
    await until("Dave is refused by both", async () => {
      for (const { status, answer } of await asks(dave)) {
        assert.deepEqual([status, answer.errcode], [403, "M_FORBIDDEN"]);
        assert.match(answer.error, /^A moderator has locked this call/);
      }
      return true;
    });
    for (const account of [alice, bob, grace]) for (const reply of await asks(account)) granted(here, reply);
    for (const who of ["alice", "grace"]) assert.equal(await present[who].page.getByRole("button", { name: "Unlock" }).count(), 0);
  });
  await step("Dave's page says so at the door, and Alice, who was in it, may come back", async () => {
    const late = await openWebPage(here, t, "dave", SIGNS.dave);
    await late.logIn();
    await late.openRoom(ROOM);
    await late.page.getByText("This call is locked. You get in as soon as").waitFor();
    assert.ok(await late.page.getByTestId("join").isDisabled());
    await present.alice.leave();
    await present.alice.page.getByRole("button", { name: "Join again" }).click();
    await present.alice.turnOn("microphone", "camera");
    await present.alice.join();
    for (const viewer of ["bob", "carol"]) await meets(present[viewer], "alice");
    await hears(present.grace, "alice");
    present.dave = late;
  });
  await step("unlocked, Dave gets in", async () => {
    const late = present.dave;
    await present.carol.page.getByRole("button", { name: "Unlock" }).click();
    await until("his door is open", () => late.page.getByTestId("join").isEnabled(), PATIENCE_MS);
    await late.turnOn("microphone");
    await late.join();
    for (const viewer of others("dave")) await hears(present[viewer], "dave");
    for (const other of ["alice", "bob"]) await meets(late, other);
  });

  await step("screens are for presenters: Carol makes Dave one, he shares, and what he shares ends when she takes it away", async () => {
    await carol.setState(room, POLICY, { ...(await carol.state(room, POLICY)), screen: 50 });
    await until("he may not", async () => (await sources(dave, b))?.includes("screen_share") === false);
    await present.carol.choose("dave", "Make a presenter");
    await until("Alice sees it on his tile", async () => (await present.alice.tileText("dave")).includes("Presenter"));
    await until("he may", async () => (await sources(dave, b)) === undefined);
    const late = present.dave;
    await late.page.evaluate(() => (navigator.mediaDevices.getDisplayMedia = () => navigator.mediaDevices.getUserMedia({ video: true })));
    await late.choose("Share screen", "A window or a tab");
    for (const viewer of ["alice", "bob"]) await sees(present[viewer], "dave");
    await present.carol.choose("dave", "Not a presenter any more");
    for (const viewer of ["alice", "bob"]) await isUnseen(present[viewer], "dave");
    await hears(present.alice, "dave");
    assert.deepEqual((await sources(dave, b)).toSorted(), ["camera", "microphone"]);
  });
  await step("nobody gives themselves what Carol has not given, and a guest presents as a guest", async () => {
    for (const account of [alice, dave, grace]) {
      const rules = { ...(await carol.state(room, POLICY)), presenters: [account.id] };
      await assert.rejects(account.setState(room, POLICY, rules), /M_FORBIDDEN/);
      await assert.rejects(account.setState(room, POLICY, { presenters: [account.id] }, account.id), /M_FORBIDDEN/);
    }
    for (const who of ["alice", "grace"]) assert.equal(await present[who].page.locator("[data-testid=tile] button", { hasText: /presenter|Mute|Remove/ }).count(), 0);
    await present.carol.choose("grace", "Make a presenter");
    await until("her tile says both", async () => (await present.alice.tileText("grace")).includes("Guest, Presenter"));
    assert.equal(await sources(grace, a), undefined, "she may show a screen");
    for (const act of [{ action: "end" }, { action: "remove", user_id: alice.id }, { action: "mute", user_id: alice.id, source: "camera" }]) {
      assert.equal((await moderate(a.focus, grace, room, act)).status, 403);
    }
    assert.equal((await post(`${a.focus}/guest/link`, { room_id: room, openid_token: await grace.openIdToken() })).status, 403);
    await present.carol.choose("grace", "Not a presenter any more");
    await until("she may not any more", async () => (await sources(grace, a))?.includes("screen_share") === false);
  });

  await step("what people call themselves, the room, and each other is text: it runs nothing, turns nothing, and makes nobody another's", async () => {
    const markup = '<img src=x onerror="window.broken = 1">';
    await dave.ask(`profile/${encodeURIComponent(dave.id)}/displayname`, { displayname: `Carol \u202e\u2066(A)\u200b${markup}\n\nModerator` }, "PUT");
    await carol.setState(room, "m.room.name", { name: `\u202e${ROOM}\u200f ${markup}` });
    for (const viewer of ["alice", "carol"]) {
      const { page } = present[viewer];
      await page.getByRole("heading", { name: `${ROOM} ${markup}`, exact: true }).waitFor();
      const text = await until("his tile has the name", async () => {
        const seen = await present[viewer].tileText("dave");
        return seen.includes(markup) && seen;
      }, PATIENCE_MS);
      const lines = text.split("\n").map((line) => line.replace(/[\u2068\u2069]/g, ""));
      assert.ok(lines.includes(`Carol (A)${markup} Moderator`), text);
      assert.ok(lines.some((line) => line.includes("organisation-b.localhost · Participant")), text);
    }
    await present.dave.write(`${markup}\u202etxet`);
    await present.alice.page.getByTestId("call-chat").click();
    await present.alice.page.getByTestId("chat").getByText(`${markup}txet`, { exact: true }).waitFor();
    await present.alice.page.getByTestId("call-chat").click();
    for (const who of ["alice", "carol", "dave", "grace"]) {
      const found = await present[who].page.evaluate(() => [document.images.length, "broken" in window, document.title.includes("\u202e")]);
      assert.deepEqual(found, [0, false, false], who);
    }
  });

  await step("Carol mutes Alice; only Alice herself speaks again, and nobody can have her do so", async () => {
    await present.carol.choose("alice", "Mute microphone");
    await isUnheard(present.bob, "alice");
    for (const act of [{ action: "unmute", user_id: alice.id, source: "microphone" }, { action: "mute", muted: false, on: true, user_id: alice.id, source: "microphone" }]) {
      await moderate(a.focus, carol, room, act);
    }
    await pause(QUIET_MS);
    await isUnheard(present.bob, "alice");
    await present.alice.toggle("microphone");
    await hears(present.bob, "alice");
  });

  await step("with sound alone, every camera ends, also in Element Call, and nobody can publish one, not even the moderator", async () => {
    await present.carol.choose("More", "Meeting with sound alone");
    await present.carol.page.getByTestId("question").getByRole("button", { name: "Yes" }).click();
    for (const viewer of ["alice", "carol", "dave"]) await isUnseen(present[viewer], "bob");
    for (const viewer of ["bob", "carol", "dave"]) await isUnseen(present[viewer], "alice");
    for (const account of [carol, alice, grace]) assert.deepEqual(await sources(account, a), ["microphone"]);
    for (const who of ["alice", "carol", "dave", "grace"]) {
      await present[who].page.getByText("This meeting has sound alone").waitFor();
      assert.equal(await present[who].page.getByTestId("call-camera").count(), 0);
    }
    for (const viewer of others("bob")) await hears(present[viewer], "bob");
  });
  await step("in writing alone nobody is heard either, and all can write", async () => {
    await present.carol.choose("More", "Meeting in writing alone");
    await present.carol.page.getByTestId("question").getByRole("button", { name: "Yes" }).click();
    for (const viewer of others()) for (const other of others(viewer)) await isGone(present[viewer], other);
    for (const account of [carol, alice]) assert.equal(claims(granted(here, await askToken(a.focus, account, room)).jwt).video.canPublish, false);
    for (const who of ["alice", "dave"]) {
      await present[who].page.getByRole("textbox", { name: "Message" }).fill(`Hello from ${who}`);
      await present[who].page.keyboard.press("Enter");
    }
    for (const viewer of ["carol", "grace"]) for (const who of ["alice", "dave"]) await present[viewer].page.getByTestId("chat").getByText(`Hello from ${who}`).waitFor();
  });
  await step("with pictures again, Alice and Bob turn theirs on themselves", async () => {
    await present.carol.choose("More", "Meeting with pictures");
    await until("Alice is offered a camera", async () => (await present.alice.page.getByTestId("call-camera").count()) === 1, PATIENCE_MS);
    await until("Bob may", async () => (await sources(bob, b))?.includes("camera"), PATIENCE_MS);
    for (const source of ["camera", "microphone"]) await present.alice.toggle(source);
    await present.bob.switchCamera();
    for (const viewer of ["carol", "dave"]) {
      await meets(present[viewer], "alice");
      await sees(present[viewer], "bob");
    }
  });
  await step("Dave wants no pictures: he gets none, hears on, and the others get theirs", async () => {
    await present.dave.choose("More", "Receive no pictures");
    for (const other of ["alice", "bob"]) await isUnseen(present.dave, other);
    const packets = async () => (await present.dave.view()).filter(({ kind }) => kind === "video").reduce((sum, each) => sum + each.packets, 0);
    const before = await packets();
    await hears(present.dave, "alice");
    await sees(present.carol, "bob");
    assert.equal(await packets(), before, "pictures still reach him");
    await present.dave.page.getByRole("button", { name: "Receive pictures" }).click();
    await sees(present.dave, "alice");
  });

  await step("Carol removes Bob: not one packet reaches him any more, and what follows is sealed with a key that he does not have", async () => {
    const removed = present.bob;
    delete present.bob;
    const jwts = [...removed.held.jwts];
    const before = await present.alice.keyMaterial();
    await present.carol.chooseAndConfirm("bob", "Remove from the call");
    for (const viewer of others()) await isGone(present[viewer], "bob");
    for (const sfu of [a, b]) {
      const name = jwts.map(claims).find(({ iss }) => iss === sfu.key.name)?.video.room;
      if (name) await until("he is in neither SFU", async () => !(await participants(sfu, name)).some(({ identity }) => identity.startsWith(bob.id)));
    }
    // Whoever has gone gets what is on its way, and nothing after it.
    const received = async () => (await removed.view().catch(() => [])).reduce((sum, each) => sum + each.packets, 0);
    const first = await received();
    const seen = (await present.carol.view()).reduce((sum, each) => sum + each.packets, 0);
    await until("the others go on", async () => (await present.carol.view()).reduce((sum, each) => sum + each.packets, 0) > seen + 100, PATIENCE_MS);
    assert.equal(await received(), first);
    const fresh = await until("the call has new keys", async () => {
      const keys = (await present.alice.keyMaterial()).filter((key) => !before.includes(key));
      // One of each who is left.
      return new Set(keys).size >= others().length && keys;
    }, PATIENCE_MS);
    const his = (await removed.keys()).flatMap(({ content }) => [content.keys ?? content["media_key"]].flat()).map(({ key }) => key.replace(/=+$/, ""));
    assert.ok(his.some((key) => before.includes(key)), "he had the keys of before");
    for (const key of fresh) assert.ok(!his.includes(key), "he was given a key of afterwards");
    await meets(present.carol, "alice");
    for (const jwt of jwts) {
      const sfu = [a, b].find(({ key }) => key.name === claims(jwt).iss);
      await until("what he had opens the SFU no more", async () => (await outstay(sfu.url, jwt)) === 401);
    }
  });
  await step("Carol ends the call for all: everybody is told, and nobody is in it", async () => {
    const rooms = [a, b].map((sfu) => [sfu, Object.values(present).flatMap(({ held }) => held.jwts.map(claims)).find(({ iss }) => iss === sfu.key.name)?.video.room]);
    await present.carol.chooseAndConfirm("More", "End the call for everybody");
    for (const who of others()) await present[who].page.getByText("A moderator has ended the call").waitFor();
    for (const [sfu, name] of rooms) if (name) await until("nobody is there", async () => (await participants(sfu, name)).length === 0);
  });
}
