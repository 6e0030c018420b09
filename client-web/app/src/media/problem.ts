// From what went wrong to what it means.

import { DisconnectReason } from "livekit-client";
import type { LinkProblem } from "../state/ports.ts";

/** Why one did not get in. */
export function problemOf(error: unknown, isBlocked: boolean): LinkProblem {
  if (isBlocked) return { kind: "blocked" };
  const { name, status, message } = (error ?? {}) as { name?: string; status?: number; message?: string };
  if (name === "ConnectionError" && status === undefined) return { kind: "media" };
  if (name !== "ConnectionError" && typeof status === "number") return { kind: "refused", sentence: message ?? "" };
  return { kind: "unreachable" };
}

/** Why one is not in any more. */
export function farewellOf(reason: DisconnectReason | undefined): LinkProblem {
  if (reason === DisconnectReason.PARTICIPANT_REMOVED) return { kind: "removed" };
  if (reason === DisconnectReason.DUPLICATE_IDENTITY) return { kind: "elsewhere" };
  if (reason === DisconnectReason.ROOM_DELETED) return { kind: "ended" };
  return { kind: "unreachable" };
}
