// A look into a homeserver's database (audit.py).
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const AUDIT = fileURLToPath(new URL("audit.py", import.meta.url));

/** Runs a task of audit.py on a database, with the words that it wants. Gives what it says. */
export function audit(python, task, database, words = []) {
  return new Promise((done, fail) => {
    const child = execFile(python, [AUDIT, task, database], (error, output) => {
      if (error) fail(error);
      else done(output ? JSON.parse(output) : null);
    });
    child.stdin.end(JSON.stringify(words));
  });
}
