// `hanse doctor` beside a real Synapse and behind a real nginx: all green, and each fault turns its own line red, with its sentence, until
// it is mended.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { showFile } from "../harness/browser.mjs";
import { startHomeserver } from "../organisations/homeserver.mjs";
import { choosePorts } from "../organisations/ports.mjs";
import { newKey, privateFile, startHanse } from "../organisations/hanse.mjs";
import { startProgram } from "../organisations/program.mjs";
import { executable, setup } from "./setup.mjs";

const CERTIFICATES = fileURLToPath(new URL("../organisations/certificates.py", import.meta.url));
const NAME = "org-a.localhost";
const FULL_BYTES = 250 * 1024 * 1024;
/** The name's own address, where it has port 443 for itself. */
const ADDRESS = `127.${64 + ((process.pid >> 16) & 63)}.${(process.pid >> 8) & 255}.${process.pid & 255}`;
/** An address of documents (RFC 5737): nobody is there. */
const NOWHERE = "192.0.2.1";

const UPGRADE = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';

const here = { stops: [] };

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), "hanse-doctor-test-"));
  const ports = (await choosePorts({ page: 0, a: { hanse: 0, media: 0, stream: 0, client: 0, federation: 0, proxy: 0, stranger: 0 } })).a;
  const [certificates, own] = [join(folder, "certificates"), join(folder, "hanse")];
  await Promise.all([certificates, own].map((each) => mkdir(each, { mode: 0o700 })));
  const python = executable("HANSE_HOMESERVER_PYTHON");
  execFileSync(python, [CERTIFICATES, certificates, NAME, "localhost", "other.localhost", "expired:localhost"]);
  // A disk that can be full.
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=400m,mode=700", "none", own]);
  here.stops.push(() => rm(folder, { recursive: true, force: true }), () => execFileSync("umount", ["--lazy", own]));
  const started = (program) => here.stops.push(() => program.stop());
  const url = `https://localhost:${ports.proxy}`;
  const homeserverUrl = `http://127.0.0.1:${ports.client}`;
  const hanseUrl = `http://127.0.0.1:${ports.hanse}`;
  const serverName = `${NAME}:${ports.federation}`;
  const written = join(folder, "setup");
  await mkdir(written, { mode: 0o700 });
  await setup({ "server-name": serverName, "homeserver-url": homeserverUrl, "hanse-url": hanseUrl, "public-url": url, out: written });
  const lines = await readFile(join(written, "homeserver-hanse.yaml"), "utf8");
  const [registration] = JSON.parse(/^registrations = (.*)$/m.exec(await readFile(join(written, "hanse.toml"), "utf8"))[1]);
  const tables = {
    sfu: { udp_port: ports.media, tcp_port: ports.stream, auto_create: false },
    focus: { sfu_url: url.replace("https", "wss"), full_access_homeservers: [serverName] },
    store: { url: `sqlite:${join(own, "hanse.db")}` },
    guests: { allowed: true },
    homeservers: { registrations: [registration], allowed_networks: ["127.0.0.0/8", "::1/128"], ca_files: [join(certificates, "ca.pem")] },
  };
  const hosts = join(folder, "hosts");
  await writeFile(hosts, `${await readFile("/etc/hosts", "utf8")}\n${ADDRESS} ${NAME}\n127.0.0.1 ${NAME}\n`);
  const key = newKey("doctor");
  const startOurs = (changes = {}) => startHanse({
    name: "hanse", executable: executable("HANSE_BIN"), folder: own, port: ports.hanse, key, tables: { ...tables, sfu: { ...tables.sfu, ...changes } }, started,
  });
  const [homeserver, hanse] = await Promise.all([
    startHomeserver({
      name: NAME, python, folder: join(folder, "synapse"), certificates, clientPort: ports.client, federationPort: ports.federation, lines, started,
    }),
    startOurs(),
  ]);
  Object.assign(here, { folder, own, ports, certificates, homeserver, hanse, startOurs, started, url, hosts, registration, config: join(own, "hanse.toml") });
  await proxy();
  const nginx = startProgram({ name: "nginx", command: "nginx", args: ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"], log: join(folder, "nginx.log") });
  started(nginx);
  here.nginx = nginx;
  await nginx.ready(async () => nginx.log().then(() => answersTls(ports.proxy)));
});

after(async () => {
  for (const stop of here.stops.toReversed()) await stop();
});

test("where all is well every line is green or says why it was not looked at, two people call each other, and that takes less than 20 s", async () => {
  const { status, lines, total } = await doctor({ hold: 3 });
  assert.deepEqual(red(lines), []);
  const said = (line) => lines.find(({ check }) => check === line);
  for (const line of ["call", "well-known", "delayed", "federation", "key", "hold", "guests", "page", "page-log-in"]) assert.equal(said(line).sentence, `${line}-good`, said(line).en);
  assert.match(said("delayed").en, new RegExp(`127\\.0\\.0\\.1:.*https://${NAME}`), "both ways to the homeserver");
  assert.equal(status, 0);
  assert.ok(total.ms < 20_000, `${total.ms} ms`);
});

test("a name that leads nowhere", () => fault({
  line: "name", sentence: "name-none",
  with: { config: (text) => text.replace(/^sfu_url = .*$/m, 'sfu_url = "wss://nowhere.invalid"') },
}));

test("a token that the homeserver does not know", () => fault({
  line: "token", sentence: "token-unknown",
  with: { registration: (text) => text.replace(/^as_token: .*$/m, `as_token: ${"wrong".repeat(8)}`) },
}));

test("a clock that is five minutes off", () => fault({ line: "clock", sentence: "clock-differs", with: { clock: "+5m" } }));

test("a proxy that takes the CORS headers off one route", () => throughProxy(
  { line: "routes", sentence: "routes-no-cors", says: /\/get_token comes without CORS/ },
  { more: (pass) => `location = /livekit/jwt/get_token { ${pass} proxy_hide_header Access-Control-Allow-Origin; }` },
));

test("a proxy that does not pass the page on", () => throughProxy(
  { line: "page", sentence: "page-not-passed", says: /\/ is not what Hanse answers there \(status 404\)/ },
  { page: () => "return 404;" },
));

test("a proxy that takes the policy off the page", () => throughProxy(
  { line: "page", sentence: "page-no-policy" },
  { page: (pass) => `${pass} proxy_hide_header Content-Security-Policy;` },
));

test("a proxy that adds a policy of its own to the page's", () => throughProxy(
  { line: "page", sentence: "page-other-policy" },
  { page: (pass) => `${pass} add_header Content-Security-Policy "default-src 'self'";` },
));

test("a server that has not heard yet that guests are not wanted any more", () => fault({
  line: "page", sentence: "page-other-guests", with: { config: (text) => text.replace("[guests]\nallowed = true", "[guests]\nallowed = false") },
}));

test("a homeserver that browsers do not reach", () => throughProxy(
  { line: "page-log-in", sentence: "page-log-in-silent", says: new RegExp(`https://${NAME}, and none answers there \\(status 404\\)`) },
  { home: () => "location = /_matrix/client/v3/login { return 404; }" },
));

test("a proxy that takes upgrades out of requests", () => throughProxy({ line: "upgrade", sentence: "upgrade-stripped" }, { upgrade: "" }));

test("the status page says in a browser what was printed, in both languages, and loads nothing", async (t) => {
  await proxy({ upgrade: "" });
  const page = join(here.folder, "status.html");
  const { lines } = await doctor({ call: false, page });
  await proxy();
  const { en, de } = lines.find(({ check }) => check === "upgrade");
  const shown = await showFile(t, page);
  assert.deepEqual(await shown.texts("main:visible li.red p"), plain(en));
  assert.deepEqual(await shown.texts("main:visible .verdict"), ["To mend:"]);
  assert.equal((await shown.texts("main:visible li")).length, lines.length);
  // By keyboard alone.
  await shown.press("Tab", "Enter");
  assert.deepEqual(await shown.texts("main:visible li.red p"), plain(de));
  assert.deepEqual(await shown.texts("main:visible .verdict"), ["Zu beheben:"]);
  assert.deepEqual(shown.loaded, [pathToFileURL(page).href]);
});

test("a proxy that refuses long addresses", () => throughProxy({ line: "upgrade", sentence: "upgrade-short" }, { letters: "8k" }));

test("a proxy that cuts WebSockets", () => throughProxy(
  { line: "hold", sentence: "hold-cut", says: /after [12] s/, hold: 3 },
  { upgrade: `${UPGRADE} proxy_read_timeout 2s;` },
));

test("a focus whose key the SFU does not know", async () => {
  const { name, secret } = newKey("doctor");
  const file = await privateFile(here.folder, "other.keys", `${name}: ${secret}\n`);
  await fault({ line: "key", sentence: "key-unknown", with: { config: (text) => text.replace(/^keys_file = .*$/m, `keys_file = "${file}"`) } });
});

test("clients who are sent to somebody else's SFU", async () => {
  const { folder, ports, started } = here;
  const stranger = await startHanse({
    name: "another hanse", executable: executable("HANSE_BIN"), folder: join(folder, "stranger"), port: ports.stranger, key: newKey("stranger"),
    tables: { sfu: { udp_port: 0, tcp_port: 0 }, store: { url: `sqlite:${join(folder, "stranger", "hanse.db")}` } }, started,
  });
  await throughProxy({ line: "key", sentence: "key-unknown", says: /“doctor”/ }, { sfu: ports.stranger });
  await stranger.program.stop();
});

test("a .well-known that browsers cannot read", () => throughProxy({ line: "well-known", sentence: "well-known-no-cors" }, { wellKnown: { cors: "" } }));

test("a .well-known that sends people to another place for calls", () => throughProxy(
  { line: "well-known", sentence: "well-known-other-place", says: /old\.example/ },
  { wellKnown: { place: "https://old.example/livekit/jwt" } },
));

test("a proxy that does not pass delayed events on", () => throughProxy(
  { line: "delayed", sentence: "delayed-not-passed", says: new RegExp(`https://${NAME}/_matrix/.*/restart does not reach the homeserver \\(status 404\\)`) },
  { home: () => "location ~ msc4140 { return 404; }" },
));

test("a proxy that sends delayed events to a process that does not know them", () => throughProxy(
  { line: "delayed", sentence: "delayed-worker", says: /\/send reaches a process/ },
  { home: (pass) => `location ~ msc4140/delayed_events/[^/]+/send$ { rewrite ^ /_matrix/client/unstable/no_such_route break; ${pass} }` },
));

test("a certificate that has expired", () => throughProxy({ line: "certificate", sentence: "certificate-expired" }, { certificate: "localhost-expired" }));

test("a certificate for another name", () => throughProxy({ line: "certificate", sentence: "certificate-other-name" }, { certificate: "other.localhost" }));

test("a disk that is full", async () => {
  const file = join(here.own, "filling");
  execFileSync("fallocate", ["-l", `${FULL_BYTES}`, file]);
  await fault({ line: "disk", sentence: "disk-full" });
  await rm(file);
  await isWell();
});

for (const [protocol, port] of [["udp", "media"], ["tcp", "stream"]]) {
  test(`a firewall that stops media by ${protocol.toUpperCase()}`, async () => {
    const rule = ["-p", protocol, "--dport", `${here.ports[port]}`, "-j", "DROP"];
    // Between Hanse's own sockets on loopback no firewall stands.
    const stop = (what) => [["iptables", "127.0.0.0/8"], ["ip6tables", "::1"]].forEach(([family, loopback]) =>
      execFileSync(family, ["-w", what, "INPUT", "!", "-d", loopback, ...rule]));
    stop("-I");
    try {
      await fault({ line: protocol, sentence: `${protocol}-closed`, says: new RegExp(`${here.ports[port]}`), call: true });
    } finally {
      stop("-D");
    }
  });
}

test("an SFU that names an address at which nobody reaches it", async () => {
  await here.hanse.program.stop();
  here.hanse = await here.startOurs({ addresses: [NOWHERE] });
  const { status, lines } = await doctor();
  assert.deepEqual(red(lines), ["udp: udp-closed", "tcp: tcp-closed"], JSON.stringify(lines, null, 1));
  for (const line of ["udp", "tcp"]) assert.match(lines.find(({ check }) => check === line).en, /`addresses` of \[sfu\]/);
  assert.equal(status, 1);
  await here.hanse.program.stop();
  here.hanse = await here.startOurs();
});

test("after that media goes by both ways again", async () => {
  const { lines } = await doctor();
  assert.deepEqual(["udp", "tcp", "call"].map((line) => lines.find(({ check }) => check === line).colour), ["green", "green", "green"]);
});

test("a homeserver that lacks what calls need", async () => {
  const file = join(here.folder, "synapse", "hanse.yaml");
  const lines = await readFile(file, "utf8");
  const startAgain = async (text) => {
    await here.homeserver.program.stop();
    await writeFile(file, text);
    await here.homeserver.startAgain();
  };
  await startAgain(lines.replace(/^.*msc4354_enabled.*$/m, ""));
  await fault({ line: "homeserver", sentence: "homeserver-lacks", says: /msc4354_enabled: true/ });
  await startAgain(lines);
  await isWell();
});

/** The doctor says exactly this one thing, and exits accordingly. */
async function fault({ line, sentence, says = /./, with: wrong = {}, call = false, hold }) {
  const { status, lines } = await doctor({ ...wrong, call, hold });
  assert.deepEqual(red(lines), [`${line}: ${sentence}`], JSON.stringify(lines, null, 1));
  assert.match(lines.find(({ check }) => check === line).en, says);
  assert.equal(status, 1);
}

async function throughProxy(expected, wrong) {
  await proxy(wrong);
  await fault(expected);
  await proxy();
  await isWell(expected);
}

async function isWell({ hold } = {}) {
  assert.deepEqual(red((await doctor({ call: false, hold })).lines), []);
}

const red = (lines) => lines.filter(({ colour }) => colour === "red").map(({ check, sentence }) => `${check}: ${sentence}`);

/** Asks the doctor. `config`, `registration`: what stands otherwise in the files; `clock`: of this machine; `hold`: a WebSocket, in s;
 * `page`: where the status page goes. */
async function doctor({ call = true, config = (text) => text, registration, clock, hold, page } = {}) {
  let text = config(await readFile(here.config, "utf8"));
  if (registration) {
    const other = join(here.folder, "other.yaml");
    await writeFile(other, registration(await readFile(here.registration, "utf8")), { mode: 0o600 });
    text = text.replace(here.registration, other);
  }
  const file = join(here.folder, "doctor.toml");
  await writeFile(file, text, { mode: 0o600 });
  const command = [executable("HANSE_BIN"), "doctor", "--json", "--config", file, "--participant", executable("HANSE_PARTICIPANT_BIN")];
  if (!call) command.push("--no-call");
  if (hold) command.push("--hold", `${hold}`);
  if (page) command.push("--status", page);
  // The name has addresses in a hosts file that nobody else sees.
  const named = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', here.hosts];
  const [program, ...args] = [...named, ...(clock ? ["faketime", "-f", clock] : []), ...command];
  return new Promise((done, fail) => {
    execFile(program, args, (error, stdout, stderr) => {
      const said = stdout.trim().split("\n").map((each) => { try { return JSON.parse(each); } catch { return {}; } });
      if (said.length < 2) return fail(new Error(`the doctor says nothing: ${stderr}`));
      done({ status: error ? error.code : 0, lines: said.slice(0, -1), total: said.at(-1) });
    });
  });
}

const plain = (text) => [text.replaceAll("`", "")];

const to = (port) => `proxy_pass http://127.0.0.1:${port};`;

/** Has nginx stand before Hanse, in this way from now on. */
async function proxy({ certificate = "localhost", upgrade = UPGRADE, letters = "128k", more = () => "", sfu = here.ports.hanse, wellKnown = {}, home = () => "", page = (pass) => pass } = {}) {
  const { folder, certificates, ports, url } = here;
  const pass = to(ports.hanse);
  const { cors = "add_header Access-Control-Allow-Origin * always;", place = `${url}/livekit/jwt` } = wellKnown;
  const known = { "m.homeserver": { base_url: `https://${NAME}` }, "org.matrix.msc4143.rtc_foci": [{ type: "livekit", livekit_service_url: place }] };
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(" ");
  await writeFile(join(folder, "nginx.conf"), `
    daemon off; pid ${join(folder, "nginx.pid")}; user root;
    events {}
    http {
      access_log off; ${scratch} large_client_header_buffers 4 ${letters};
      server {
        listen 127.0.0.1:${ports.proxy} ssl; server_name localhost;
        ssl_certificate ${join(certificates, `${certificate}.pem`)}; ssl_certificate_key ${join(certificates, `${certificate}.key`)};
        proxy_http_version 1.1; proxy_set_header X-Forwarded-For $remote_addr;
        ${more(pass)}
        location ~ ^/rtc(/|$) { ${to(sfu)} ${upgrade} }
        location /livekit/jwt/ { ${pass} }
        location / { ${page(pass)} }
      }
      server {
        listen ${ADDRESS}:443 ssl; server_name ${NAME};
        ssl_certificate ${join(certificates, `${NAME}.pem`)}; ssl_certificate_key ${join(certificates, `${NAME}.key`)};
        location = /.well-known/matrix/client { default_type application/json; ${cors} return 200 '${JSON.stringify(known)}'; }
        ${home(to(ports.client))}
        location /_matrix/ { ${to(ports.client)} }
      }
    }`);
  if (!here.nginx) return;
  const earlier = await workers();
  here.nginx.signal("SIGHUP");
  await here.nginx.ready(async () => (await workers()).every((pid) => !earlier.includes(pid)));
}

/** The processes that answer: those from before a change end when new ones have begun. */
async function workers() {
  return execFileSync("pgrep", ["-P", `${here.nginx.pid}`]).toString().trim().split("\n");
}

async function answersTls(port) {
  const { connect } = await import("node:tls");
  return new Promise((done, fail) => {
    const socket = connect({ port, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false }, () => {
      socket.end();
      done(true);
    });
    socket.once("error", fail);
  });
}
