// Headless Chromium with the test page, one page a person.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { pagePerson, servePage } from "./page.mjs";

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
];

/** @typedef {Awaited<ReturnType<typeof openBrowser>>} Browser */
/** @typedef {Awaited<ReturnType<Browser["person"]>>} Person */

/**
 * A browser whose pages are people of a test. `udp`: whether their network lets UDP through. `devices`: its pages have camera
 * and microphone permitted, as those of people in calls have; then media uses each interface of the machine by itself. `names`: where
 * names lead, whatever the network says; certificates for them are believed, whoever signed them. `home`: a home folder for it,
 * where it finds whom to trust.
 */
export async function openBrowser({ udp = true, devices = false, names = {}, home = "" } = {}) {
  const site = await servePage();
  const profile = await mkdtemp(join(tmpdir(), "hanse-browser-"));
  const places = Object.entries(names).map(([name, address]) => `MAP ${name} ${address}`);
  const context = await chromium.launchPersistentContext(profile, {
    ignoreHTTPSErrors: places.length > 0,
    executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1280, height: 800 },
    ...(home && { env: { ...process.env, HOME: home } }),
    args: [
      ...FLAGS,
      ...(udp ? [] : ["--webrtc-ip-handling-policy=disable_non_proxied_udp"]),
      ...(places.length > 0 ? [`--host-resolver-rules=${places.join(",")}`] : []),
      ...(devices ? ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"] : []),
    ],
  });

  return {
    /** A page that can be anybody, with a version of livekit-client. What it says on its console is kept for failures. */
    async person(livekit) {
      const page = await context.newPage();
      const console = [];
      page.on("console", (message) => console.push(`${message.type()}: ${message.text()}`));
      page.on("pageerror", (error) => console.push(`uncaught: ${error.message}`));
      await page.goto(site.url(livekit));
      if (devices) await page.evaluate(() => navigator.mediaDevices.getUserMedia({ audio: true }).then((stream) => stream.getTracks()[0]?.stop()));
      /** Calls a function of `window.hanse` (page/page.ts). */
      const call = (name, ...values) =>
        page.evaluate(([method, list]) => window.hanse[method](...list), /** @type {const} */ ([name, values]));
      return {
        page,
        console,
        ...pagePerson(call),
        close: () => page.close(),
      };
    },
    /** A page for people who come and go (page/newcomer.ts). */
    async newcomer() {
      const page = await context.newPage();
      await page.goto(site.url(undefined, "newcomer"));
      return {
        /** When it began, in ms since 1970. */
        come: (seat) => page.evaluate((seated) => window.newcomer.come(seated), seat),
        /** @returns {Promise<import("./arrivals.mjs").First[]>} */
        firstsOf: (...people) => page.evaluate((of) => window.newcomer.firstsOf(of), people),
        go: () => page.evaluate(() => window.newcomer.go()),
        close: () => page.close(),
      };
    },
    async close() {
      await context.close();
      site.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** A file in a browser, for the test `t`: what it shows, and everything that it has loaded. */
export async function showFile(t, path) {
  const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium", args: FLAGS });
  t.after(() => browser.close());
  const page = await browser.newPage();
  /** @type {string[]} */
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url()));
  await page.goto(pathToFileURL(path).href);
  return {
    loaded,
    /** The texts of everything that fits a selector. */
    texts: (selector) => page.locator(selector).allInnerTexts(),
    /** Presses keys, one after the other. */
    async press(...keys) {
      for (const key of keys) await page.keyboard.press(key);
    },
  };
}
