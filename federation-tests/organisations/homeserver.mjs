// One Synapse: its configuration, its start, and an account on it.
import { createHmac, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { call, Account } from "./matrix.mjs";
import { startProgram } from "./program.mjs";

const LAUNCHER = fileURLToPath(new URL("homeserver.py", import.meta.url));

/** A limit that nobody reaches: the calls of a test are closer together than those of people. */
const NO_LIMIT = { per_second: 1000, burst_count: 1000 };

/** @typedef {Awaited<ReturnType<typeof startHomeserver>>} Homeserver */

/**
 * Starts a Synapse with an empty SQLite database.
 *
 * `name`: its server name without the port. `folder` holds everything of it. `certificates` holds `ca.pem`, `NAME.pem` and
 * `NAME.key`. `lines`: what `hanse setup` has written for its configuration. `started` is given the program at once.
 * `serverName`: what is behind the colon, if that is not the name with its port. `confD`: a folder with further files.
 * `resources`: what there is at the client port. `provider`: an OpenID provider by which people log in, too, as `oidc_providers` has it.
 */
export async function startHomeserver(wish) {
  const { name, python, folder, certificates, clientPort, federationPort, lines, started } = wish;
  const { serverName = `${name}:${federationPort}`, confD, resources = ["client"], provider } = wish;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const secret = randomBytes(32).toString("hex");
  const database = join(folder, "homeserver.db");
  const file = async (path, text) => {
    await writeFile(join(folder, path), text, { mode: 0o600 });
    return join(folder, path);
  };
  // JSON is YAML.
  const settings = {
    server_name: serverName,
    public_baseurl: `http://127.0.0.1:${clientPort}/`,
    pid_file: join(folder, "homeserver.pid"),
    log_config: await file("log.yaml", JSON.stringify(logging(join(folder, "homeserver.log")))),
    signing_key_path: await file("signing.key", `ed25519 a_1 ${randomBytes(32).toString("base64").replace("=", "")}\n`),
    media_store_path: join(folder, "media"),
    database: { name: "sqlite3", args: { database } },
    listeners: [
      listener(clientPort, { names: resources }),
      { ...listener(federationPort, { names: ["federation"] }), tls: true },
    ],
    tls_certificate_path: join(certificates, `${name}.pem`),
    tls_private_key_path: join(certificates, `${name}.key`),
    // The other homeserver is on this machine, too, and known to nobody else.
    federation_custom_ca_list: [join(certificates, "ca.pem")],
    ip_range_blacklist: [],
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    report_stats: false,
    registration_shared_secret: secret,
    macaroon_secret_key: randomBytes(32).toString("hex"),
    form_secret: randomBytes(32).toString("hex"),
    // Passwords guard nothing here.
    bcrypt_rounds: 4,
    ...(provider && { oidc_providers: [provider] }),
  };
  const unhurried = {
    rc_message: NO_LIMIT,
    rc_registration: NO_LIMIT,
    rc_room_creation: NO_LIMIT,
    rc_login: { address: NO_LIMIT, account: NO_LIMIT, failed_attempts: NO_LIMIT },
    rc_joins: { local: NO_LIMIT, remote: NO_LIMIT },
    rc_joins_per_room: NO_LIMIT,
    rc_invites: { per_room: NO_LIMIT, per_user: NO_LIMIT, per_issuer: NO_LIMIT },
    rc_delayed_event_mgmt: NO_LIMIT,
    rc_federation: { window_size: 1000, sleep_limit: 1000, sleep_delay: 1, reject_limit: 10_000, concurrent: 50 },
  };
  // Of a key that stands in several files, the last one counts.
  const files = [
    await file("homeserver.yaml", JSON.stringify(settings, null, 2)),
    await file("hanse.yaml", lines),
    await file("unhurried.yaml", JSON.stringify(unhurried, null, 2)),
    ...(confD ? [confD] : []),
  ];
  const url = `http://127.0.0.1:${clientPort}`;
  const start = async () => {
    const program = startProgram({
      name: `the homeserver ${name}`,
      command: python,
      args: [LAUNCHER, ...files.flatMap((each) => ["-c", each])],
      log: join(folder, "output.log"),
    });
    started(program);
    await program.ready(async () => (await fetch(`${url}/health`)).ok);
    return program;
  };

  const homeserver = {
    name: settings.server_name,
    /** Who speaks for Hanse there. */
    bridgeUser: `@hanse:${settings.server_name}`,
    url,
    database,
    program: await start(),
    /** Once its program was stopped: another one, with the same data and at the same ports. */
    async startAgain() {
      homeserver.program = await start();
    },
    /** Makes an account and signs it in. */
    async register(user, password, displayName) {
      const address = `${url}/_synapse/admin/v1/register`;
      const { nonce } = await call(address);
      const signed = [nonce, user, password, "notadmin"].join("\0");
      const mac = createHmac("sha1", secret).update(signed).digest("hex");
      const body = { nonce, username: user, password, displayname: displayName, admin: false, mac };
      const made = await call(address, { body });
      return new Account(url, made.user_id, made.access_token);
    },
  };
  return homeserver;
}

function listener(port, resource) {
  return { port, bind_addresses: ["127.0.0.1"], type: "http", tls: false, resources: [resource] };
}

function logging(filename) {
  const format = "%(asctime)s %(levelname)s %(name)s %(request)s %(message)s";
  return {
    version: 1,
    formatters: { line: { format } },
    handlers: { file: { class: "logging.FileHandler", formatter: "line", filename } },
    root: { level: "INFO", handlers: ["file"] },
    disable_existing_loggers: false,
  };
}
