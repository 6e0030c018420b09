// What a focus is asked for: seats on its SFU (MSC4195 and what Element's service did before it), and to take a delayed leave over.

import type { MatrixClient } from "matrix-js-sdk";
import type { Act } from "../state/moderation.ts";
import { NetworkFailure } from "../state/network.ts";
import type { Seat } from "../state/ports.ts";

/** Who asks, as the room knows them. */
export interface Asker {
  userId: string;
  deviceId: string;
  memberId: string;
}

/** A leave that the homeserver sends by itself unless somebody tells it otherwise (MSC4140). */
export interface DelayedLeave {
  delay_id: string;
  delay_timeout: number;
  delay_cs_api_url: string;
}

/** A focus said no, in its own words. */
export class FocusRefused extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** A seat under the name that one's membership in the room's state has. */
export async function askSeat(client: MatrixClient, focus: string, room: string, asker: Asker): Promise<Seat> {
  const token = await client.getOpenIdToken();
  return post<Seat>(`${focus}/sfu/get`, { room, openid_token: token, device_id: asker.deviceId });
}

/** A seat where nobody else is, with which the way to the SFU is tried. @throws {NetworkFailure} */
export async function askExamination(client: MatrixClient, focus: string): Promise<Seat> {
  const openid_token = await client.getOpenIdToken().catch(() => {
    throw new NetworkFailure("homeserver");
  });
  try {
    return await post<Seat>(`${focus}/examine`, { openid_token });
  } catch (error) {
    if (!(error instanceof FocusRefused)) throw new NetworkFailure("focus");
    // A focus that others wrote has nothing there.
    throw error.status === 404 ? new NetworkFailure("unknown") : new NetworkFailure("refused", error.message);
  }
}

/** Whether a focus takes delayed leaves over: it answers at all where others have nothing. */
export async function delegates(focus: string): Promise<boolean> {
  try {
    return (await fetch(`${focus}/delegate_delayed_leave`, { method: "POST", credentials: "omit" })).status !== 404;
  } catch {
    return false;
  }
}

/** Pauses between two attempts to hand a leave over. */
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 300_000;

/** Hands a delayed leave over. Without that the homeserver sends it when its time has come, so it is tried again. */
export async function delegateLeave(
  client: MatrixClient,
  focus: string,
  room: string,
  device: string,
  leave: DelayedLeave,
  pause = FIRST_PAUSE_MS,
): Promise<void> {
  try {
    const token = await client.getOpenIdToken();
    await post(`${focus}/sfu/get`, { room, openid_token: token, device_id: device, ...leave });
  } catch {
    if (pause > PAUSE_MAX_MS) return;
    await new Promise((done) => setTimeout(done, pause));
    await delegateLeave(client, focus, room, device, leave, pause * 2);
  }
}

/** Has a focus do what a moderator wants (docs/rooms-and-roles.md). */
export async function moderate(client: MatrixClient, focus: string, room: string, act: Act): Promise<void> {
  const openid_token = await client.getOpenIdToken();
  const whom = act.action === "end" ? {} : { user_id: act.userId };
  const what = act.action === "mute" ? { source: act.source } : {};
  await post(`${focus}/moderate`, { room_id: room, openid_token, action: act.action, ...whom, ...what });
}

/** @throws {FocusRefused} in the focus's own words */
export async function post<Answer>(address: string, body: object): Promise<Answer> {
  const reply = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  const answer: unknown = await reply.json().catch(() => null);
  if (reply.ok) return answer as Answer;
  throw new FocusRefused(reply.status, String((answer as { error?: string } | null)?.error ?? ""));
}

