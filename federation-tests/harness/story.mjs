// A test that tells a story: its steps build on each other, so the first that fails ends it.

/** Lines of each person's console that a failed step shows. */
const CONSOLE_LINES = 12;

/**
 * Gives `step(sentence, run)` for the test `t`. A failed step reports what the `people` (by name) saw last; later steps
 * are skipped.
 */
export function story(t, people) {
  let failed = false;
  return (sentence, run) =>
    t.test(sentence, { skip: failed }, async (step) => {
      try {
        await run();
      } catch (error) {
        failed = true;
        for (const [name, person] of Object.entries(people)) {
          for (const line of await describe(person)) step.diagnostic(`${name}: ${line}`);
        }
        throw error;
      }
    });
}

async function describe(person) {
  const view = await person.view().catch((error) => error.message);
  const happened = await person.happened?.().catch(() => []);
  const keys = await person.keys?.().catch(() => []);
  return [
    ...(person.console ?? []).slice(-CONSOLE_LINES),
    ...(happened ?? []).slice(-CONSOLE_LINES).map((each) => JSON.stringify(each)),
    ...(keys ?? []).map(({ sender, content }) => `a key of ${sender}, index ${content?.keys?.index ?? content?.media_key?.index}`),
    JSON.stringify(view),
  ];
}
