// Records what clients offer, for the tests of the answers (sfu/signal/tests/offers.rs):
//
//   HANSE_BIN=… HANSE_PYTHON=… node record-offers.mjs FOLDER
//
// Writes NAME-join.sdp, the first offer of each client, and NAME-call.sdp, the last one once it publishes a microphone, a
// camera with layers and, in browsers, a screen. The clients are those of the contract tests, and so is the network. With two
// peer connections (`/rtc`) these are the offers of the one by which the client publishes.
import { JoinRequest, SignalRequest, WrappedJoinRequest, WrappedJoinRequest_Compression } from "@livekit/protocol";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import WebSocket, { WebSocketServer } from "ws";
import { openBrowser } from "./harness/browser.mjs";
import { openFirefox } from "./harness/firefox.mjs";
import { startHanse } from "./harness/hanse.mjs";
import { ADDRESS, inOwnNetwork } from "./harness/namespace.mjs";
import { nodePerson, pythonPerson } from "./harness/sdk.mjs";
import { until } from "./harness/until.mjs";

const FOLDER = process.env["OFFERS_FOLDER"] ?? process.argv[2];
/** What a page publishes: a microphone, a camera of three layers and a screen. */
const SECTIONS_SENT_BY_PAGES = 3;
const SECTIONS_SENT_BY_PROGRAMS = 2;

/** The browsers' recordings: each has a name of its own for every form and version of livekit-client. */
const PAGES = {
  chromium: { open: openBrowser },
  "chromium-dual": { open: openBrowser, dual: true },
  "livekit-1": { open: openBrowser, livekit: "livekit-client-1" },
  "livekit-2.5": { open: openBrowser, livekit: "livekit-client-2.5" },
  "livekit-element-call": { open: openBrowser, livekit: "livekit-client-element-call" },
  firefox: { open: openFirefox },
  "firefox-dual": { open: openFirefox, dual: true },
};

// What is started inside the network has no arguments of its own.
if (FOLDER) process.env["OFFERS_FOLDER"] = FOLDER;

inOwnNetwork(import.meta.filename, () => {
  test("offers are recorded", async (t) => {
    assert.ok(FOLDER, "name the folder for the offers");
    const hanse = await startHanse({ address: ADDRESS });
    t.after(() => hanse.stop());
    const opened = new Map();
    t.after(() => Promise.all([...opened.values()].map((browser) => browser.close())));
    for (const [name, { open, livekit, dual = false }] of Object.entries(PAGES)) {
      if (!opened.has(open)) opened.set(open, await open());
      await record(t, hanse, name, SECTIONS_SENT_BY_PAGES, async (seat) => {
        const person = await opened.get(open).person(livekit);
        await person.join({ ...seat, dual, dynacast: true, adaptive: true });
        await person.publishTone(440);
        await person.publishPicture("camera", { width: 1280, height: 720, fps: 5, mark: 1 }, [320, 640]);
        await person.publishPicture("screen", { width: 640, height: 360, fps: 5, mark: 2 });
      });
    }
    for (const [name, person] of Object.entries({ python: pythonPerson, node: nodePerson })) {
      await record(t, hanse, name, SECTIONS_SENT_BY_PROGRAMS, (seat) => person(t, { ...seat, mark: 1, hertz: 440 }));
    }
  });
});

/** Lets one client call through a proxy that listens in, and writes down its first and its last offer. */
async function record(t, hanse, name, sections, call) {
  const offers = [];
  const proxy = await listenIn(hanse, (sdp) => offers.push(sdp));
  t.after(() => proxy.close());
  await call({ url: proxy.url, token: hanse.seat(name, `offers-${name}`) });
  await until(`${name} offers to send ${sections} tracks`, () => {
    return offers.at(-1)?.match(/^a=(sendonly|sendrecv)\r?$/gm)?.length >= sections;
  });
  await writeFile(join(FOLDER, `${name}-join.sdp`), offers[0]);
  await writeFile(join(FOLDER, `${name}-call.sdp`), offers.at(-1));
}

/** A proxy for the signalling of `hanse`, which tells of every offer. */
async function listenIn(hanse, onOffer) {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer((_, response) => response.end());
  server.on("upgrade", (request, socket, head) => {
    const offered = offerInRequest(new URL(request.url, hanse.http).searchParams.get("join_request"));
    if (offered) onOffer(offered);
    const { authorization } = request.headers;
    const inner = new WebSocket(`${hanse.url}${request.url}`, { headers: authorization ? { authorization } : {} });
    inner.once("open", () =>
      sockets.handleUpgrade(request, socket, head, (outer) => {
        outer.on("message", (data) => {
          const { message } = SignalRequest.fromBinary(data);
          if (message.case === "offer") onOffer(message.value.sdp);
          inner.send(data);
        });
        inner.on("message", (data) => outer.send(data));
        outer.once("close", () => inner.close());
        inner.once("close", () => outer.close());
      }),
    );
    inner.once("error", () => socket.destroy());
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The offer in a `join_request` parameter, if it has one. */
function offerInRequest(parameter) {
  if (!parameter) return undefined;
  const wrapped = WrappedJoinRequest.fromBinary(Buffer.from(parameter, "base64"));
  const isZipped = wrapped.compression === WrappedJoinRequest_Compression.GZIP;
  return JoinRequest.fromBinary(isZipped ? gunzipSync(wrapped.joinRequest) : wrapped.joinRequest).publisherOffer?.sdp;
}
