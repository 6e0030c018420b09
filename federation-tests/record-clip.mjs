// Records what a participant without a screen shows and plays (sfu/participant/src/media): the test picture and the test tone, as
// Chromium encodes them.
//
//   node record-clip.mjs
import { build } from "esbuild";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { chromium } from "playwright-core";

const FOLDER = new URL("../sfu/participant/src/media/", import.meta.url);

/** A whole number of its periods fits into the clip: it has no seam. */
const HERTZ = 1_150;
const WISH = { mark: 173, hertz: HERTZ, width: 320, height: 180, fps: 15, seconds: 2, videoBitrate: 150_000, audioBitrate: 24_000 };
const SOUNDS_A_SECOND = 50;

const { outputFiles } = await build({ entryPoints: ["page/clip.ts"], bundle: true, write: false, format: "iife", target: "es2022" });
// Encoders are there only for pages from a place that browsers trust: this machine is one.
const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>")).listen(0, "127.0.0.1");
await once(server, "listening");
const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] || "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.addScriptTag({ content: outputFiles[0].text });
const clip = await page.evaluate((wish) => globalThis.recordClip(wish), WISH);
await browser.close();
server.close();

const { width, height, fps } = WISH;
await writeFile(new URL("picture.ivf", FOLDER), ivf("VP80", { width, height, rate: fps }, clip.pictures));
await writeFile(new URL("tone.ivf", FOLDER), ivf("OPUS", { width: 0, height: 0, rate: SOUNDS_A_SECOND }, clip.sounds));

/** The simplest file of frames (IVF, version 0): a header, then length, time and bytes of each. */
function ivf(codec, { width: wide, height: high, rate }, frames) {
  const header = Buffer.alloc(32);
  header.write(`DKIF`, 0);
  header.writeUInt16LE(32, 6);
  header.write(codec, 8);
  header.writeUInt16LE(wide, 12);
  header.writeUInt16LE(high, 14);
  header.writeUInt32LE(rate, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(frames.length, 24);
  const parts = frames.map(({ data }, at) => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(data.length, 0);
    head.writeBigUInt64LE(BigInt(at), 4);
    return Buffer.concat([head, Buffer.from(data)]);
  });
  return Buffer.concat([header, ...parts]);
}
