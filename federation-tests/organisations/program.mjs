// A program that runs beside us, writes into a log file, and ends when we end, however that is.
import { spawn } from "node:child_process";
import { openSync, closeSync, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** A start that takes longer has failed; a loaded machine is slow, not wrong. */
const START_MAX_MS = 90_000;
/** A goodbye that takes longer has failed, and the program is killed. */
const STOP_MAX_MS = 15_000;
/** Pause between two looks. */
const LOOK_MS = 50;
/** So many of the last lines of a log are shown when its program fails. */
const LOG_LINES = 25;

/** util-linux' `setpriv` has the kernel send SIGTERM when the thread that started the program is gone. */
const setpriv = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "setpriv")).find(existsSync);

/** @typedef {ReturnType<typeof startProgram>} Program */

/** Starts a program; what it writes goes to the file `log`, after what is there already. */
export function startProgram({ name, command, args, env = {}, log }) {
  const output = openSync(log, "a", 0o600);
  const [file, list] = setpriv ? [setpriv, ["--pdeathsig", "TERM", "--", command, ...args]] : [command, args];
  const child = spawn(file, list, {
    env: { ...process.env, ...env },
    stdio: ["ignore", output, output],
    // A group of its own: Ctrl-C reaches us alone, and we stop everything in good order.
    detached: setpriv !== undefined,
  });
  closeSync(output);
  let failure;
  let stopping = false;
  const ended = new Promise((done) => {
    child.once("error", (error) => done((failure = `${name} cannot be started: ${error.message}`)));
    child.once("exit", (code, signal) => done((failure ??= `${name} ended (${signal ?? `exit status ${code}`})`)));
  });
  const lastWords = async () => {
    const lines = (await readFile(log, "utf8").catch(() => "")).trimEnd().split("\n");
    return lines.slice(-LOG_LINES).map((line) => `  ${line}`).join("\n");
  };

  return {
    name,
    pid: child.pid,
    /** The path of its log. */
    file: log,
    log: () => readFile(log, "utf8"),
    /** Rejects when the program ends unasked. */
    failed: ended.then(async (sentence) => {
      if (!stopping) throw new Error(`${sentence}; it said:\n${await lastWords()}`);
    }),
    /** Waits until `look()` gives something truthy; one that throws has not seen it yet. */
    async ready(look) {
      const end = performance.now() + START_MAX_MS;
      for (;;) {
        if (failure) throw new Error(`${failure}; it said:\n${await lastWords()}`);
        if (await look().catch(() => false)) return;
        if (performance.now() > end) {
          throw new Error(`${name} is not ready after ${START_MAX_MS / 1000} s; it said:\n${await lastWords()}`);
        }
        await pause(LOOK_MS);
      }
    },
    /** Sends it a signal. One that ends it ends it unasked. */
    signal: (which) => child.kill(which),
    /** Ends the program as a power failure would, and waits for it. */
    async kill() {
      stopping = true;
      child.kill("SIGKILL");
      await ended;
    },
    /** Asks the program to stop and waits for it. */
    async stop() {
      stopping = true;
      if (failure) return;
      // One that a test stands still hears nothing.
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MAX_MS);
      await ended;
      clearTimeout(late);
    },
  };
}

export function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
