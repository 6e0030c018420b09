// A person with LiveKit's Python SDK who says and hears data (python/talker.py).
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const script = fileURLToPath(new URL("../python/talker.py", import.meta.url));

/** Somebody with the same functions for data as a `Person` of a browser. They leave with the test `t`. */
export async function pythonTalker(t, { url, token, passphrase }) {
  const options = passphrase ? ["--passphrase", passphrase] : [];
  const program = process.env["HANSE_PYTHON"] || "python3";
  const talker = spawn(program, [script, url, token, ...options], { stdio: ["pipe", "pipe", "pipe"] });
  const heard = [];
  const open = new Map();
  let joined = false;
  let console = "";
  const take = (line) => {
    if (line.heard) heard.push(line.heard);
    if (line.joined) joined = true;
    const order = open.get(line.id);
    open.delete(line.id);
    if (order && line.error) order.fail(new Error(line.error));
    else order?.done(line.answer);
  };
  createInterface({ input: talker.stdout }).on("line", (line) => {
    // Native code writes to standard output, too.
    if (line.startsWith("{")) take(JSON.parse(line));
    else console += `${line}\n`;
  });
  talker.stderr.on("data", (data) => (console += data));
  const ended = new Promise((done) => talker.once("exit", done));
  t.after(async () => {
    talker.stdin.end();
    await ended;
  });
  await until("the Python SDK is connected", () => {
    if (talker.exitCode !== null) throw new Error(`the Python SDK ended:\n${console}`);
    return joined;
  });
  let id = 0;
  const order = (name, values) =>
    new Promise((done, fail) => {
      open.set(++id, { done, fail });
      talker.stdin.write(`${JSON.stringify({ id, do: name, ...values })}\n`);
    });
  return {
    heard: async () => heard,
    say: (text, choices = {}) => order("say", { text, ...choices }),
    tell: (text, choices = {}) => order("tell", { text, ...choices }),
    ask: (whom, text) => order("ask", { whom, text }),
    publishDataTrack: (name) => order("publishDataTrack", { name }),
    push: (name, text) => order("push", { name, text }),
    view: async () => heard,
    get console() {
      return console.split("\n");
    },
  };
}
