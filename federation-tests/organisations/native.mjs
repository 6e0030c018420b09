// A participant without a screen (`hanse-participant`), as a program beside us: what it says comes line by line.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "../harness/until.mjs";
import { PATIENCE_MS } from "./meeting.mjs";

/** Longer than any test waits. */
const SECONDS = 600;

/**
 * Starts one in a room, for somebody of an organisation. `args`: more of its arguments; `homeserver`: an address of theirs that is not the
 * one that it has.
 *
 * @param {string} user their name in the organisations
 */
export async function startParticipant(here, t, user, { room, args = [], homeserver: address = undefined }) {
  const { account, homeserver, password } = here.organisations.people[user];
  const file = join(here.folder, `${user}.password`);
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  const own = ["--homeserver", address ?? homeserver.url, "--user", account.id, "--password-file", file, "--room", room];
  const ca = ["--ca-file", join(here.organisations.certificates, "ca.pem")];
  const child = spawn(here.participant, [...own, ...ca, "--seconds", `${SECONDS}`, "--json", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const events = [];
  let complaints = "";
  createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line)));
  child.stderr.on("data", (data) => (complaints += data));
  const ended = once(child, "exit").then(([code, signal]) => code ?? signal);
  const said = (event, matches = () => true, times = 1) =>
    until(`${user}'s participant says ${event}`, () => {
      const all = events.filter((each) => each.event === event && matches(each));
      if (child.exitCode !== null && all.length < times) throw new Error(`it has ended: ${complaints}`);
      return all[times - 1];
    }, PATIENCE_MS);
  return {
    events,
    /** Waits until it has a device: `{ user, device }`. */
    signedIn: () => said("signed_in"),
    /** Waits until it has said to the others that it is there: `{ mode }`. */
    joined: () => said("joined"),
    /** Waits until it is in the call; or is there again, for so many times. */
    connected: (times = 1) => said("connected", undefined, times),
    /** Waits until it sees and hears somebody, by their name in the organisations. */
    meets: (other) => said("met", (each) => each.user === here.organisations.people[other].account.id),
    /** Ends it so that it can do nothing about it. */
    kill: () => child.kill("SIGKILL"),
    /** Has it leave, and gives its exit code and its report. */
    async leave() {
      child.kill("SIGTERM");
      const code = await ended;
      const last = events.at(-1);
      if (last?.event !== "report") throw new Error(`no report came: ${complaints}`);
      return { code, report: last.report };
    },
    /** Waits until it has ended by itself, and gives the same and what it complained about. */
    async left() {
      const code = await ended;
      return { code, report: events.at(-1)?.report, complaints };
    },
  };
}

/** Lays a way to an HTTP server in whose answers another address stands in place of one: `url` is where that way begins. */
export async function layDetour(to, [address, other]) {
  const { hostname, port, pathname } = new URL(to);
  const listener = createServer((asked, answer) => {
    const { method, url: path, headers } = asked;
    const passed = request({ hostname, port, method, path, headers: { ...headers, "accept-encoding": "identity" } }, async (came) => {
      const parts = await came.toArray();
      const body = Buffer.concat(parts).toString().replaceAll(address, other);
      const { "content-length": _, "transfer-encoding": __, ...rest } = came.headers;
      answer.writeHead(came.statusCode, { ...rest, "content-length": Buffer.byteLength(body) }).end(body);
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${listener.address().port}${pathname === "/" ? "" : pathname}`,
    close() {
      listener.closeAllConnections();
      listener.close();
    },
  };
}
