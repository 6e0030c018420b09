// What docs/install.md promises, as it is written there: from `apt install ./hanse.deb` beside a Synapse that runs, on a clean Debian,
// to a homeserver and a Hanse that know each other, reached by TLS under its name, by few commands and one question.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../harness/until.mjs";
import { cleanRoot, debianPackage } from "./debian-root.mjs";
import { executable } from "./setup.mjs";

const execute = promisify(execFile);
const CERTIFICATES = fileURLToPath(new URL("../organisations/certificates.py", import.meta.url));
const PAGE = fileURLToPath(new URL("../../docs/install.md", import.meta.url));

const NAME = "org-a.example";
const HANSE = `hanse.${NAME}`;

/** As behind a NAT: not a public one. */
const ADDRESS = "10.77.0.1";

/** Where Synapse's modules are in the clean Debian. */
const SYNAPSE = "/opt/synapse";

const MINUTES_MAX = 10;
const COMMANDS_MAX = 5;

let folder;
let root;

before(begin, { timeout: 900_000 });
after(async () => {
  await root?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test(`the commands of the page and one question lead to a Hanse that works, in less than ${MINUTES_MAX} minutes`, async (t) => {
  const commands = await promised();
  assert.ok(commands.length <= COMMANDS_MAX, `${commands.length} commands`);
  const began = performance.now();
  let questions = 0;
  for (const command of commands) {
    const started = performance.now();
    const said = await root.shell(typed(command)).catch((error) => assert.fail(`${command}\n${error.stdout}\n${error.stderr}`));
    t.diagnostic(`${((performance.now() - started) / 1000).toFixed(1)} s: ${command}`);
    if (command.startsWith("hanse setup")) questions += said.split("?").length - 1;
    // Whoever types the next command is slower than a service that starts.
    if (command.includes("restart")) await bothAnswer();
  }
  await knowEachOther();
  const minutes = (performance.now() - began) / 60_000;
  t.diagnostic(`${commands.length} commands and ${questions} question, ${minutes.toFixed(1)} min`);
  assert.equal(questions, 1);
  assert.ok(minutes < MINUTES_MAX, `${minutes} minutes`);
});

/** The commands of the page that administrators follow. */
async function promised() {
  const [, block] = /## \w+ commands\n\n```sh\n([^`]*)```/.exec(await readFile(PAGE, "utf8"));
  const lines = block.replaceAll(/\\\n\s*/g, "").trim().split("\n");
  return lines.map((line) => line.replace(/\s*# \d$/, ""));
}

/** As it is typed. What asks does so at a terminal, and is answered by Enter. */
function typed(command) {
  if (!command.startsWith("hanse setup")) return `cd /root; ${command.replace("apt install", "apt-get install --yes")}`;
  return `printf '\\n' | script --quiet --return --command '${command}' /dev/null`;
}

/** The homeserver asks Hanse back, and people reach Hanse by TLS under its name, both as the files say. */
async function knowEachOther() {
  const registration = await root.run("cat", [`/etc/hanse/registration-${NAME}.yaml`]);
  const [, token] = /^as_token: (\S+)$/m.exec(registration);
  const asks = { method: "POST", headers: { authorization: `Bearer ${token}` }, body: "{}" };
  const ping = `fetch("http://127.0.0.1:8008/_matrix/client/v1/appservice/hanse/ping", ${JSON.stringify(asks)})`;
  assert.equal(await root.inNetwork(process.execPath, ["-e", `${ping}.then(({ status }) => console.log(status))`]), "200\n");
  const outside = `require("https").get({ host: "${ADDRESS}", servername: "${HANSE}", headers: { host: "${HANSE}" }, path: "/livekit/jwt/healthz",
    agent: false, ca: require("fs").readFileSync("${join(folder, "ca.pem")}") }, (answer) => console.log(answer.resume().statusCode))`;
  assert.equal(await root.inNetwork(process.execPath, ["-e", outside]), "200\n");
}

function bothAnswer() {
  return until("Synapse and Hanse answer", async () => (await answers(8008, "/health")) && answers(7880, "/livekit/jwt/healthz"));
}

async function answers(port, path) {
  return (await root.status(`http://127.0.0.1:${port}${path}`)) === 200;
}

/** A clean Debian with a Synapse and an nginx that run, and a package that nobody has installed yet. */
async function begin() {
  folder = await mkdtemp(join(tmpdir(), "hanse-ten-minutes-"));
  const python = executable("HANSE_HOMESERVER_PYTHON");
  const [file] = await Promise.all([
    debianPackage({ version: "0.1.0~test1", out: folder }),
    execute(python, [CERTIFICATES, folder, NAME, HANSE]),
    (async () => (root = await cleanRoot()))(),
  ]);
  await root.shell(`
    ip link add lan type veth peer name beyond
    ip address add ${ADDRESS}/24 dev lan
    ip link set lan up
    ip link set beyond up
    echo '127.0.0.1 localhost' > /etc/hosts
    echo '${ADDRESS} ${NAME} ${HANSE}' >> /etc/hosts
    useradd --system --home-dir /var/lib/matrix-synapse --create-home --gid nogroup matrix-synapse
    mkdir -p /etc/matrix-synapse/conf.d /etc/letsencrypt/live/${HANSE} /usr/local/share/ca-certificates`);
  const inside = (path) => join(root.path, path);
  const live = `/etc/letsencrypt/live/${HANSE}`;
  await Promise.all([
    cp(file, join(root.path, "root", "hanse.deb")),
    cp(join(folder, "ca.pem"), inside("/usr/local/share/ca-certificates/ours.crt")),
    cp(join(folder, `${HANSE}.pem`), inside(`${live}/fullchain.pem`)),
    cp(join(folder, `${HANSE}.key`), inside(`${live}/privkey.pem`)),
    cp(join(folder, `${NAME}.pem`), inside("/etc/matrix-synapse/federation.pem")),
    cp(join(folder, `${NAME}.key`), inside("/etc/matrix-synapse/federation.key")),
    // Synapse is in no Debian 12: that of the other tests, whose Python is Debian's.
    copySynapse(python, inside(SYNAPSE)),
    ...Object.entries(synapseFiles()).map(([path, text]) => writeFile(inside(path), text)),
  ]);
  await root.shell(`
    update-ca-certificates
    chown matrix-synapse /etc/matrix-synapse/*
    systemctl start matrix-synapse nginx`);
  await until("Synapse answers", () => answers(8008, "/health")).catch(async (error) => {
    throw new Error(await root.run("journalctl", ["--no-pager", "--output", "cat", "--unit", "matrix-synapse"]), { cause: error });
  });
}

/** The modules of a Python environment. */
async function copySynapse(python, to) {
  const { stdout } = await execute(python, ["-c", "import synapse, os; print(os.path.dirname(os.path.dirname(synapse.__file__)))"]);
  await execute("cp", ["--archive", stdout.trim(), to]);
}

/** As Synapse's package lays them out. */
function synapseFiles() {
  const listener = { type: "http", tls: false, bind_addresses: ["127.0.0.1"], resources: [{ names: ["client", "federation"] }] };
  const settings = {
    pid_file: "/var/lib/matrix-synapse/homeserver.pid",
    listeners: [
      { ...listener, port: 8008 },
      { ...listener, port: 8448, tls: true, bind_addresses: ["0.0.0.0"], resources: [{ names: ["federation"] }] },
    ],
    tls_certificate_path: "/etc/matrix-synapse/federation.pem",
    tls_private_key_path: "/etc/matrix-synapse/federation.key",
    database: { name: "sqlite3", args: { database: "/var/lib/matrix-synapse/homeserver.db" } },
    media_store_path: "/var/lib/matrix-synapse/media",
    signing_key_path: "/etc/matrix-synapse/homeserver.signing.key",
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    macaroon_secret_key: randomBytes(32).toString("hex"),
    form_secret: randomBytes(32).toString("hex"),
  };
  const start = ["/usr/bin/python3", "-m", "synapse.app.homeserver", "--config-path=/etc/matrix-synapse/homeserver.yaml", "--config-path=/etc/matrix-synapse/conf.d/"];
  // Where browsers reach it. Nothing else is there.
  const site = `server {
    listen 443 ssl;
    server_name ${NAME};
    ssl_certificate ${settings.tls_certificate_path};
    ssl_certificate_key ${settings.tls_private_key_path};
    location /_matrix/ { proxy_pass http://127.0.0.1:8008; }
    location / { return 444; }
  }\n`;
  return {
    "/etc/nginx/sites-enabled/matrix": site,
    // JSON is YAML.
    "/etc/matrix-synapse/homeserver.yaml": JSON.stringify(settings, null, 2),
    "/etc/matrix-synapse/conf.d/server_name.yaml": `server_name: ${NAME}\nreport_stats: false\n`,
    "/etc/matrix-synapse/homeserver.signing.key": `ed25519 a_1 ${randomBytes(32).toString("base64").replace("=", "")}\n`,
    "/etc/systemd/system/matrix-synapse.service": `[Service]\nUser=matrix-synapse\nEnvironment=PYTHONPATH=${SYNAPSE}\nWorkingDirectory=/var/lib/matrix-synapse\nExecStart=${start.join(" ")}\n`,
  };
}
