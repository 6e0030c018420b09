// The bot that schedules meetings: its configuration, its start, and its end.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { privateFile } from "./hanse.mjs";
import { startProgram } from "./program.mjs";

const READY = "the bot hears";

/** @typedef {Awaited<ReturnType<typeof startBot>>} Bot */

const table = (name, values) => `[${name}]\n${Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("")}`;

/** Makes an account for the bot, and starts it. `settings`: more of `[meetings]`. */
export async function startBot({ executable, organisation, folder, user = "meet", settings = {}, log = "info", started = () => {} }) {
  const own = join(folder, `bot-${user}`);
  await mkdir(own, { recursive: true, mode: 0o700 });
  const password = randomBytes(18).toString("base64url");
  const account = await organisation.homeserver.register(user, password, "Meetings");
  const meetings = {
    homeserver: organisation.homeserver.url,
    user,
    password_file: await privateFile(own, "password", `${password}\n`),
    registration: organisation.registration.file,
    data: join(own, "data"),
    zone: "Europe/Berlin",
    ...settings,
  };
  const config = join(own, "meetings.toml");
  const write = (more = {}) => writeFile(config, `${table("meetings", { ...meetings, ...more })}\n${table("log", { filter: log })}`, { mode: 0o600 });
  await write();
  const start = async () => {
    const file = join(own, "output.log");
    const before = (await readFile(file, "utf8").catch(() => "")).length;
    const program = startProgram({ name: "hanse-meetings", command: executable, args: ["run", "--config", config], log: file });
    started(program);
    await program.ready(async () => (await readFile(file, "utf8")).slice(before).includes(READY));
    return program;
  };
  const bot = {
    id: account.id,
    password,
    data: meetings.data,
    program: await start(),
    /** Puts its recovery key into a folder that is empty otherwise. */
    async keepRecoveryKey(key) {
      await mkdir(meetings.data, { recursive: true, mode: 0o700 });
      await writeFile(join(meetings.data, "recovery-key"), key, { mode: 0o600 });
    },
    /** Once its program was stopped: another one, with `more` settings. */
    async startAgain(more) {
      if (more) await write(more);
      bot.program = await start();
    },
  };
  return bot;
}
