// Newcomers, one after the other, in a room where two others stay, one with Chromium and one with the Python SDK. While one
// comes, the one before goes.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

/** What somebody who comes is made of. */
export const CLIENTS = ["chromium", "python"];

/** A newcomer who is not heard and seen by then will not be. */
const PATIENCE_MS = 15_000;
const LOOK_MS = 20;

/** @typedef {{ identity: string, kind: "seen" | "heard", at: number }} First */
/** @typedef {{ client: string, shown: number | null, shows: number | null }} Arrival */

/**
 * Lets `visits` newcomers come for each client in turn, and says of each how long (ms) it took, from the moment at which
 * it began to join, until both others had heard and seen it (`shown`), and until it had heard and seen both (`shows`);
 * `null` is: not in {@link PATIENCE_MS}.
 * @returns {Promise<Arrival[]>}
 */
export async function arrivals({ hanse, browser, form, visits }) {
  const room = `arrivals-${form}`;
  const python = pythonPeople();
  const [ada, ...pages] = await Promise.all([browser.newcomer(), browser.newcomer(), browser.newcomer()]);
  let number = 0;
  const seat = (identity) => {
    number++;
    return { url: hanse.url, token: hanse.seat(identity, room), form, mark: number % 256, hertz: 400 + 20 * (number % 20) };
  };
  /** @type {Arrival[]} */
  const all = [];
  try {
    await ada.come(seat("ada"));
    const pia = await python.come("pia", seat("pia"));
    await until("those who stay see and hear each other", async () => {
      const firsts = [...(await ada.firstsOf("pia")), ...pia.firstsOf("ada")];
      return ["ada", "pia"].every((identity) => both(firsts, identity) !== null);
    });
    let going = Promise.resolve();
    for (let visit = 0; visit < visits * CLIENTS.length; visit++) {
      const client = CLIENTS[visit % CLIENTS.length];
      const identity = `${client}-${visit}`;
      const page = pages[Math.floor(visit / CLIENTS.length) % pages.length];
      const [visitor, begun] =
        client === "python"
          ? await python.come(identity, seat(identity)).then((person) => [person, person.begun])
          : [page, await page.come(seat(identity))];
      const arrival = { client, shown: null, shows: null };
      await eventually(async () => {
        const [own, adas] = await Promise.all([visitor.firstsOf("ada", "pia"), ada.firstsOf(identity)]);
        arrival.shown ??= wait([adas, pia.firstsOf(identity)].map((firsts) => both(firsts, identity)), begun);
        arrival.shows ??= wait(["ada", "pia"].map((other) => both(own, other)), begun);
        return arrival.shown !== null && arrival.shows !== null;
      });
      all.push(arrival);
      await going;
      going = visitor.go();
    }
    await going;
  } finally {
    await Promise.all([...[ada, ...pages].map((page) => page.close()), python.end()]);
  }
  return all;
}

/** When somebody had been both seen and heard. */
function both(firsts, identity) {
  const at = ["seen", "heard"].map((kind) => firsts.find((each) => each.identity === identity && each.kind === kind)?.at);
  return at.includes(undefined) ? null : Math.max(...at);
}

function wait(moments, begun) {
  return moments.includes(null) ? null : Math.max(...moments) - begun;
}

/** Like `until`, but what does not come is a result and no failure. */
async function eventually(look) {
  const end = performance.now() + PATIENCE_MS;
  while (!(await look()) && performance.now() < end) await new Promise((done) => setTimeout(done, LOOK_MS));
}

/** One process with everybody who uses the Python SDK. */
function pythonPeople() {
  const script = fileURLToPath(new URL("../python/newcomers.py", import.meta.url));
  const program = spawn(process.env["HANSE_PYTHON"] || "python3", [script], { stdio: ["pipe", "pipe", "pipe"] });
  /** @type {{ name: string, event: string, at: number, identity?: string, reason?: string }[]} */
  let lines = [];
  let console = "";
  createInterface({ input: program.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
  program.stderr.on("data", (data) => (console += data));
  const ended = new Promise((done) => program.once("exit", done));
  const tell = (command) => program.stdin.write(`${JSON.stringify(command)}\n`);
  const happened = async (name, event) => {
    const of = (wanted) => lines.find((line) => line.name === name && line.event === wanted);
    return until(`${name} has ${event}`, () => {
      if (program.exitCode !== null || of("failed")) throw new Error(of("failed")?.reason ?? `Python ended:\n${console}`);
      return of(event);
    });
  };
  return {
    async come(name, seat) {
      tell({ do: "come", name, ...seat });
      await happened(name, "joined");
      const { at } = await happened(name, "begun");
      return {
        begun: at,
        /** @returns {First[]} */
        firstsOf: (...people) =>
          lines
            .filter((line) => line.name === name && people.includes(line.identity))
            .map(({ identity, event, at: moment }) => ({ identity, kind: event, at: moment })),
        async go() {
          tell({ do: "go", name });
          await happened(name, "gone");
          // Whoever has gone is not asked again.
          lines = lines.filter((line) => line.name !== name);
        },
      };
    },
    async end() {
      program.stdin.end();
      await ended;
    },
  };
}
