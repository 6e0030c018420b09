// Somebody without an account comes by a link: from Hanse's page, where the link is made, to Hanse's page, where it leads, into a call
// with an unmodified Element Call. The guest has no mouse. What guests may not do is tried at the servers themselves (guests.mjs).
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { isForEverybody } from "./access.mjs";
import { keyboard } from "./hands.mjs";
import { entrance, everybodyMeets, hasNoTile, isGone, PATIENCE_MS, SIGNS, TEST_MS } from "./meeting.mjs";
import { pause } from "./program.mjs";
import { openPage, openWebPage } from "./web-person.mjs";

const NAME = "Grace Guest";

/** How often the focus looks at all guests, and a little more. */
const ROUND_MS = 11_000;

/** Registers the test. */
export function visit(here) {
  test("a guest comes by a link, waits, is let in from the call, meets everybody, and is nobody afterwards", { timeout: TEST_MS }, (t) => come(here, t));
}

async function come(here, t) {
  const present = {};
  const step = story(t, present);
  const { a, b, people, room: make } = here.organisations;
  const room = await make("Council chamber", ["alice", "bob"], { followed: true });
  await a.admits.reload({ guests: { allowed: true } });
  await people.alice.account.setState(room, "m.room.join_rules", { join_rule: "knock" });
  let alice, bob, grace, late, link, direct;
  await step("Alice on Hanse's page and Bob in Element Call meet", async () => {
    [alice, bob] = await Promise.all([openWebPage(here, t, "alice", SIGNS.alice), entrance(here, t, { room })("bob")]);
    await alice.logIn();
    await alice.openRoom("Council chamber");
    await alice.turnOn("microphone", "camera");
    await alice.join();
    await bob.join();
    Object.assign(present, { alice, bob });
    await everybodyMeets(present);
  });
  await step("she makes a link for one, whose secret is where no browser sends it to a server", async () => {
    await alice.choose("More", "Invite guests");
    await alice.page.getByRole("button", { name: "Make a link" }).click();
    await alice.page.getByText("To tell by telephone").waitFor();
    await isForEverybody(alice, "links for guests");
    link = new URL(await alice.page.getByLabel("The link", { exact: true }).inputValue());
    const secret = /^#\/join\/([\w-]{32})$/.exec(link.hash)?.[1];
    assert.ok(secret, link.hash);
    here.links.push(secret);
    assert.equal(link.origin, new URL(a.admits.url).origin);
  });
  await step("Grace opens it, reads who invites her to what and what becomes of what she says, and gives a name", async () => {
    grace = await openPage(here, t, link.href, SIGNS.grace, {}, keyboard);
    await grace.page.getByRole("heading", { name: "Council chamber" }).waitFor();
    const text = await grace.page.locator("main").innerText();
    for (const words of [`${a.homeserver.name} invites you`, "After the meeting the account is erased"]) assert.ok(text.replace(/[\u2068\u2069]/g, "").includes(words), text);
    await isForEverybody(grace, "what a link opens");
    await grace.type(grace.page.getByLabel("Your name"), NAME);
    await grace.press(grace.page.getByRole("button", { name: "Ask to be let in" }));
    await grace.page.getByRole("heading", { name: "Somebody will let you in" }).waitFor();
    await isForEverybody(grace, "waiting in the lobby");
  });
  await step("she waits, without a tile for anybody, until Alice lets her in", async () => {
    const letIn = alice.page.getByTestId("lobby").getByRole("button", { name: `Let in ${NAME}` });
    await letIn.waitFor();
    assert.deepEqual([await alice.tile("grace").count(), (await bob.tiles()).filter((name) => name.startsWith(NAME))], [0, []]);
    await isForEverybody(alice, "a call at whose door somebody waits");
    await letIn.click();
    await grace.page.getByTestId("join").waitFor();
  });
  await step("with everything off at the door she turns on what she wants, and all three meet", async () => {
    assert.equal(await grace.page.locator("[data-testid^=door-][aria-pressed=true]").count(), 0, "something is on at the door");
    // A blur that cannot be had leaves the camera off.
    await grace.page.route(/\.tflite$/, (route) => route.abort());
    const blur = grace.page.getByLabel("Blur what is behind me");
    await blur.focus();
    await grace.page.keyboard.press("Space");
    await grace.press(grace.page.getByTestId("door-camera"));
    await grace.page.getByText("what is behind you cannot be blurred here").waitFor();
    assert.equal(await grace.page.locator("[data-testid^=door-][aria-pressed=true]").count(), 0, "the camera is on unblurred");
    await blur.focus();
    await grace.page.keyboard.press("Space");
    await grace.page.locator("[data-testid=door-camera][aria-pressed=true]").waitFor();
    await grace.turnOn("microphone");
    await grace.join();
    Object.assign(present, { grace });
    await everybodyMeets(present);
  });
  await step("her tile says that she is a guest, and she is offered nothing that moderators do", async () => {
    const text = await alice.tileText("grace");
    for (const words of [NAME, "Guest"]) assert.ok(text.includes(words), text);
    const offered = await grace.page.locator("[data-testid=tile] details button").allTextContents();
    assert.deepEqual(offered.filter((entry) => /Mute|camera|Remove|sharing/.test(entry)), []);
    await grace.press(grace.page.getByLabel("More", { exact: true }));
    assert.equal(await grace.page.getByRole("button", { name: /Invite guests|End/ }).count(), 0);
  });
  await step("Alice writes to her alone, and she answers: it is a sealed conversation of these two, and nobody else has it", async () => {
    const [first, second] = ["Between the two of us, Grace", "Between the two of us, Alice"];
    const id = await alice.tile("grace").getAttribute("data-user");
    const offers = () => grace.tile("alice").locator("button", { hasText: "alone" }).count();
    assert.equal(await offers(), 0, "a guest begins nothing");
    await alice.choose("grace", /Write to .*Grace.* alone/);
    await alice.type(alice.page.getByRole("textbox", { name: /Message to .*Grace.* alone/ }), first);
    await Promise.all([grace.page.getByTestId("told").getByText(/Alice.* has written to you alone/).waitFor({ state: "attached" }), alice.page.keyboard.press("Enter")]);
    await grace.press(grace.page.getByTestId("call-chat"));
    await grace.press(grace.page.getByTestId("chat").getByRole("button", { name: /Alice/ }));
    await grace.page.getByTestId("chat").getByText(first).waitFor();
    await grace.page.getByText("As a guest you can answer in it").waitFor();
    await isForEverybody(grace, "a guest's conversation of two");
    await grace.type(grace.page.getByRole("textbox", { name: /Message to .*Alice.* alone/ }), second);
    await grace.page.keyboard.press("Enter");
    await alice.page.getByTestId("chat").getByText(second).waitFor();
    assert.equal(await offers(), 1);
    const { account } = people.alice;
    [direct] = (await account.ask(`user/${encodeURIComponent(account.id)}/account_data/m.direct`))[id];
    const state = await account.ask(`rooms/${encodeURIComponent(direct)}/state`);
    const there = state.flatMap(({ type, state_key: who, content }) => (type === "m.room.member" && content.membership === "join" ? [who] : []));
    assert.deepEqual(there.toSorted(), [account.id, id].toSorted());
    const events = await account.latest(direct);
    assert.equal(events.filter(({ type }) => type === "m.room.encrypted").length, 2);
    assert.ok(!JSON.stringify([...events, ...(await account.latest(room))]).includes("Between the two"), "a homeserver can read it");
    await assert.rejects(people.bob.account.latest(direct), /M_FORBIDDEN|M_NOT_FOUND/);
    // Longer than whoever looks after guests takes for a round.
    await pause(ROUND_MS);
    await account.sees(direct, id, "join");
    for (const person of [alice, grace]) {
      await person.press(person.page.getByTestId("chat").getByRole("button", { name: "Everybody" }));
      assert.ok(!(await person.page.getByTestId("chat").innerText()).includes("Between the two"), "it stands among what is everybody's");
      await person.press(person.page.getByTestId("call-chat"));
    }
  });
  const compare = async () => {
    await alice.press(alice.page.getByRole("button", { name: /Compare emoji with .*Grace/ }));
    await grace.press(grace.page.getByTestId("compare").getByRole("button", { name: "Compare", exact: true }));
    for (const person of [alice, grace]) await person.page.getByTestId("seven").waitFor();
  };
  await step("Alice and she compare emoji, and Alice says that they differ: both are warned, and nobody is verified", async () => {
    await alice.press(alice.page.getByTestId("panel-open"));
    await compare();
    await alice.press(alice.page.getByRole("button", { name: "They are different" }));
    for (const { page, press } of [alice, grace]) {
      const warning = page.getByRole("alert").filter({ hasText: "The emoji were different" });
      await warning.getByText("do not say anything confidential").waitFor();
      await press(warning.getByRole("button", { name: "Close" }));
    }
    assert.ok(!/verified/.test(await alice.tileText("grace")));
  });
  await step("they compare once more: each sees the same seven with their names, and her tile says that she is verified", async () => {
    await compare();
    const [hers, graces] = [await sevenOf(alice), await sevenOf(grace)];
    assert.deepEqual(hers, graces);
    assert.ok(hers.length === 7 && hers.every((each) => /[A-Z][a-z]+/.test(each)), JSON.stringify(hers));
    for (const person of [alice, grace]) await person.press(person.page.getByRole("button", { name: "They are the same" }));
    for (const person of [alice, grace]) await person.page.getByText("have seen the same").waitFor();
    await until("her tile says so", async () => /verified/.test(await alice.tileText("grace")), PATIENCE_MS);
    assert.ok(!/verified/.test(await alice.tileText("bob")));
    for (const person of [alice, grace]) await person.press(person.page.getByTestId("compare").getByRole("button", { name: "Close" }));
    await alice.press(alice.page.getByTestId("panel-open"));
  });
  await step("her browser has asked nobody but both organisations' servers", () => {
    const allowed = [a.admits.url, a.url, a.homeserver.url, b.admits.url, b.url].map((address) => new URL(address).origin);
    assert.deepEqual([...grace.asked].filter((origin) => !allowed.includes(origin)), []);
  });
  await step("she leaves and finishes: she is gone for the others, and her account for everybody", async () => {
    const id = await alice.tile("grace").getAttribute("data-user");
    await grace.leave();
    await grace.press(grace.page.getByRole("button", { name: "Finish, and erase" }));
    await grace.page.getByText("Your account for this meeting is being erased").waitFor();
    await isForEverybody(grace, "being gone");
    await grace.page.reload();
    const kept = () => grace.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name ?? ""));
    await until("her browser has none of her keys", async () => (await kept()).every((name) => !name.includes("hanse-guest")), PATIENCE_MS);
    delete present.grace;
    for (const other of [alice, bob]) await isGone(other, "grace");
    await hasNoTile(bob, "grace");
    const profile = `${a.homeserver.url}/_matrix/client/v3/profile/${encodeURIComponent(id)}`;
    await until("the homeserver knows her no more", async () => (await fetch(profile)).status === 404, PATIENCE_MS);
    await people.alice.account.sees(direct, id, "leave");
    await everybodyMeets(present);
  });
  await step("the link has let one in, and opens nothing any more", async () => {
    late = await openPage(here, t, link.href, {});
    await late.page.getByText("This link or code does not open anything").waitFor();
    await isForEverybody(late, "a link that opens nothing");
  });
  await step("what the server does with people's data is a link away, in their language", async () => {
    const english = await opened(late, "Privacy");
    assert.equal(await english.locator("html").getAttribute("lang"), "en");
    await isForEverybody({ page: english }, "what becomes of people's data");
    await late.page.getByRole("button", { name: "Deutsch" }).click();
    assert.equal(await (await opened(late, "Datenschutz")).locator("html").getAttribute("lang"), "de");
  });
  await step("the page can be installed, keeps nothing for that, and says a sentence where there is no network", async () => {
    const { page } = late;
    assert.deepEqual(await whyNotInstallable(page), []);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    assert.deepEqual(await page.evaluate(() => caches.keys()), []);
    await page.context().setOffline(true);
    await page.reload();
    await page.getByRole("heading", { name: "Hanse is not reached" }).waitFor();
    await isForEverybody(late, "without a network");
    await page.context().setOffline(false);
    await page.reload();
    await page.getByText("Dieser Link oder Code öffnet nichts").waitFor();
  });
}

/** What Chromium says against installing a page. @param {import("playwright-core").Page} page */
async function whyNotInstallable(page) {
  const devtools = await page.context().newCDPSession(page);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // Contexts of tests leave no trace, and nothing is installed in such.
  return installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito");
}

/** The emoji that somebody is to compare, with their names. */
function sevenOf({ page }) {
  return page.getByTestId("seven").locator("li").allInnerTexts();
}

/** The page to which a link of the page leads, in a tab of its own. */
async function opened({ page }, words) {
  const [tab] = await Promise.all([page.waitForEvent("popup"), page.getByRole("link", { name: words }).click()]);
  await tab.waitForLoadState();
  return tab;
}
