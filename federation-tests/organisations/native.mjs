// A participant without a screen (`hanse-participant`), as a program beside us: what it says comes line by line.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "../harness/until.mjs";
import { PATIENCE_MS } from "./meeting.mjs";

/** Longer than any test waits. */
const SECONDS = 600;

/**
 * Starts one in a room, for somebody of an organisation. `args`: more of its arguments.
 *
 * @param {string} user their name in the organisations
 */
export async function startParticipant(here, t, user, { room, args = [] }) {
  const { account, homeserver, password } = here.organisations.people[user];
  const file = join(here.folder, `${user}.password`);
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  const own = ["--homeserver", homeserver.url, "--user", account.id, "--password-file", file, "--room", room];
  const ca = ["--ca-file", join(here.organisations.certificates, "ca.pem")];
  const child = spawn(here.participant, [...own, ...ca, "--seconds", `${SECONDS}`, "--json", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const events = [];
  let complaints = "";
  createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line)));
  child.stderr.on("data", (data) => (complaints += data));
  const ended = once(child, "exit").then(([code, signal]) => code ?? signal);
  const said = (event, matches = () => true) =>
    until(`${user}'s participant says ${event}`, () => {
      if (child.exitCode !== null && !events.some((each) => each.event === event)) throw new Error(`it has ended: ${complaints}`);
      return events.find((each) => each.event === event && matches(each));
    }, PATIENCE_MS);
  return {
    events,
    /** Waits until it is in the call. */
    connected: () => said("connected"),
    /** Waits until it sees and hears somebody, by their name in the organisations. */
    meets: (other) => said("met", (each) => each.user === here.organisations.people[other].account.id),
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
