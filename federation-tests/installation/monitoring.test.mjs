// What the files of deploy/monitoring ask Prometheus. Whether a server measures what they name is a test of its own
// (deploy/hanse/tests/monitoring.rs).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const CHECK = fileURLToPath(new URL("promql_check.py", import.meta.url));
const PYTHON = process.env["HANSE_SCHEMA_PYTHON"];

const file = (name) => readFile(new URL(`../../deploy/monitoring/${name}`, import.meta.url), "utf8");

/** For each expression nothing, or what is wrong with it. */
function verdicts(expressions) {
  assert.ok(PYTHON, "HANSE_SCHEMA_PYTHON names a Python with what is in federation-tests/installation/requirements.txt");
  return JSON.parse(execFileSync(PYTHON, [CHECK], { input: JSON.stringify(expressions), encoding: "utf8" }));
}

test("every alert and every panel asks in PromQL, and what is none is noticed", async () => {
  const rules = await file("alerts.yml");
  const alerts = [...rules.matchAll(/^ +expr: (.+)$/gm)].map(([, expression]) => expression);
  const panels = JSON.parse(await file("grafana.json")).panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  // Grafana puts in what stands for its own variable.
  const asked = [...alerts, ...panels].map((each) => each.replaceAll("$instance", ".*"));
  assert.equal(alerts.length, rules.match(/- alert:/g).length);
  assert.ok(panels.length > 10, `${panels.length} panels`);
  for (const [index, wrong] of verdicts(asked).entries()) assert.equal(wrong, null, asked[index]);

  const mistakes = ["sum by (outcome (rate(hanse_focus_requests_total[5m]))", "rate(hanse_focus_requests_total)", "up{job=hanse}"];
  for (const [index, wrong] of verdicts(mistakes).entries()) assert.ok(wrong, mistakes[index]);
});
