// Somebody proves to their organisation's own log-in who they are, a real OpenID provider behind the homeserver, and is on Hanse's page with that.
// What a link with somebody else's proof does is tried, too: it must log nobody in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { claims, participants, post } from "./knock.mjs";
import { PATIENCE_MS, TEST_MS } from "./meeting.mjs";
import { openPage } from "./web-person.mjs";

/** What the page keeps of who is logged in. */
const ACCOUNT = "hanse.account";

/** Registers the test. */
export function singleSignOn(here) {
  test("somebody logs in where their organisation does, and nobody by somebody else's proof", { timeout: TEST_MS }, (t) => logIn(here, t));
}

async function logIn(here, t) {
  const step = story(t, {});
  const { a, people, room: make } = here.organisations;
  const alice = people.alice.account;
  const room = await make("Reception", ["alice"]);
  const [erikaId, malloryId] = ["erika", "mallory"].map((name) => `@${name}:${a.homeserver.name}`);
  let erika, mallory;
  await step("Erika, who has no password at the homeserver, proves to her organisation who she is, and is among her rooms", async () => {
    erika = await openPage(here, t, `${a.admits.url}/#/room/${encodeURIComponent(room)}`, {});
    await prove(erika, "erika");
    // The homeserver makes her account with that, and nobody has invited her yet.
    await follow(here, erika);
    await erika.page.getByText("This room cannot be opened").waitFor();
    await alice.act(room, "invite", erikaId);
    await erika.press(erika.page.getByRole("button", { name: "Try again" }));
    await erika.page.getByRole("heading", { name: "Your rooms" }).waitFor();
    assert.equal(JSON.parse(await kept(erika)).userId, erikaId);
  });
  await step("the token that let her in is neither in the address nor in the history", async () => {
    assert.equal(erika.page.url(), `${a.admits.url}/`);
    const devtools = await erika.page.context().newCDPSession(erika.page);
    const { entries } = await devtools.send("Page.getNavigationHistory");
    assert.deepEqual(entries.map(({ url }) => url).filter((url) => /loginToken/.test(url)), []);
    assert.ok(entries.some(({ url }) => url.startsWith(here.provider.issuer)), "she has not been at the provider");
  });
  await step("she takes part in a call, and then logs out", async () => {
    await erika.press(erika.page.getByRole("button", { name: "Reception" }));
    await erika.page.getByTestId("join").waitFor();
    await erika.join();
    const { video, sub } = await until("she has a seat", () => erika.held.jwts.map(claims).find(({ video: { canPublish } }) => canPublish), PATIENCE_MS);
    await until("she is there", async () => (await participants(a, video.room)).some(({ identity }) => identity === sub), PATIENCE_MS);
    await erika.leave();
    await erika.press(erika.page.getByRole("button", { name: "To the rooms" }));
    await erika.press(erika.page.getByRole("button", { name: "Log out" }));
    await erika.page.getByRole("heading", { name: "Log in", exact: true }).waitFor();
    assert.equal(await kept(erika), null);
  });
  let link;
  await step("Mallory proves who she is, and keeps the link that lets her in", async () => {
    mallory = await openPage(here, t, a.admits.url, {});
    await prove(mallory, "mallory");
    link = await linkOf(here, mallory);
  });
  await step("a token that nobody has asked for logs nobody in", async () => {
    await erika.page.goto(`${a.admits.url}/?loginToken=${link.searchParams.get("loginToken")}`);
    await isNobody(here, erika);
  });
  await step("neither does one that comes while Erika is just proving who she is, nor one with Mallory's state", async () => {
    for (const state of ["guessed", link.searchParams.get("state")]) {
      await erika.press(erika.page.getByRole("button", { name: "Log in again" }));
      await erika.press(erika.page.getByRole("button", { name: "Continue at" }));
      // The provider knows her still.
      await linkOf(here, erika);
      await erika.page.goto(`${a.admits.url}/?${new URLSearchParams({ loginToken: link.searchParams.get("loginToken"), state })}`);
      await isNobody(here, erika);
    }
  });
  await step("it was not even shown to the homeserver: it is still good", async () => {
    const token = link.searchParams.get("loginToken");
    const { status, answer } = await post(`${a.homeserver.url}/_matrix/client/v3/login`, { type: "m.login.token", token });
    assert.deepEqual([status, answer.user_id], [200, malloryId]);
  });
}

/** Says to the provider who one is, and lets it tell the homeserver. */
async function prove({ page, press, type }, name) {
  await press(page.getByRole("button", { name: "Continue at" }));
  await type(page.getByPlaceholder("Enter any login"), name);
  await type(page.getByPlaceholder("and password"), "nobody asks");
  await press(page.getByRole("button", { name: "Sign-in" }));
  await press(page.getByRole("button", { name: "Continue" }));
}

/** Where the homeserver would send somebody who has proven who they are: it asks them first. */
async function linkOf(here, { page }) {
  const link = new URL(await page.getByRole("link", { name: "Continue" }).getAttribute("href"));
  assert.equal(link.origin, new URL(here.organisations.a.admits.url).origin);
  here.links.push(link.searchParams.get("loginToken"), link.searchParams.get("state"));
  return link;
}

/** Goes there. */
async function follow(here, person) {
  await linkOf(here, person);
  await person.press(person.page.getByRole("link", { name: "Continue" }));
}

/** The page has logged nobody in, says so, and shows the token to nobody any more. */
async function isNobody(here, person) {
  await person.page.getByText("Logging in did not work").waitFor();
  assert.deepEqual([await kept(person), person.page.url()], [null, `${here.organisations.a.admits.url}/`]);
}

function kept({ page }) {
  return page.evaluate((name) => localStorage.getItem(name), ACCOUNT);
}
