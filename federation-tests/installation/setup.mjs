// `hanse setup`, and the hanse that runs with what it has written.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { startProgram } from "../organisations/program.mjs";

/** An executable that `cargo xtask test --only installation` names. */
export function executable(variable) {
  const named = process.env[variable];
  if (!named) throw new Error(`${variable} names an executable: \`cargo xtask test --only installation\` sets it`);
  return named;
}

/** Runs `hanse setup` with these flags and without a terminal; gives what it said. A flag that is `true` has no value. */
export async function setup(flags, env = {}) {
  const written = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, value]));
  const options = { env: { ...process.env, ...env } };
  const running = promisify(execFile)(executable("HANSE_BIN"), ["setup", ...written], options);
  running.child.stdin.end();
  return (await running).stdout;
}

/** Starts the hanse whose files are in that folder, as they are. `env`: what the environment says otherwise. */
export async function startInstalled({ folder, url, env = {} }) {
  const program = startProgram({
    name: "hanse",
    command: executable("HANSE_BIN"),
    args: ["run", "--config", join(folder, "hanse.toml")],
    env,
    log: join(folder, "hanse.log"),
  });
  await program.ready(async () => (await fetch(url)).ok);
  return program;
}

/** The API key that was written. */
export async function writtenKey(folder) {
  const [key, secret] = (await readFile(join(folder, "hanse.keys"), "utf8")).trim().split(": ");
  return { key, secret };
}
