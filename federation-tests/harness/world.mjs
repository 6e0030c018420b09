import { after, before } from "node:test";
import { openBrowser } from "./browser.mjs";
import { startHanse } from "./hanse.mjs";

/** A server and a browser for the tests of one file: there from the first test on, gone after the last. */
export function world(options) {
  /** @type {{ hanse: import("./hanse.mjs").Hanse, browser: import("./browser.mjs").Browser }} */
  const made = { hanse: undefined, browser: undefined };
  before(async () => {
    made.hanse = await startHanse(options);
    made.browser = await openBrowser();
  });
  after(async () => {
    await made.browser?.close();
    await made.hanse?.stop();
  });
  return made;
}

/** Opens a page for each name; they close with the test `t`. */
export async function people(t, browser, names) {
  const opened = await Promise.all(names.map(() => browser.person()));
  t.after(() => Promise.all(opened.map((each) => each.close())));
  return Object.fromEntries(names.map((name, index) => [name, opened[index]]));
}
