// Headless Chromium with the test page, one page a person.
import { build } from "esbuild";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

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

/** A browser whose pages are people of a test. */
export async function openBrowser() {
  const site = await servePage();
  const profile = await mkdtemp(join(tmpdir(), "hanse-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1280, height: 800 },
    args: FLAGS,
  });

  return {
    /** A page that can be anybody. What it says on its console is kept for failures. */
    async person() {
      const page = await context.newPage();
      const console = [];
      page.on("console", (message) => console.push(`${message.type()}: ${message.text()}`));
      page.on("pageerror", (error) => console.push(`uncaught: ${error.message}`));
      await page.goto(site.url);
      /** Calls a function of `window.hanse` (page/page.ts). */
      const call = (name, ...values) =>
        page.evaluate(([method, list]) => window.hanse[method](...list), /** @type {const} */ ([name, values]));
      return {
        page,
        console,
        join: (seat) => call("join", seat),
        publishPicture: (...values) => call("publishPicture", ...values),
        publishTone: (hertz) => call("publishTone", hertz),
        mute: (source, muted = true) => call("mute", source, muted),
        unpublish: (source) => call("unpublish", source),
        forgetPermissions: () => call("forgetPermissions"),
        resize: (...values) => call("resize", ...values),
        leave: () => call("leave"),
        view: () => call("view"),
        happened: () => call("happened"),
        decodeVp8: (...values) => call("decodeVp8", ...values),
        decodeOpus: (...values) => call("decodeOpus", ...values),
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

/** Bundles the test page and serves it, with LiveKit's own encryption worker beside it. */
async function servePage() {
  const here = fileURLToPath(new URL("../page", import.meta.url));
  const bundle = await build({
    entryPoints: [join(here, "page.ts")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    logLevel: "error",
  });
  const livekit = dirname(createRequire(import.meta.url).resolve("livekit-client"));
  const worker = "livekit-client.e2ee.worker.mjs";
  const files = {
    "/": ["text/html", "<!doctype html><meta charset=utf-8><title>hanse</title><script type=module src=page.js></script>"],
    "/page.js": ["text/javascript", bundle.outputFiles[0].text],
    [`/${worker}`]: ["text/javascript", await readFile(join(livekit, worker))],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? [];
    response.writeHead(type ? 200 : 404, { "content-type": type ?? "text/plain" });
    response.end(body);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://localhost:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
