// With what somebody uses a page: a mouse, or nothing but a keyboard.
import assert from "node:assert/strict";
import { until } from "../harness/until.mjs";

/** @typedef {{ page: import("playwright-core").Page, locator: import("playwright-core").Locator }} Types */

/** No page has this many things to press: whoever needs more goes round in circles. */
const STOPS_MAX = 120;

/** How long a page may take to say where one is, in milliseconds. */
const SETTLED_MS = 10_000;

/** Clicks, and has text put into fields. */
export const mouse = {
  press: (_page, what) => what.click(),
  type: (_page, where, text) => where.fill(text),
};

/** Goes by Tab from where it is, and fails where one does not see where that is, or is nowhere. */
export const keyboard = {
  async press(page, what) {
    await reach(page, what);
    await page.keyboard.press("Enter");
  },
  async type(page, where, text) {
    await reach(page, where);
    await page.keyboard.type(text);
  },
};

/** @param {Types["page"]} page @param {Types["locator"]} locator */
async function reach(page, locator) {
  await locator.waitFor();
  await until("the focus is somewhere", async () => !(await look(page, locator)).isNowhere, SETTLED_MS);
  const seen = [];
  while (seen.length < STOPS_MAX) {
    const here = await look(page, locator);
    // Out of the page's end Tab leads to its beginning.
    if (!here.isNowhere) assert.ok(here.isMarked, `nobody sees that the focus is on ${here.what}`);
    if (here.isThere) return;
    seen.push(here.what);
    await page.keyboard.press("Tab");
  }
  assert.fail(`by Tab one gets to ${[...new Set(seen)].join(", ")}, and not to ${locator}`);
}

/** @param {Types["page"]} page @param {Types["locator"]} locator */
function look(page, locator) {
  return locator.evaluate((wanted) => {
    const on = document.activeElement ?? document.body;
    const { outlineStyle, outlineWidth } = getComputedStyle(on);
    const box = on.getBoundingClientRect();
    // Headings are told, and do nothing.
    const isMarked = /^H[1-6]$/.test(on.tagName) || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && box.width > 0 && box.height > 0);
    const what = `${on.tagName.toLowerCase()} "${on.getAttribute("aria-label") ?? (on.textContent ?? "").trim().slice(0, 40)}"`;
    return { isThere: on === wanted, isNowhere: on === document.body, isMarked, what };
  });
}
