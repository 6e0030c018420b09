// One Hanse: what it is told, and its start.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { startProgram } from "./program.mjs";

/** An API key that nobody has had before. */
export function newKey(name) {
  return { name, secret: randomBytes(32).toString("hex") };
}

/** Writes a file that only its owner may read, and gives its path. */
export async function privateFile(folder, name, text) {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
}

/** What a log says when the file was read again, and when it could not be made use of. */
const RELOADED = "are read again; the rest needs a restart";
const NOT_RELOADED = "the rules stay as they were";

/**
 * Introduces a Hanse and a homeserver to each other, as an administrator does: `hanse setup`. Gives the registration file,
 * the lines for the homeserver's configuration, and the tokens by which they know each other. `signed`: whether the homeserver
 * passes requests for tokens on.
 */
export async function introduce({ executable, folder, serverName, homeserverUrl, hanseUrl, signed = false }) {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const told = { "server-name": serverName, "homeserver-url": homeserverUrl, "hanse-url": hanseUrl, "public-url": hanseUrl, out: folder };
  const flags = [...Object.entries(told).flatMap(([name, value]) => [`--${name}`, value]), ...(signed ? ["--signed"] : [])];
  await promisify(execFile)(executable, ["setup", ...flags]);
  const homeserverLines = await readFile(join(folder, "homeserver-hanse.yaml"), "utf8");
  const [file] = JSON.parse(/^registrations = (.*)$/m.exec(await readFile(join(folder, "hanse.toml"), "utf8"))[1]);
  const text = await readFile(file, "utf8");
  const token = (name) => new RegExp(`^${name}: (\\S+)$`, "m").exec(text)[1];
  return { file, homeserverLines, asToken: token("as_token"), hsToken: token("hs_token") };
}

/**
 * Starts a Hanse on loopback, and waits until it answers. `key` is the API key of its SFU; `tables` is what its `hanse.toml`
 * says besides port and keys. `folder` holds everything of it; `started` is given the program at once.
 */
export async function startHanse({ name, executable, folder, port, key, tables, env = {}, started }) {
  const keysFile = await privateFile(folder, "hanse.keys", `${key.name}: ${key.secret}\n`);
  const write = (said) => {
    const told = {
      ...said,
      http: { bind_addresses: ["127.0.0.1"], port },
      sfu: { ...said.sfu, keys_file: keysFile },
      operate: { socket: join(folder, "hanse.sock") },
    };
    return privateFile(folder, "hanse.toml", toml(told));
  };
  const config = await write(tables);
  const program = startProgram({ name, command: executable, args: ["run", "--config", config], env, log: join(folder, "hanse.log") });
  started(program);
  const url = `http://127.0.0.1:${port}`;
  await program.ready(async () => (await fetch(url)).ok);
  return {
    program,
    url,
    key,
    /**
     * Has it read its file again, in which these tables say something else than at the start. Gives whether it can make use
     * of them.
     */
    async reload(changes) {
      const times = async (sentence) => (await program.log()).split(sentence).length;
      const before = await Promise.all([times(RELOADED), times(NOT_RELOADED)]);
      await write({ ...tables, ...changes });
      program.signal("SIGHUP");
      let now;
      await program.ready(async () => {
        now = await Promise.all([times(RELOADED), times(NOT_RELOADED)]);
        return now.some((each, index) => each > before[index]);
      });
      return now[0] > before[0];
    },
  };
}

/** Tables of texts, numbers, truths, and lists of texts: TOML writes them as JSON does. */
function toml(tables) {
  return Object.entries(tables).map(table).join("\n");
}

function table([name, keys]) {
  return [`[${name}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`), ""].join("\n");
}
