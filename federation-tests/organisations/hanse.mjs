// One Hanse: what it is told, and its start.
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
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

/**
 * Starts a Hanse on loopback, and waits until it answers. `key` is the API key of its SFU; `tables` is what its `hanse.toml`
 * says besides port and keys. `folder` holds everything of it; `started` is given the program at once.
 */
export async function startHanse({ name, executable, folder, port, key, tables, env = {}, started }) {
  const keysFile = await privateFile(folder, "hanse.keys", `${key.name}: ${key.secret}\n`);
  const told = { ...tables, http: { bind_addresses: ["127.0.0.1"], port }, sfu: { ...tables.sfu, keys_file: keysFile } };
  const config = await privateFile(folder, "hanse.toml", toml(told));
  const program = startProgram({ name, command: executable, args: ["run", "--config", config], env, log: join(folder, "hanse.log") });
  started(program);
  const url = `http://127.0.0.1:${port}`;
  await program.ready(async () => (await fetch(url)).ok);
  return { program, url, key };
}

/** Tables of texts, numbers, truths, and lists of texts: TOML writes them as JSON does. */
function toml(tables) {
  return Object.entries(tables).map(table).join("\n");
}

function table([name, keys]) {
  return [`[${name}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`), ""].join("\n");
}
