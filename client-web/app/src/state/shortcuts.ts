// Keys that do something in a call by themselves. Whoever speaks to their computer, or touches keys by mistake, switches them off.

import { signal } from "@preact/signals";

/** Where the choice is kept. */
const KEPT = "hanse.shortcuts";

/** On until somebody switches them off (WCAG 2.1, 2.1.4). */
export const shortcuts = signal(globalThis.localStorage?.getItem(KEPT) !== "off");

export function allowShortcuts(on: boolean): void {
  shortcuts.value = on;
  globalThis.localStorage?.setItem(KEPT, on ? "on" : "off");
}
