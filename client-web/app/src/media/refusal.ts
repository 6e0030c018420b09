// From what the browser says of a device to what it means.

import type { DeviceProblem } from "../state/ports.ts";

/** Why a device did not come on (Media Capture and Streams, `getUserMedia`). */
export function deviceProblemOf(error: unknown): DeviceProblem {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return name === "PublishTrackError" ? "forbidden" : "failed";
}
