import { after, before } from "node:test";
import { openBrowser } from "./browser.mjs";
import { openFirefox } from "./firefox.mjs";
import { startHanse } from "./hanse.mjs";

/**
 * A server and a browser for the tests of one file: there from the first test on, gone after the last. `firefox`: a
 * Firefox, too. The rest is for the server (`startHanse`).
 */
export function world({ firefox = false, ...server } = {}) {
  /** @type {{ hanse: import("./hanse.mjs").Hanse, browser: import("./browser.mjs").Browser, firefox: import("./firefox.mjs").Firefox }} */
  const made = { hanse: undefined, browser: undefined, firefox: undefined };
  before(async () => {
    made.hanse = await startHanse(server);
    made.browser = await openBrowser();
    if (firefox) made.firefox = await openFirefox();
  });
  after(async () => {
    await made.firefox?.close();
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
