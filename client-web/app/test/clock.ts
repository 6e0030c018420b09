// A clock that goes only when a test says so.

import type { Clock } from "../src/state/floor.ts";

export function handClock(): Clock & { pass(ms: number): void } {
  let now = 0;
  let waiting: { at: number; run: () => void }[] = [];
  return {
    now: () => now,
    wake: (afterMs, run) => void waiting.push({ at: now + afterMs, run }),
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = waiting.filter(({ at }) => at <= end).toSorted((one, other) => one.at - other.at);
        if (!next) break;
        waiting = waiting.filter((each) => each !== next);
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}
