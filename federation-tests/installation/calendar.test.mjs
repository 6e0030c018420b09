// The calendar files of the meetings' bot, read by programs that we did not write. What is in them by our own reckoning stands beside each
// (homeserver-bridge/meetings/examples/calendars.rs).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const CHECK = fileURLToPath(new URL("calendar_check.py", import.meta.url));
const PYTHON = process.env["HANSE_SCHEMA_PYTHON"];
const CALENDARS = process.env["HANSE_CALENDARS"];

/** For each calendar nothing, or what another program finds otherwise. */
function verdicts(lines) {
  assert.ok(PYTHON, "HANSE_SCHEMA_PYTHON names a Python with what is in federation-tests/installation/requirements.txt");
  return JSON.parse(execFileSync(PYTHON, [CHECK], { input: lines.join("\n"), encoding: "utf8" }));
}

test("other calendar programs find every meeting when it is, over changes of the clocks, and a mistake is noticed", async () => {
  assert.ok(CALENDARS, "HANSE_CALENDARS names a file with what `cargo run -p hanse-meetings --example calendars` prints");
  const lines = (await readFile(CALENDARS, "utf8")).trim().split("\n");
  assert.ok(lines.length > 80, `${lines.length} calendars`);
  for (const [index, wrong] of verdicts(lines).entries()) assert.equal(wrong, null, lines[index]);

  const mistakes = [
    ["an exception that is missing", /EXDATE.*\r\n/, ""],
    ["an end that is two days early", "UNTIL=20261121", "UNTIL=20261119"],
    ["a zone whose winter begins a month late", "DTSTART:20261101T020000", "DTSTART:20261201T020000"],
    ["a zone that is an hour off", "TZOFFSETTO:-0400", "TZOFFSETTO:-0500"],
    ["a title that says something else", "SUMMARY:Budget\\;", "SUMMARY:Budget"],
  ];
  const cases = lines.map((line) => JSON.parse(line));
  const broken = mistakes.map(([what, right, wrong]) => {
    // Of those in New York that have exceptions and an end.
    const one = cases.find(({ ics }) => ics.includes("EXDATE;TZID=America/New_York"));
    const ics = one.ics.replace(right, wrong);
    assert.notEqual(ics, one.ics, `${what}: the calendar has no such line`);
    return JSON.stringify({ ...one, ics });
  });
  for (const [index, wrong] of verdicts(broken).entries()) assert.ok(wrong, mistakes[index][0]);
});
