// The files that `hanse setup` writes for reverse proxies, read by the real programs, in front of a real hanse, on port 443 of a
// network of their own. Nothing in the files is changed but where the certificate is. Traefik is in no Debian; what is written
// for it is only read as what it is, in the tests of `deploy/hanse/src/setup/proxy.rs`.
import { SignalRequest, SignalResponse } from "@livekit/protocol";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request as plainly } from "node:http";
import { request as securely } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { inOwnNetwork, ip } from "../harness/namespace.mjs";
import { signToken } from "../harness/token.mjs";
import { startProgram } from "../organisations/program.mjs";
import { setup, startInstalled, writtenKey } from "./setup.mjs";

const HOST = "hanse.org-a.example";

/** Nothing else is in this network: every port is free. */
const HANSE = 7880;
const ECHO = 7990;

/** The least silence that a WebSocket must survive: Element Call's clients say something every 5 to 30 s. */
const SILENCE_S_MIN = 61;

/** What clients ask for. */
const ROUTES = [
  ["GET", "/rtc"],
  ["GET", "/rtc/v1"],
  ["GET", "/rtc/validate"],
  ["GET", "/rtc/v1/validate"],
  ["POST", "/livekit/jwt/sfu/get"],
  ["POST", "/livekit/jwt/get_token"],
  ["POST", "/livekit/jwt/delegate_delayed_leave"],
  ["POST", "/livekit/jwt/moderate"],
  ["GET", "/livekit/jwt/healthz"],
  ["GET", "/"],
  ["GET", "/config.json"],
  ["GET", "/manifest.webmanifest"],
  ["GET", "/icon.svg"],
  ["GET", "/notices.txt"],
  ["GET", "/sw.js"],
  ["POST", "/livekit/jwt/examine"],
  ["GET", "/assets/nothing.js"],
  ["GET", "/privacy"],
  ["GET", "/privacy?lang=de"],
  ["GET", "/privacy.json"],
];

/** What Hanse answers inside, and nobody outside. */
const INSIDE = ["/configxjson", "/index.html", "/twirp/livekit.RoomService/ListRooms", "/_matrix/app/v1/ping", "/sfu/get", "/get_token", "/rtcx", "/livekit/jwtx", "/privacyx"];

let folder;
let hanse;
let echo;
/** How often that was asked. */
let echoed = 0;

const PROXIES = [
  {
    name: "nginx",
    async start(place) {
      const written = await readFile(join(place, "proxy-nginx.conf"), "utf8");
      const ours = written.replaceAll(`/etc/letsencrypt/live/${HOST}/`, `${folder}/`);
      await writeFile(join(place, "site.conf"), ours);
      const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${place}/${kind};`);
      const around = `user root; daemon off; pid ${place}/nginx.pid; events {}\nhttp { access_log off; ${scratch.join(" ")} include ${place}/site.conf; }\n`;
      const config = join(place, "nginx.conf");
      await writeFile(config, around);
      return { command: "nginx", args: ["-e", "stderr", "-p", place, "-c", config] };
    },
    async silence(place) {
      const text = await readFile(join(place, "proxy-nginx.conf"), "utf8");
      const block = /location ~ \^\/rtc\(\/\|\$\) \{([^}]*)\}/.exec(text)[1];
      return ["proxy_read_timeout", "proxy_send_timeout"].map((key) => seconds(new RegExp(`${key} (\\w+);`).exec(block)[1]));
    },
  },
  {
    name: "Caddy",
    async start(place) {
      // By itself Caddy asks Let's Encrypt, whom this network does not reach.
      const config = join(place, "Caddyfile");
      await writeFile(config, `{\n\tlocal_certs\n\tskip_install_trust\n\tadmin off\n}\nimport ${place}/proxy-Caddyfile\n`);
      const env = { HOME: place, XDG_DATA_HOME: place, XDG_CONFIG_HOME: place };
      return { command: "caddy", args: ["run", "--adapter", "caddyfile", "--config", config], env };
    },
    // It cuts streams only where it is told to, which it says in the form that it runs with.
    async silence(place) {
      const adapted = execFileSync("caddy", ["adapt", "--config", join(place, "proxy-Caddyfile"), "--adapter", "caddyfile"], {
        encoding: "utf8",
        env: { ...process.env, HOME: place },
        stdio: ["ignore", "pipe", "ignore"],
      });
      assert.match(adapted, /"handler":"reverse_proxy"/);
      const limits = [...adapted.matchAll(/"(?:read_timeout|write_timeout|stream_timeout|response_header_timeout)":(\d+)/g)];
      return [Infinity, ...limits.map(([, nanoseconds]) => Number(nanoseconds) / 1e9)];
    },
  },
  {
    name: "HAProxy",
    async start(place) {
      const written = await readFile(join(place, "proxy-haproxy.cfg"), "utf8");
      const config = join(place, "haproxy.cfg");
      await writeFile(config, written.replaceAll(`/etc/haproxy/certs/${HOST}.pem`, `${folder}/both.pem`));
      return { command: "haproxy", args: ["-db", "-f", config] };
    },
    async silence(place) {
      const text = await readFile(join(place, "proxy-haproxy.cfg"), "utf8");
      return [seconds(/^ +timeout tunnel (\w+)$/m.exec(text)[1])];
    },
  },
];

inOwnNetwork(
  import.meta.filename,
  () => {
    before(begin);
    after(end);
    for (const proxy of PROXIES) describe(proxy.name, () => behind(proxy));
  },
  () => {
    ip("link set lo up");
    // An interface besides loopback: media has to be somewhere.
    ip("link add lan type veth peer name beyond");
    ip("address add 10.77.0.1/24 dev lan");
    ip("link set lan up");
    ip("link set beyond up");
  },
);

async function begin() {
  folder = await mkdtemp(join(tmpdir(), "hanse-proxies-"));
  const certificate = ["-keyout", join(folder, "privkey.pem"), "-out", join(folder, "fullchain.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=${HOST}`, "-days", "2"];
  execFileSync("openssl", [...request, ...certificate], { stdio: "ignore" });
  const pems = await Promise.all(["privkey.pem", "fullchain.pem"].map((name) => readFile(join(folder, name), "utf8")));
  await writeFile(join(folder, "both.pem"), pems.join(""), { mode: 0o600 });
  for (const [place, port] of [["hanse", HANSE], ["echo", ECHO]]) {
    const urls = { "homeserver-url": "http://127.0.0.1:8008", "hanse-url": `http://127.0.0.1:${port}` };
    await setup({ "server-name": "org-a.example", ...urls, out: join(folder, place) });
  }
  hanse = await startInstalled({ folder: join(folder, "hanse"), url: `http://127.0.0.1:${HANSE}` });
  echo = createServer(({ method, url, headers }, answer) => {
    echoed += 1;
    answer.end(JSON.stringify({ method, url, headers }));
  });
  await new Promise((done) => echo.listen(ECHO, "127.0.0.1", done));
}

async function end() {
  await hanse?.stop();
  echo?.closeAllConnections();
  echo?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
}

function behind(proxy) {
  let running;
  /** Has the proxy lead to the program whose set-up is in that place. */
  async function lead(place) {
    await running?.stop();
    const whole = join(folder, place);
    running = startProgram({ name: proxy.name, ...(await proxy.start(whole)), log: join(folder, `${proxy.name}.log`) });
    await running.ready(async () => (await outside("GET", "/nothing")).status === 404);
  }
  before(() => lead("hanse"));
  after(() => running?.stop());

  test("everything that clients ask for reaches Hanse, and comes back as it was", async () => {
    for (const [method, path] of ROUTES) {
      const [through, direct] = await Promise.all([outside(method, path), inside(method, path)]);
      assert.deepEqual([through.status, through.text], [direct.status, direct.text], path);
    }
  });

  test("a page of another origin may ask, and is told so once", async () => {
    for (const path of ["/livekit/jwt/get_token", "/livekit/jwt/sfu/get", "/rtc/validate", "/rtc/v1/validate"]) {
      const asks = { origin: "https://call.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
      const { status, raw } = await outside("OPTIONS", path, asks);
      assert.equal(status, 200, path);
      const answers = raw.filter((each, index) => index % 2 === 0 && each.toLowerCase() === "access-control-allow-origin");
      assert.equal(answers.length, 1, `${path}: ${raw}`);
    }
    const { raw } = await outside("POST", "/livekit/jwt/get_token", { origin: "https://call.example" });
    assert.equal(raw.filter((each) => each.toLowerCase() === "access-control-allow-origin").length, 1, `a refusal, too: ${raw}`);
  });

  test("signalling is a WebSocket in both directions", async () => {
    const socket = new WebSocket(`wss://${HOST}/rtc?${new URLSearchParams({ access_token: await token(), protocol: "16", sdk: "js" })}`, {
      lookup: (_, options, found) => found(null, options.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4),
      rejectUnauthorized: false,
    });
    const ping = new SignalRequest({ message: { case: "pingReq", value: { timestamp: 1n, rtt: 1n } } });
    const heard = [];
    await new Promise((done, fail) => {
      socket.once("error", fail);
      socket.once("close", () => fail(new Error(`the socket was closed; it said ${heard}`)));
      socket.on("message", (data) => {
        const said = SignalResponse.fromBinary(data).message.case;
        heard.push(said);
        if (said === "join") socket.send(ping.toBinary());
        if (said === "pongResp") done();
      });
    });
    socket.close();
  });

  test("an address of 60 KiB passes", async () => {
    const path = `/rtc/validate?access_token=${await token()}&padding=${"x".repeat(60 * 1024)}`;
    const { status, text } = await outside("GET", path);
    assert.equal(status, 200, text);
    assert.equal(text, (await inside("GET", path)).text);
  });

  test(`a call may be silent for more than ${SILENCE_S_MIN - 1} s`, async () => {
    const limits = await proxy.silence(join(folder, "hanse"));
    assert.ok(limits.length > 0 && limits.every((limit) => limit >= SILENCE_S_MIN), `${limits} s`);
  });

  describe("what is passed on", () => {
    before(() => lead("echo"));

    test("is what clients ask for, with who asks, whatever they say of that themselves", async () => {
      for (const [method, path] of ROUTES) {
        const { text } = await outside(method, path, { "x-forwarded-for": "203.0.113.9" });
        const heard = JSON.parse(text);
        assert.deepEqual([heard.method, heard.url], [method, path]);
        assert.equal(heard.headers["x-forwarded-for"], "127.0.0.1", path);
        assert.equal(heard.headers["host"], HOST, path);
      }
    });

    test("is nothing else", async () => {
      const sofar = echoed;
      for (const path of INSIDE) {
        for (const method of ["GET", "POST"]) assert.equal((await outside(method, path)).status, 404, path);
      }
      assert.equal(echoed, sofar);
    });
  });
}

/** Asks as the world does: by TLS, on port 443, under the name. */
function outside(method, path, headers = {}) {
  return asked(securely({ host: "127.0.0.1", port: 443, servername: HOST, rejectUnauthorized: false, agent: false, method, path, headers: { host: HOST, ...headers } }));
}

/** Asks Hanse itself. */
function inside(method, path) {
  return asked(plainly({ host: "127.0.0.1", port: HANSE, agent: false, method, path, maxHeaderSize: 1 << 20 }));
}

function asked(request) {
  return new Promise((done, fail) => {
    request.once("error", fail);
    request.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.once("error", fail).once("end", () => done({ status: response.statusCode, text, raw: response.rawHeaders }));
    });
    request.end();
  });
}

/** A seat in a call. */
async function token() {
  const grants = { roomJoin: true, room: "behind a proxy" };
  return signToken({ ...(await writtenKey(join(folder, "hanse"))), identity: "ada", grants });
}

/** As nginx and HAProxy write times. */
function seconds(written) {
  const [, number, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(written);
  return Number(number) * { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }[unit];
}
