// The test page: bundled and served, and the functions that a page offers, whatever browser it is in.
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Scripts of pages: a person of a test, and somebody who comes and goes. */
const PAGES = ["page", "newcomer"];

/** What a person on a page can be asked. `call` calls a function of `window.hanse` (page/page.ts) by name. */
export function pagePerson(call) {
  return {
    join: (seat) => call("join", seat),
    publishPicture: (...values) => call("publishPicture", ...values),
    publishTone: (...hertz) => call("publishTone", ...hertz),
    mute: (source, muted = true) => call("mute", source, muted),
    fallSilent: (isSilent = true) => call("fallSilent", isSilent),
    holdBack: (source, isHeld = true) => call("holdBack", source, isHeld),
    unpublish: (source) => call("unpublish", source),
    forgetPermissions: () => call("forgetPermissions"),
    resize: (...values) => call("resize", ...values),
    simulate: (scenario) => call("simulate", scenario),
    longestGap: (...values) => call("longestGap", ...values),
    timePicture: (identity) => call("timePicture", identity),
    ownAddresses: () => call("ownAddresses"),
    timeGaps: (...values) => call("timeGaps", ...values),
    timedGaps: () => call("timedGaps"),
    leave: () => call("leave"),
    view: () => call("view"),
    happened: () => call("happened"),
    grades: () => call("grades"),
    decodeVp8: (...values) => call("decodeVp8", ...values),
    decodeOpus: (...values) => call("decodeOpus", ...values),
    heard: () => call("heard"),
    say: (...values) => call("say", ...values),
    tell: (...values) => call("tell", ...values),
    ask: (...values) => call("ask", ...values),
    publishDataTrack: (name) => call("publishDataTrack", name),
    push: (...values) => call("push", ...values),
  };
}

/** What `package.json` calls the versions of livekit-client: the present one, and older ones. */
export const PRESENT = "livekit-client";

const html = (name) =>
  `<!doctype html><meta charset=utf-8><title>hanse</title><body><script type=module src=${name}.js></script>`;

/** Files of a site with one version of livekit-client: the pages, and LiveKit's own encryption worker beside them. */
async function filesWith(livekit) {
  const here = fileURLToPath(new URL("../page", import.meta.url));
  const bundle = await build({
    entryPoints: PAGES.map((name) => join(here, `${name}.ts`)),
    outdir: here,
    alias: { [PRESENT]: livekit },
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    logLevel: "error",
  });
  const distribution = dirname(createRequire(import.meta.url).resolve(livekit));
  const worker = "livekit-client.e2ee.worker.mjs";
  return {
    "": ["text/html", html("page")],
    newcomer: ["text/html", html("newcomer")],
    ...Object.fromEntries(PAGES.map((name, index) => [`${name}.js`, ["text/javascript", bundle.outputFiles[index].text]])),
    [worker]: ["text/javascript", await readFile(join(distribution, worker))],
  };
}

/** Serves the pages, with each version of livekit-client in a folder of its name. */
export async function servePage() {
  const versions = new Map();
  const version = (livekit) => {
    if (!versions.has(livekit)) versions.set(livekit, filesWith(livekit));
    return versions.get(livekit);
  };
  await version(PRESENT);
  const server = createServer(async (request, response) => {
    const [, folder, name] = /^\/([\w.-]+)\/([\w.-]*)$/.exec(request.url) ?? [];
    const [type, body] = (folder?.startsWith(PRESENT) && (await version(folder))[name]) || [];
    response.writeHead(type ? 200 : 404, { "content-type": type ?? "text/plain" });
    response.end(body);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const address = `http://localhost:${server.address().port}`;
  return {
    /** Where the page `name` (by default that of a person) is with a version of livekit-client. */
    url: (livekit = PRESENT, name = "") => `${address}/${livekit}/${name}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
