// The page docs/clients.md claims what these tests show, and nothing else.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the page about clients says what the tests show", async () => {
  const script = fileURLToPath(new URL("../clients.mjs", import.meta.url));
  const { code, said } = await new Promise((done) => {
    execFile(process.execPath, [script, "--check"], (error, _, stderr) => done({ code: error?.code ?? 0, said: stderr }));
  });
  assert.equal(code, 0, said);
});
