// The page for everybody, with Element Call as its makers publish it beside it.
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("../../client-web/organisations", import.meta.url));
const PAGE = join(WEB, "dist");
const ELEMENT_CALL = join(WEB, "node_modules/@element-hq/element-call-embedded/dist");

/** How Element Call can speak of who is in a call; each mode is served below a path of its own. */
export const MODES = ["compatibility", "matrix_2_0"];

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ogg": "audio/ogg",
  ".mp3": "audio/mpeg",
  ".woff2": "font/woff2",
};

/** Serves the page on `port` of this machine (0: any). Whoever reaches it may sign in as anybody: it is for trying out. */
export async function startSite({ port, people }) {
  let room = null;
  const shipped = JSON.parse(await readFile(join(ELEMENT_CALL, "config.json"), "utf8"));
  const answers = new Map(MODES.map((mode) => [`/element-call/${mode}/config.json`, () => ({ ...shipped, matrix_rtc_mode: mode })]));
  answers.set("/demo.json", () => ({ room, people: people.map(introduction) }));

  const server = createServer((request, response) => {
    answer(request, response).catch(() => reply(response, 500, "The page server failed to answer."));
  });
  async function answer(request, response) {
    if (request.method !== "GET" && request.method !== "HEAD") return reply(response, 405, "Only GET is served here.");
    const { pathname } = new URL(request.url, "http://localhost");
    const made = answers.get(pathname);
    if (made) return reply(response, 200, JSON.stringify(made()), TYPES[".json"]);
    const [, below] = /^\/element-call\/[a-z0-9_]+(\/.*)$/.exec(pathname) ?? [];
    return below ? sendFile(ELEMENT_CALL, below, response) : sendFile(PAGE, pathname, response);
  }
  await new Promise((done, fail) => server.once("error", fail).listen(port, "127.0.0.1", done));
  const url = `http://localhost:${server.address().port}/`;

  return {
    url,
    /** Where `user` meets the others; without a room, in the room of the demo. */
    link: (user, more = {}) => `${url}?${new URLSearchParams({ person: user, ...more })}`,
    /** The room into which the links lead. */
    meetIn: (id) => (room = id),
    stop() {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

/** What the page needs to sign somebody in. */
function introduction({ user, name, title, password, homeserver }) {
  return { user, name, organisation: title, password, homeserver: homeserver.url };
}

async function sendFile(folder, path, response) {
  const file = join(folder, normalize(decodeURIComponent(path.endsWith("/") ? `${path}index.html` : path)));
  const found = file.startsWith(folder + sep) && (await stat(file).catch(() => null));
  if (!found || !found.isFile()) return reply(response, 404, "There is no such page.");
  response.writeHead(200, headers(TYPES[extname(file)] ?? "application/octet-stream"));
  return createReadStream(file).pipe(response);
}

function reply(response, status, text, type = "text/plain; charset=utf-8") {
  response.writeHead(status, headers(type));
  response.end(text);
}

function headers(type) {
  return {
    "content-type": type,
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}
