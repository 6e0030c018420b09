// People and server API calls with LiveKit's Python SDKs.
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "./until.mjs";

const python = process.env["HANSE_PYTHON"] || "python3";
const script = (name) => fileURLToPath(new URL(`../python/${name}.py`, import.meta.url));

/** Somebody with the Python SDK; like a `Person` of the browser in `view` and `leave`. They leave with the test `t`. */
export async function pythonPerson(t, { url, token, passphrase, mark, hertz }) {
  const options = Object.entries({ passphrase, mark, hertz })
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [`--${name}`, String(value)]);
  const process = spawn(python, [script("person"), url, token, ...options], { stdio: ["pipe", "pipe", "pipe"] });
  let latest;
  let console = "";
  createInterface({ input: process.stdout }).on("line", (line) => (latest = JSON.parse(line)));
  process.stderr.on("data", (data) => (console += data));
  const ended = new Promise((done) => process.once("exit", done));
  const leave = async () => {
    process.stdin.end();
    await ended;
  };
  t.after(leave);
  await until("the Python SDK is connected", () => {
    if (process.exitCode !== null) throw new Error(`the Python SDK ended:\n${console}`);
    return latest;
  });
  return {
    view: async () => latest,
    leave,
    get console() {
      return console.split("\n");
    },
  };
}

/** A call of the server API: `method` as in python/rooms.py. */
export async function serverApi({ http, key, secret }, method, request = {}) {
  const { stdout } = await promisify(execFile)(python, [script("rooms"), http, key, secret, method, JSON.stringify(request)]);
  return JSON.parse(stdout);
}
