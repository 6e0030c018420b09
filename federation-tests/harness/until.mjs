import assert from "node:assert/strict";

/** How long a condition may take to become true. A loaded machine is slow, not wrong. */
const PATIENCE_MS = 90_000;
/** Pause between two looks. */
const LOOK_MS = 100;

/**
 * Waits until `look()` gives something truthy, and gives it back. A look that throws has not seen it yet.
 * The failure names the sentence and, if `look` fails by `assert`, the last difference.
 */
export async function until(sentence, look, patience = PATIENCE_MS) {
  const end = performance.now() + patience;
  let last = "";
  while (performance.now() < end) {
    try {
      const seen = await look();
      if (seen) return seen;
      last = `last seen: ${JSON.stringify(seen)}`;
    } catch (error) {
      last = error.message;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  return assert.fail(`not within ${patience / 1000} s: ${sentence}\n${last}`);
}

/** Waits until `read()` gives the same (by JSON) for a whole moment. */
export async function standsStill(sentence, read, moment = 1000) {
  let last;
  let since = performance.now();
  await until(sentence, async () => {
    const now = JSON.stringify(await read());
    if (now !== last) since = performance.now();
    last = now;
    return performance.now() - since >= moment;
  });
}
