import { join } from "node:path";
import { expect, test } from "vitest";
import { noticesOf } from "../notices.ts";

test("what is in the page stands in the notices, and what only builds it does not", () => {
  const text = noticesOf(join(import.meta.dirname, ".."));
  for (const name of ["matrix-js-sdk", "@matrix-org/matrix-sdk-crypto-wasm", "livekit-client", "preact", "@fluent/bundle"]) {
    expect(text).toMatch(new RegExp(`^(.*, )?${name} \\d`, "m"));
  }
  expect(text).not.toMatch(/^(.*, )?(vite|vitest|typescript|oxlint) \d/m);
  expect(text).toContain("Apache License");
});
