// People with LiveKit's SDKs for programs: each is a process that writes what it sees and hears (python/person.py,
// node/person.mjs), and like a `Person` of a browser in `view` and `leave`.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const file = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Somebody with the Python SDK. They leave with the test `t`. */
export function pythonPerson(t, seat) {
  return sdkPerson(t, "the Python SDK", process.env["HANSE_PYTHON"] || "python3", file("python/person.py"), seat);
}

/** Somebody with the SDK for Node.js. They leave with the test `t`. */
export function nodePerson(t, seat) {
  return sdkPerson(t, "the Node SDK", process.execPath, file("node/person.mjs"), seat);
}

async function sdkPerson(t, name, program, script, { url, token, ...choices }) {
  const options = Object.entries(choices)
    .filter(([, value]) => value !== undefined)
    .flatMap(([option, value]) => [`--${option}`, String(value)]);
  const person = spawn(program, [script, url, token, ...options], { stdio: ["pipe", "pipe", "pipe"] });
  let latest;
  let console = "";
  createInterface({ input: person.stdout }).on("line", (line) => {
    // Native code writes to standard output, too.
    if (line.startsWith("{")) latest = JSON.parse(line);
    else console += `${line}\n`;
  });
  person.stderr.on("data", (data) => (console += data));
  const ended = new Promise((done) => person.once("exit", done));
  const leave = async () => {
    person.stdin.end();
    await ended;
  };
  t.after(leave);
  await until(`${name} is connected`, () => {
    if (person.exitCode !== null) throw new Error(`${name} ended:\n${console}`);
    return latest;
  });
  return {
    view: async () => latest,
    /** Has the SDK try a scenario (of Python only). */
    simulate: (scenario) => person.stdin.write(`${scenario}\n`),
    leave,
    get console() {
      return console.split("\n");
    },
  };
}
