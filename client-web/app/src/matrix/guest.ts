// Coming as a guest, at the focus (docs/guests.md of the server): what a link opens, the account of one meeting, and its end.

import type { Config, Homeserver } from "../state/ports.ts";
import type { GuestAccount, Invitation, Opening } from "../state/visit.ts";
import { ask } from "./login.ts";

interface Looked {
  meeting: string;
  organisation: string;
  needs_passcode: boolean;
}

interface Entered {
  homeserver: string;
  user_id: string;
  device_id: string;
  access_token: string;
  room_id: string;
  via?: string[];
}

export async function lookAtLink(config: Config, invitation: Invitation): Promise<Opening> {
  const { meeting, organisation, needs_passcode: needsPasscode } = await post<Looked>(config, "look", invitation);
  return { meeting, organisation, needsPasscode };
}

export async function enterByLink(config: Config, invitation: Invitation, name: string, passcode: string): Promise<GuestAccount> {
  const entered = await post<Entered>(config, "enter", { ...invitation, name, ...(passcode !== "" && { passcode }) });
  const { user_id: userId, device_id: deviceId, access_token: token, room_id: roomId, via = [] } = entered;
  return { account: { homeserver: homeserverOf(config, entered), userId, deviceId, token }, roomId, via };
}

/** The account is deactivated and erased. */
export async function endVisit(config: Config, token: string): Promise<void> {
  await post(config, "leave", { access_token: token });
}

/** Hanse may reach it where browsers do not: what the page was told of its homeservers goes first. */
function homeserverOf(config: Config, { homeserver, user_id: userId }: Entered): Homeserver {
  const name = userId.slice(userId.indexOf(":") + 1);
  return config.homeservers.find((own) => own.name === name) ?? { name, url: homeserver };
}

function post<Answer extends object>(config: Config, what: string, body: object): Promise<Answer> {
  const address = new URL(config.focus, location.href).href.replace(/\/+$/, "");
  return ask<Answer>(`${address}/guest/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
