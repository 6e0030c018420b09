// Whoever uses the keyboard must not lose their place: when what has the focus goes away, what stood next to it gets it.

/** What Tab reaches. */
const REACHED = "a[href], button, summary, input, select, textarea";

/** Watches over the focus for as long as the page is there. */
export function keepFocus(root: HTMLElement): void {
  let last: Element | null = null;
  let neighbours: Element[] = [];
  addEventListener("focusin", ({ target }) => {
    if (!(target instanceof Element)) return;
    last = target;
    const all = [...document.querySelectorAll(REACHED)];
    const place = all.indexOf(target);
    // What comes after it first, then what was before it, the nearest first.
    neighbours = [...all.slice(place + 1), ...all.slice(0, Math.max(place, 0)).toReversed()];
  });
  new MutationObserver(() => {
    if (last === null || document.activeElement !== document.body) return;
    // What was only moved keeps it.
    const next = [last, ...neighbours].find(isShown) ?? document.querySelector("h1");
    if (next instanceof HTMLElement) next.focus({ preventScroll: true });
  }).observe(root, { childList: true, subtree: true });
}

function isShown(element: Element): boolean {
  return element.isConnected && element.checkVisibility();
}
