// Logging in at a homeserver, without the Matrix client: it is loaded once somebody is in.

import type { Account, Homeserver } from "../state/ports.ts";
import type { Way } from "../state/login.ts";

const API = "_matrix/client/v3";

/** The ways in that a homeserver offers, of those that this page knows. */
export async function waysOf({ url }: Homeserver): Promise<Way[]> {
  const { flows } = await ask<{ flows?: { type?: string }[] }>(`${url}/${API}/login`);
  const types = new Set((flows ?? []).map(({ type }) => type));
  const ways: Way[] = [];
  if (types.has("m.login.sso")) ways.push("sso");
  if (types.has("m.login.password")) ways.push("password");
  return ways;
}

/** Where somebody proves who they are, if the homeserver leaves that to somebody else. They come back to `page`. */
export function ssoAddress({ url }: Homeserver, page: string): string {
  return `${url}/${API}/login/sso/redirect?${new URLSearchParams({ redirectUrl: page })}`;
}

/** A new device of somebody with a password. */
export function withPassword(homeserver: Homeserver, user: string, password: string): Promise<Account> {
  return logIn(homeserver, { type: "m.login.password", identifier: { type: "m.id.user", user }, password });
}

/** A new device of somebody who came back from `ssoAddress`. */
export function withToken(homeserver: Homeserver, token: string): Promise<Account> {
  return logIn(homeserver, { type: "m.login.token", token });
}

/** A refusal in the homeserver's words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
  ) {
    super(sentence);
  }
}

async function logIn(homeserver: Homeserver, proof: object): Promise<Account> {
  const body = JSON.stringify({ ...proof, initial_device_display_name: "Hanse" });
  const answer = await ask<{ user_id: string; device_id: string; access_token: string }>(`${homeserver.url}/${API}/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  return { homeserver, userId: answer.user_id, deviceId: answer.device_id, token: answer.access_token };
}

/** @throws {Refused} in the words of whoever was asked */
export async function ask<Answer>(address: string, request?: RequestInit): Promise<Answer> {
  const reply = await fetch(address, { ...request, credentials: "omit", referrerPolicy: "no-referrer" });
  const answer: unknown = await reply.json().catch(() => null);
  if (reply.ok && typeof answer === "object" && answer !== null) return answer as Answer;
  const { errcode = "", error = "" } = (answer ?? {}) as { errcode?: string; error?: string };
  throw new Refused(reply.status, errcode, error);
}
