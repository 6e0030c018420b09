// Somebody on the page that Hanse serves: uses it as a person does, and says where the page went.
import { mouse } from "./hands.mjs";
import { watchFocus } from "./people.mjs";

/** Whether homeservers are asked there for what is new. @param {URL} url */
const isSync = (url) => url.pathname.endsWith("/sync");

/** As for people in Element Call. */
const CAMERA = { width: 320, height: 180, fps: 10 };

/**
 * Has each answer in which a homeserver tells a page what is new changed before the page has it.
 *
 * @param {import("playwright-core").Page} page
 * @param {(answer: any) => unknown} change
 */
export async function changeNews(page, change) {
  await page.route(isSync, async (route) => {
    const told = await route.fetch({ timeout: 0 }).catch(() => null);
    const answer = await told?.json().catch(() => null);
    if (!told || !answer) return route.abort().catch(() => {});
    await change(answer);
    return route.fulfill({ response: told, json: answer }).catch(() => {});
  });
}

/** Opens the page of somebody's organisation, as `openPage` does, and can log them in. */
export async function openWebPage(here, t, user, signs, wish = {}, hands = mouse) {
  const { account, password, organisation } = here.organisations.people[user];
  const person = await openPage(here, t, here.organisations[organisation].admits.url, signs, wish, hands);
  const { page } = person;
  return Object.assign(person, {
    async logIn() {
      await person.type(page.getByLabel("User name"), account.id);
      await person.type(page.getByLabel("Password"), password);
      await person.press(page.getByRole("button", { name: "Log in" }));
      await page.getByRole("heading", { name: "Your rooms" }).waitFor();
    },
    /** Opens a room by its name, up to its door. */
    async openRoom(name) {
      await person.press(page.getByRole("button", { name }));
      await page.getByTestId("join").waitFor();
    },
  });
}

/**
 * Opens the page at an address. `signs`: what camera and microphone show; `wish`: of the browser's context; `hands`: with what somebody
 * uses it (hands.mjs).
 *
 * @param {typeof import("./organisations.test.mjs")["here"]} here
 */
export async function openPage(here, t, address, signs, wish = {}, hands = mouse) {
  const asked = new Set();
  const note = (request) => asked.add(new URL(request.replace(/^ws/, "http")).origin);
  const { context, page, console } = await here.browser.visit({ ...CAMERA, ...signs }, async (made) => {
    made.on("request", (request) => /^(blob|data):/.test(request.url()) || note(request.url()));
  }, wish);
  page.on("websocket", (socket) => note(socket.url()));
  t.after(() => context.close());
  const held = { ...watchFocus(page), mediaKeys: [], ice: [] };
  here.held.push(held);
  const response = await page.goto(address);
  const ask = (name, ...values) => page.evaluate(([method, list]) => window.hanseProbe[method](...list), /** @type {const} */ ([name, values]));
  /** Somebody's tile; a guest's by the beginning of their id, for there is one in these calls. */
  const tile = (other) => {
    const known = here.organisations.people[other]?.account.id;
    return page.locator(known ? `[data-testid=tile][data-user="${known}"]` : '[data-testid=tile][data-user^="@hanse-guest-"]');
  };
  const press = (/** @type {import("playwright-core").Locator} */ what) => hands.press(page, what);
  const type = (/** @type {import("playwright-core").Locator} */ where, /** @type {string} */ text) => hands.type(page, where, text);
  return {
    page,
    console,
    held,
    /** Presses a button, and writes into a field, with one's hands. */
    press,
    type,
    /** The origins that the page has asked, of whatever kind. */
    asked,
    /** The headers with which the page came. */
    headers: response.headers(),
    async turnOn(...kinds) {
      for (const kind of kinds) {
        await press(page.getByTestId(`door-${kind}`));
        await page.locator(`[data-testid=door-${kind}][aria-pressed=true]`).waitFor();
      }
    },
    async join() {
      await press(page.getByTestId("join"));
      await page.getByTestId("call-leave").waitFor();
    },
    async leave() {
      await press(page.getByTestId("call-leave"));
      await page.getByRole("heading", { name: "You have left the call" }).waitFor();
    },
    /** What stands on somebody's tile. */
    tileText: (other) => tile(other).innerText(),
    /** Why somebody is not seen; `null`: they are, or nothing is missing. */
    lack: (other) => tile(other).getAttribute("data-lack"),
    tile,
    /** Does something from a menu: of somebody's tile, or of the controls by its label. */
    async choose(where, entry) {
      const menu = where in here.organisations.people || where === "grace" ? tile(where).locator("details").last() : page.locator("details", { has: page.getByLabel(where, { exact: true }) });
      await press(menu.locator("summary"));
      await press(menu.getByRole("button", { name: entry }));
    },
    /** The same where a question comes first, which is answered with yes. */
    async chooseAndConfirm(where, entry) {
      await this.choose(where, entry);
      await press(page.getByTestId("question").getByRole("button", { name: "Yes" }));
    },
    /** Writes beside the call. */
    async write(text) {
      await press(page.getByTestId("call-chat"));
      await type(page.getByRole("textbox", { name: "Message" }), text);
      await page.keyboard.press("Enter");
    },
    /** Goes from having left to the call again, by the door. */
    async comeBack() {
      await press(page.getByRole("button", { name: "Join again" }));
      await this.join();
    },
    /** Has the page be told of a room only after it has joined it, as by a homeserver that has much to do. */
    async tellLate() {
      const joined = page.waitForResponse((reply) => reply.url().includes("/client/v3/join/")).catch(() => {});
      await changeNews(page, async (answer) => answer.rooms?.join && (await joined));
    },
    /** Has everything be lost that somebody's devices send to this one, until what this gives is called; that says how much it was. */
    async loseKeysFrom(other) {
      const sender = here.organisations.people[other].account.id;
      let lost = 0;
      let isLosing = true;
      await changeNews(page, (answer) => {
        const events = answer.to_device?.events ?? [];
        const kept = events.filter((event) => !isLosing || event.sender !== sender);
        lost += events.length - kept.length;
        answer.to_device = { events: kept };
      });
      return () => {
        isLosing = false;
        return lost;
      };
    },
    /** What the keyboard is on: the name that tests have for it, or what a screen reader says. */
    focus: () => page.evaluate(() => (({ dataset, ariaLabel, innerText }) => dataset["testid"] ?? ariaLabel ?? innerText)(/** @type {HTMLElement} */ (document.activeElement))),
    toggle: (what) => press(page.getByTestId(`call-${what}`)),
    view: () => ask("view"),
    /** The keys of media that this page has been given or has made, as bare base64, in the order in which it had them. */
    keyMaterial: () => ask("keyMaterial"),
    sends: () => ask("sends"),
  };
}
