// A PostgreSQL for as long as the tests run, reached by a socket only its own folder has.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Starts a server in a folder of its own, whose name it prints; it ends when its standard input does. */
const SCRIPT = new URL("../../focus/service/tests/store/postgres.sh", import.meta.url);

/** Where Debian has PostgreSQL's programs, by version. */
const DEBIAN = "/usr/lib/postgresql";

/** Gives the `url` of its database, which is empty. */
export async function startPostgres() {
  const shell = ["sh", "-c", await readFile(SCRIPT, "utf8"), "sh", programs()];
  // PostgreSQL refuses to run as root; Debian's package brings a user for it.
  const [command, ...args] = process.getuid() === 0 ? ["runuser", "-u", "postgres", "--", ...shell] : shell;
  const { TMPDIR: _, ...env } = process.env;
  const server = spawn(command, args, { cwd: "/", env, stdio: ["pipe", "pipe", "inherit"], detached: true });
  const ended = new Promise((done) => server.once("exit", done));
  const folder = await new Promise((done, fail) => {
    server.once("error", fail);
    server.stdout.once("data", (line) => done(String(line).trim()));
    server.once("exit", (code) => fail(new Error(`PostgreSQL did not start (exit status ${code}); it says why above`)));
  });
  return {
    url: `postgres://hanse@localhost/postgres?host=${folder}`,
    async stop() {
      server.stdin.end();
      await ended;
    },
  };
}

function programs() {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((one, other) => Number(other) - Number(one)) : [];
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...debian.map((version) => join(DEBIAN, version, "bin"))];
  const found = folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "pg_ctl")));
  if (!found) throw new Error("PostgreSQL's programs are not on this machine: `cargo xtask test` installs them (Debian: postgresql)");
  return found;
}
