#!/usr/bin/env node
// Serves the demo page on localhost and hands out seats for it.
//
//   node serve.mjs --port 8080 --sfu ws://127.0.0.1:7880 --key NAME --secret SECRET
//
// Prints `ready http://localhost:PORT` (port 0 takes a free one) and ends when its standard input closes.
// Whoever can reach it gets a seat in any room: it listens on this machine only and is not for production.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { seatToken } from "./token.mjs";

/** Longest room or name we put into a token; the SFU refuses more than 256. */
const TEXT_MAX = 100;

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".map": "application/json" };

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'self'; connect-src 'self' http: https: ws: wss:; media-src 'self' blob:; worker-src 'self' blob:; img-src 'self' data:",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

const dist = fileURLToPath(new URL("../dist-demo", import.meta.url));
const options = readOptions();

const server = createServer((request, response) => {
  answer(request, response).catch(() => reply(response, 500, "The demo server failed to answer."));
});
server.on("error", (error) => fail(`cannot listen on port ${options.port}: ${error.message}`));
server.listen(options.port, "127.0.0.1", () => {
  console.log(`ready http://localhost:${server.address().port}`);
});
process.stdin.on("end", () => process.exit(0)).resume();

async function answer(request, response) {
  const url = new URL(request.url, "http://localhost");
  if (request.method !== "GET" && request.method !== "HEAD") return reply(response, 405, "Only GET is served here.");
  if (url.pathname === "/token") return giveSeat(url.searchParams, response);
  return sendFile(url.pathname, response);
}

function giveSeat(query, response) {
  const room = query.get("room") ?? "";
  const name = query.get("name") ?? "";
  for (const [what, text] of [["room", room], ["name", name]]) {
    if (text === "" || text.length > TEXT_MAX) {
      return reply(response, 400, `The ${what} must have 1 to ${TEXT_MAX} characters.`);
    }
  }
  const token = seatToken({ key: options.key, secret: options.secret, room, name });
  return reply(response, 200, JSON.stringify({ sfu: options.sfu, token }), "application/json");
}

async function sendFile(path, response) {
  const file = join(dist, normalize(path === "/" ? "/index.html" : path));
  if (!file.startsWith(dist + sep)) return reply(response, 404, "There is no such page.");
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) return reply(response, 404, "There is no such page.");
  response.writeHead(200, { ...HEADERS, "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
  return createReadStream(file).pipe(response);
}

function reply(response, status, text, type = "text/plain; charset=utf-8") {
  response.writeHead(status, { ...HEADERS, "content-type": type });
  response.end(text);
}

function readOptions() {
  try {
    const text = { type: "string" };
    const { values } = parseArgs({ options: { port: { ...text, default: "8080" }, sfu: text, key: text, secret: text } });
    for (const name of ["sfu", "key", "secret"]) if (!values[name]) throw new Error(`--${name} is missing`);
    if (!/^wss?:\/\//.test(values.sfu)) throw new Error("--sfu must begin with ws:// or wss://");
    if (!/^\d{1,5}$/.test(values.port)) throw new Error("--port must be a number");
    return { ...values, port: Number(values.port) };
  } catch (error) {
    return fail(`${error.message}\nusage: serve.mjs --port PORT --sfu URL --key NAME --secret SECRET`);
  }
}

function fail(sentence) {
  console.error(sentence);
  process.exit(2);
}
