// Whether what is behind somebody is blurred. The choice is kept in this browser.

import { signal } from "@preact/signals";

/** Where the choice is kept. */
const KEPT = "hanse.blur";

export const isBlurred = signal(globalThis.localStorage?.getItem(KEPT) === "on");

export function wishBlur(on: boolean): void {
  isBlurred.value = on;
  globalThis.localStorage?.setItem(KEPT, on ? "on" : "off");
}
