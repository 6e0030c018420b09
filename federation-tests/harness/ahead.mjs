import { constants, setPriority } from "node:os";

/**
 * Puts a process, or with 0 the thread that asks, ahead of the programs that play people: elsewhere these have machines of their own,
 * and neither a server nor a way is slower for them.
 */
export function goAhead(pid) {
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGH);
  } catch {
    // Only root may, and the process may be gone, of which whoever started it is told.
  }
}
