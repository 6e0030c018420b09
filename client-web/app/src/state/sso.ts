// Proving elsewhere who one is (m.login.sso): what is remembered of somebody who goes, and what is believed of somebody who comes.

import type { Homeserver } from "./ports.ts";

/** The query parameter in which homeservers send the token (Matrix client-server API, "Client login via SSO"). */
const TOKEN = "loginToken";

/** The query parameter by which a page knows its own question again (as in RFC 6749, section 10.12). */
const STATE = "state";

/** What a tab keeps of somebody who has gone to prove who they are. */
export interface Asked {
  homeserver: Homeserver;
  /** Nobody else knows it. */
  state: string;
  /** Where on the page they were. */
  hash: string;
}

/** Somebody who has proven at this homeserver who they are, and is let in by the token, once. */
export interface Proven {
  homeserver: Homeserver;
  token: string;
}

/** Somebody leaves `page`: where they are to come back to, and what to remember meanwhile. `state`: random, of at least 128 bits. */
export function leaving(page: string, homeserver: Homeserver, state: string): { back: string; asked: Asked } {
  const { origin, pathname, hash } = new URL(page);
  // The room that somebody wants to go to is nothing that those need to know who look who they are.
  return { back: `${origin}${pathname}?${new URLSearchParams({ [STATE]: state })}`, asked: { homeserver, state, hash } };
}

/**
 * Somebody comes to `page`. `proven`: `null` if there is no token in its address, `"unasked"` if there is one that this tab has not asked for: it
 * would log people in as somebody else. `address`: of the page without all this; the token is for nobody to read.
 */
export function arriving(page: string, asked: Asked | null): { address: string; proven: Proven | "unasked" | null } {
  const address = new URL(page);
  const [token, state] = [TOKEN, STATE].map((name) => address.searchParams.get(name));
  if (!token) return { address: page, proven: null };
  for (const name of [TOKEN, STATE]) address.searchParams.delete(name);
  if (!asked?.state || state !== asked.state) return { address: address.href, proven: "unasked" };
  address.hash = asked.hash;
  return { address: address.href, proven: { homeserver: asked.homeserver, token } };
}
