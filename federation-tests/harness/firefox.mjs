// Headless Firefox with the test page, one window a person. Driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/),
// which Firefox speaks itself: neither a driver program nor a patched browser is needed.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { pagePerson, servePage } from "./page.mjs";
import { until } from "./until.mjs";

const PREFERENCES = {
  // BiDi alone.
  "remote.active-protocols": 1,
  // Nobody is there to click, neither on a page for sound nor on a question.
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.navigator.permission.disabled": true,
  "media.navigator.streams.fake": true,
  // A sound card in software: without any, Web Audio waits for one for ever. At the rate of what is received, because
  // Web Audio takes no stream of another rate than its own.
  "media.cubeb.force_mock_context": true,
  "media.cubeb.force_sample_rate": 48_000,
  // All windows are in use at once, whichever of them the browser thinks is looked at.
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
  "layout.throttled_frame_rate": 60,
  "media.suspend-background-video.enabled": false,
  // It asks nobody else for anything.
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.update.enabled": false,
  "media.gmp-manager.url": "",
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** An answer that takes longer will not come. */
const ANSWER_MAX_MS = 60_000;

/** @typedef {Awaited<ReturnType<typeof openFirefox>>} Firefox */

/** A Firefox whose windows are people of a test. */
export async function openFirefox() {
  const site = await servePage();
  const profile = await mkdtemp(join(tmpdir(), "hanse-firefox-"));
  const preferences = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  await writeFile(join(profile, "user.js"), preferences.join(""));

  const options = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"];
  const firefox = spawn(process.env["FIREFOX"] || "firefox-esr", options, {
    env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [firefox.stdout, firefox.stderr]) stream.on("data", (data) => (said += data));
  let failure;
  firefox.once("error", (error) => (failure = `Firefox cannot be started: ${error.message}`));
  const ended = new Promise((done) => firefox.once("exit", done));
  void ended.then((code) => (failure ??= `Firefox ended with ${code}:\n${said}`));
  const address = await until("Firefox can be driven", () => {
    return failure ? { failure } : /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(said)?.[1];
  });
  if (failure) throw new Error(failure);

  const consoles = new Map();
  const bidi = await connect(`${address}/session`, (event, about) => {
    if (event === "log.entryAdded") consoles.get(about.source.context)?.push(`${about.level}: ${about.text}`);
  });
  await bidi.command("session.new", { capabilities: {} });
  await bidi.command("session.subscribe", { events: ["log.entryAdded"] });

  return {
    /** A window that can be anybody. What its page says on its console is kept for failures. */
    async person() {
      // A window each: Firefox draws canvases of tabs that are not in front once a second.
      const { context } = await bidi.command("browsingContext.create", { type: "window" });
      const console = [];
      consoles.set(context, console);
      await bidi.command("browsingContext.navigate", { context, url: site.url(), wait: "complete" });
      const call = async (name, ...values) => {
        const answer = await bidi.command("script.callFunction", {
          functionDeclaration: `async (name, values) => JSON.stringify((await window.hanse[name](...JSON.parse(values))) ?? null)`,
          arguments: [name, JSON.stringify(values)].map((value) => ({ type: "string", value })),
          target: { context },
          awaitPromise: true,
        });
        if (answer.type === "exception") throw new Error(answer.exceptionDetails.text);
        return JSON.parse(answer.result.value);
      };
      return { console, ...pagePerson(call), close: () => bidi.command("browsingContext.close", { context }) };
    },
    async close() {
      await bidi.command("browser.close", {}).catch(() => firefox.kill());
      bidi.close();
      await ended;
      site.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** A BiDi connection: `command` gives the result of a command, events go to `onEvent`. */
async function connect(url, onEvent) {
  const socket = new WebSocket(url);
  await new Promise((done, fail) => socket.once("open", done).once("error", fail));
  const waiting = new Map();
  let last = 0;
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.type === "event") return onEvent(message.method, message.params);
    const { done, fail } = waiting.get(message.id) ?? {};
    waiting.delete(message.id);
    if (message.type === "error") fail?.(new Error(`${message.error}: ${message.message}`));
    else done?.(message.result);
  });
  socket.once("close", () => {
    for (const { fail } of waiting.values()) fail(new Error("Firefox is gone"));
    waiting.clear();
  });
  return {
    command: (method, params) =>
      new Promise((done, fail) => {
        const id = ++last;
        const late = setTimeout(() => fail(new Error(`Firefox does not answer ${method}`)), ANSWER_MAX_MS);
        waiting.set(id, { done: (result) => (clearTimeout(late), done(result)), fail: (error) => (clearTimeout(late), fail(error)) });
        socket.send(JSON.stringify({ id, method, params }));
      }),
    close: () => socket.close(),
  };
}
