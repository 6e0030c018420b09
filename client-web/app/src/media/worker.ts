// The worker that seals and opens frames, apart from the page's thread.

import address from "livekit-client/e2ee-worker?worker&url";
import { scriptAddress } from "../script.ts";

/** A worker of its own for each SFU: it gets confused by streams of several. */
export function frameWorker(): Worker {
  return new Worker(scriptAddress(address), { type: "module" });
}
