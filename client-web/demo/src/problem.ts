// From what went wrong to the sentence that helps.

import {
  ConnectionError,
  ConnectionErrorReason,
  DisconnectReason,
  DeviceUnsupportedError,
  MediaDeviceFailure,
  PublishTrackError,
} from "livekit-client";
import { say, type Word } from "./words.ts";

export type Device = "microphone" | "camera" | "screen";

const DEVICE: Record<Device, Word> = { microphone: "aMicrophone", camera: "aCamera", screen: "aScreen" };

/** Why a device did not start; `null` when the person simply closed the browser's question. */
export function deviceProblem(device: Device, error: unknown): string | null {
  if (error instanceof PublishTrackError) return say("publishRefused");
  const values = { device: say(DEVICE[device]) };
  switch (MediaDeviceFailure.getFailure(error)) {
    case MediaDeviceFailure.NotFound:
      return say("deviceMissing", values);
    case MediaDeviceFailure.PermissionDenied:
      // Choosing no screen looks the same as being denied one, and needs no lecture.
      return device === "screen" ? null : say("deviceDenied", values);
    case MediaDeviceFailure.DeviceInUse:
      return say("deviceBusy", values);
    default:
      return say("deviceFailed", values);
  }
}

/** What the server's `validate` path says about a seat: its HTTP status, or `null` when it does not answer. */
export type SeatStatus = (sfu: string, token: string) => Promise<number | null>;

/** Why the call could not be joined. A browser hides the status of a refused WebSocket, so `seatStatus` asks again. */
export async function joinProblem(error: unknown, sfu: string, token: string, seatStatus: SeatStatus): Promise<string> {
  if (error instanceof DeviceUnsupportedError) return say("noEncryption");
  if (!(error instanceof ConnectionError)) return say("unexpected", { detail: text(error) });
  if (error.reason === ConnectionErrorReason.NotAllowed) return say(error.status === 404 ? "noRoom" : "refused");
  switch (await seatStatus(sfu, token)) {
    case null:
      return say("unreachable");
    case 503:
      return say("full");
    case 401:
    case 403:
      return say("refused");
    case 404:
      return say("noRoom");
    case 200:
      return say("mediaBlocked");
    default:
      return say("unexpected", { detail: text(error) });
  }
}

/** Why a running call ended; `null` when the person wanted it to. */
export function endProblem(reason: DisconnectReason | undefined): string | null {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return null;
    case DisconnectReason.DUPLICATE_IDENTITY:
      return say("elsewhere");
    case DisconnectReason.PARTICIPANT_REMOVED:
      return say("removed");
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return say("closed");
    case DisconnectReason.SERVER_SHUTDOWN:
      return say("serverStopped");
    default:
      return say("lost");
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
