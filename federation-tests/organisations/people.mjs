// People in headless Chromium, each with a browser context of their own: they use Element Call as a person does.
import { build } from "esbuild";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { constants, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { until } from "../harness/until.mjs";

const PROBE = fileURLToPath(new URL("probe.ts", import.meta.url));

/** A small camera: everybody's encoders and decoders share one machine, and what is judged is the way between them. */
const CAMERA = { width: 640, height: 360, fps: 15 };

/** How long a page may take, in milliseconds. A loaded machine is slow, not wrong. */
const PATIENCE_MS = 120_000;

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // All pages share one screen: none of them is in the background, whatever the browser thinks.
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-background-timer-throttling",
  "--autoplay-policy=no-user-gesture-required",
  // Without devices Element Call would not ask for any; what they give is replaced (probe.ts).
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream",
];

/** Kinds of console messages that are kept. */
const SERIOUS = ["warning", "error"];

/** As a service without this path answers, so that a page may read it. */
const NOT_FOUND = { status: 404, headers: { "access-control-allow-origin": "*" }, json: { errcode: "M_UNRECOGNIZED", error: "There is nothing." } };

const OLM = "m.olm.v1.curve25519-aes-sha2";

/** @typedef {Awaited<ReturnType<typeof openBrowser>>} Browser */
/** @typedef {Awaited<ReturnType<Browser["open"]>>} Person */

/**
 * Opens a browser. `isMeasured`: each thread of what draws gives way to those who hold the call, as there is no graphics card that would
 * draw; otherwise the first alone does so, since whoever uses the pages waits for what is drawn.
 */
export async function openBrowser({ isMeasured = false } = {}) {
  const bundle = await build({ entryPoints: [PROBE], bundle: true, write: false, format: "iife", target: "es2022", logLevel: "error" });
  const scratch = await mkdtemp(join(tmpdir(), "hanse-people-"));
  const browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    downloadsPath: scratch,
  });
  const gone = new Promise((done) => browser.once("disconnected", done));
  // All its processes are of one group, which is named after the first.
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  const group = processInfo.find(({ type }) => type === "browser")?.id;
  if (!group) throw new Error("Chromium does not name its process");
  const drawing = processInfo.find(({ type }) => type === "GPU");
  const threads = drawing && isMeasured ? await readdir(`/proc/${drawing.id}/task`) : [];
  for (const thread of threads) setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL);
  if (drawing) setPriority(drawing.id, constants.priority.PRIORITY_LOW);

  /** A browser context of somebody's own, with an empty page. `prepare` is given it before. */
  async function visit(signs, prepare = async (_context) => {}, wish = {}) {
    const context = await browser.newContext({
      locale: "en-GB",
      viewport: { width: 960, height: 720 },
      // Without a graphics card each pixel that is shown costs what the call needs, and nobody looks.
      deviceScaleFactor: 0.5,
      reducedMotion: "reduce",
      permissions: ["camera", "microphone"],
      ...wish,
    });
    await context.addInitScript(`window.hanseSigns = ${JSON.stringify({ ...CAMERA, withholdFrom: [], ...signs })};`);
    await prepare(context);
    await context.addInitScript(bundle.outputFiles[0].text);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const console = [];
    // Clients say a lot; what went wrong is what one wants to see.
    page.on("console", (message) => {
      if (SERIOUS.includes(message.type())) console.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => console.push(`uncaught: ${error.message}`));
    return { context, page, console };
  }

  return {
    visit,
    /** Of all its processes. */
    group,
    /**
     * Opens a person's page and waits for Element Call's lobby. `signs`: what their camera and microphone show, `{ mark, hertz }`,
     * and from whom no keys reach them, `{ withholdFrom }`. `keepsLeaves`: every focus says to them that it takes no delayed leaves
     * over. `detours`: to which address they are sent in place of an SFU's, by that.
     */
    async open(link, { keepsLeaves = false, detours = {}, ...signs }) {
      const { context, page, console } = await visit(signs, async (made) => {
        if (keepsLeaves) await made.route("**/delegate_delayed_leave", (route) => route.fulfill(NOT_FOUND));
        if (Object.keys(detours).length > 0) await sendRound(made, detours);
      });
      const arrived = watchSync(page);
      const devices = watchDevices(page);
      const delays = watchDelays(page);
      const leaves = watchLeaves(page);
      const held = { ...watchFocus(page), mediaKeys: [], ice: [] };
      await page.goto(link);
      const call = page.frameLocator('iframe[title="Element Call"]');
      await call.getByTestId("lobby_joinCall").waitFor();
      const ask = (name, ...values) => {
        const frame = page.frames().find((each) => each.url().includes("/element-call/"));
        if (!frame) return Promise.reject(new Error("Element Call is gone"));
        return frame.evaluate(([method, list]) => window.hanseProbe[method](...list), /** @type {const} */ ([name, values]));
      };
      // What goes with Element Call's frame is noted before.
      const note = async () => {
        for (const { content } of await ask("keys")) held.mediaKeys.push(...keysIn(content));
        held.ice.push(...(await ask("iceCredentials")));
      };
      return {
        page,
        console,
        /**
         * What should be known to this person and few others: `jwts` for SFUs, ids of their `memberships`, `delays` (ids of leaves
         * that they have handed over), `mediaKeys`, and what `ice` lets them in by. Complete after `close`.
         */
        held,
        /** What this device's `/sync` answers had for it: `{ type, sender, algorithm, senderKey }`. */
        arrived,
        /** This device, `own`, and those that it knows: `known(user)`, by the user's full id. */
        devices,
        /** After how many milliseconds the homeserver was to say that they have left, each time that they told it. */
        delays,
        /** The ids of leaves that this page itself has told the homeserver to send. */
        leaves,
        /** Clicks, and says when that was. */
        async click() {
          await call.getByTestId("lobby_joinCall").click();
          return ask("joinClickedAt");
        },
        /** Clicks, waits until the call is there, and says when the click was. */
        async join() {
          const at = await this.click();
          await call.getByTestId("incall_leave").waitFor();
          return at;
        },
        async leave() {
          await note();
          await call.getByTestId("incall_leave").click();
          await call.getByTestId("incall_leave").waitFor({ state: "detached" });
        },
        /** After leaving: back into the lobby, and into the call. */
        async comeBack() {
          await page.getByRole("button", { name: "Back to the call" }).click();
          await this.join();
        },
        switchCamera: () => switchOn(call.getByTestId("incall_videomute")),
        switchMicrophone: () => switchOn(call.getByTestId("incall_mute")),
        view: () => ask("view"),
        /** Whose tiles there are, by the names on them. */
        tiles: () => call.getByTestId("name_tag").allTextContents(),
        sends: () => ask("sends"),
        firstFrames: () => ask("firstFrames"),
        keys: () => ask("keys"),
        withheldFrom: () => ask("withheldFrom"),
        letKeysThrough: () => ask("letKeysThrough"),
        closeConnections: () => ask("closeConnections"),
        // In the page around Element Call: it is there after the call, too.
        decodeVp8: (...values) => page.evaluate((list) => window.hanseProbe.decodeVp8(...list), values),
        decodeOpus: (...values) => page.evaluate((list) => window.hanseProbe.decodeOpus(...list), values),
        async close() {
          // Who has left the call has no frame any more.
          await note().catch(() => {});
          await context.close();
        },
      };
    },
    /** Kills all its processes. Only `close` may follow. */
    kill: () => process.kill(-group, "SIGKILL"),
    /**
     * Has no packet leave it or reach it any more, for good, while its pages go on: the one process that has all its sockets stands
     * still. Nothing tells the pages, and not even the end of a connection gets out.
     */
    async cutOff() {
      const { processInfo: running } = await devtools.send("SystemInfo.getProcessInfo");
      const network = running.find(({ type }) => type === "network.mojom.NetworkService");
      if (!network) throw new Error("Chromium has no process for its sockets");
      process.kill(network.id, "SIGSTOP");
    },
    async close() {
      if (browser.isConnected()) process.kill(-group, "SIGKILL");
      await gone;
      await rm(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** Everything that the homeserver sent to this device, as it was on the wire. */
function watchSync(page) {
  const arrived = [];
  page.on("response", async (response) => {
    if (!new URL(response.url()).pathname.endsWith("/sync")) return;
    // A page that closes takes its answers with it.
    const answer = await response.json().catch(() => null);
    for (const { type, sender, content } of answer?.to_device?.events ?? []) {
      arrived.push({ type, sender, algorithm: content.algorithm, olm: type === "m.room.encrypted" && content.algorithm === OLM });
    }
  });
  return arrived;
}

/** What the homeserver calls this device, `{ user, id }`, and of which ones of other people it has the keys. */
function watchDevices(page) {
  const keys = {};
  const devices = { own: null, known: (user) => Object.keys(keys[user] ?? {}) };
  page.on("response", async (response) => {
    const { pathname } = new URL(response.url());
    if (!/\/(login|keys\/query)$/.test(pathname) || response.request().method() !== "POST") return;
    const answer = await response.json().catch(() => null);
    if (pathname.endsWith("/login")) devices.own = answer && { user: answer.user_id, id: answer.device_id };
    else Object.assign(keys, answer?.device_keys);
  });
  return devices;
}

/** Has focuses name other addresses for SFUs. */
function sendRound(context, detours) {
  return context.route(/\/(sfu\/get|get_token)$/, async (route) => {
    const response = await route.fetch();
    const answer = await response.json().catch(() => null);
    const url = detours[answer?.url];
    await route.fulfill(url ? { response, json: { ...answer, url } } : { response });
  });
}

/** Switches something on, whatever its button says: Element Call does not always notice that somebody else has switched it off. */
async function switchOn(button) {
  if ((await button.getAttribute("aria-checked")) === "true") await button.click();
  await until("it is off", async () => (await button.getAttribute("aria-checked")) === "false" && (await button.isEnabled()));
  await button.click();
}

/** The delays of events that the homeserver is to send by itself (MSC4140). */
function watchDelays(page) {
  const delays = [];
  page.on("request", (request) => {
    const delay = new URL(request.url()).searchParams.get("org.matrix.msc4140.delay");
    if (request.method() === "PUT" && delay) delays.push(Number(delay));
  });
  return delays;
}

/** The events that a page has told the homeserver to send before their time (MSC4140): their ids. */
function watchLeaves(page) {
  const leaves = [];
  page.on("response", (response) => {
    const request = response.request();
    const [, id, action = request.postDataJSON()?.action] = /\/delayed_events\/([^/]+)(?:\/([^/]+))?$/.exec(new URL(response.url()).pathname) ?? [];
    if (request.method() === "POST" && response.ok() && action === "send") leaves.push(decodeURIComponent(id));
  });
  return leaves;
}

/** What any focus was asked and told, and gave. */
export function watchFocus(page) {
  const jwts = [];
  const memberships = [];
  const delays = [];
  page.on("response", async (response) => {
    const request = response.request();
    if (request.method() !== "POST" || !/\/(sfu\/get|get_token|delegate_delayed_leave)$/.test(new URL(response.url()).pathname)) return;
    // Element Call looks whether a path is there by asking without a body.
    const { member, delay_id: delay } = request.postDataJSON() ?? {};
    if (member?.id) memberships.push(member.id);
    if (delay) delays.push(delay);
    const { jwt } = (await response.json().catch(() => null)) ?? {};
    if (jwt) jwts.push(jwt);
  });
  return { jwts, memberships, delays };
}

/** The media keys in a key event, in either form, as bare base64. */
function keysIn({ keys, media_key: alone }) {
  return [keys ?? alone ?? []].flat().map(({ key }) => key.replace(/=+$/, ""));
}
