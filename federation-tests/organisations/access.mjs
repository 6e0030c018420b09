// Whether everybody can use a page as it stands: what axe-core finds against WCAG 2.1 A and AA, in light and dark; whether it fits at
// 200 % and on a narrow telephone without scrolling sideways; whether anything moves for whoever wants nothing to.
import assert from "node:assert/strict";
import { join } from "node:path";
import axe from "axe-core";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];

/** What 1280 by 1024 pixels are at 200 %, and what WCAG's reflow asks for (1.4.10). */
const NARROW = [
  { width: 640, height: 512 },
  { width: 320, height: 640 },
];

/** A folder for pictures of every state that is looked at, if somebody wants to look, too. */
const PICTURES = process.env["HANSE_PICTURES"];

/** Fails with what hinders somebody. `what` is said of the page's state then. @param {{ page: import("playwright-core").Page }} person */
export async function isForEverybody({ page }, what) {
  const usual = page.viewportSize();
  assert.ok(usual);
  await page.evaluate(axe.source);
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    // Nothing but colours is different in the dark.
    const runOnly = colorScheme === "light" ? TAGS : ["color-contrast"];
    const found = await page.evaluate(async (only) => {
      const { violations, passes, incomplete } = await /** @type {any} */ (window).axe.run(document, { runOnly: only, resultTypes: ["violations"] });
      const hindrances = violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
      return { hindrances, looked: passes.length + incomplete.length };
    }, runOnly);
    await picture(page, `${what} ${colorScheme}`);
    assert.ok(found.looked > 0, "axe-core has looked at nothing");
    assert.deepEqual(found.hindrances, [], `${what}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  for (const size of NARROW) {
    await page.setViewportSize(size);
    // The page is told with the next picture that is drawn, and places then what it places by itself.
    await page.waitForFunction((width) => innerWidth === width, size.width);
    const outside = await page.evaluate(async () => {
      await new Promise(requestAnimationFrame);
      const { scrollWidth } = document.documentElement;
      const pressed = [...document.querySelectorAll("button, summary, input, a, h1")].filter((each) => each.checkVisibility());
      const out = pressed.filter((each) => {
        const { left, right } = each.getBoundingClientRect();
        return left < -1 || right > innerWidth + 1;
      });
      return [...(scrollWidth > innerWidth ? [`${scrollWidth} px`] : []), ...out.map(({ outerHTML }) => outerHTML)];
    });
    await picture(page, `${what} ${size.width}`);
    assert.deepEqual(outside, [], `${what} at ${size.width} by ${size.height}`);
  }
  await page.setViewportSize(usual);
  const moving = await page.evaluate(() => {
    const styles = [...document.querySelectorAll("*")].map((each) => getComputedStyle(each));
    const calm = styles.filter(({ transitionDuration, animationDuration }) => transitionDuration === "0s" && animationDuration === "0s");
    return matchMedia("(prefers-reduced-motion: reduce)").matches && styles.length - calm.length;
  });
  assert.equal(moving, 0, `${what}: something moves for whoever wants nothing to`);
}

async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name.replace(/\W+/g, "-")}.png`) });
}
