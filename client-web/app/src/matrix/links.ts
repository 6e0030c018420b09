// Links for guests, at our own focus (docs/guests.md of the server).

import type { MatrixClient } from "matrix-js-sdk";
import type { GuestLink, GuestLinks } from "../state/invite.ts";
import { post } from "./focus.ts";

interface Made {
  id: string;
  secret: string;
  spoken: string;
  expires_ms: number;
}

interface Listed {
  links: { id: string; once: boolean; needs_passcode: boolean; uses: number; made_by: string; expires_ms: number }[];
}

/** `page`: the address of this page, into which links lead. */
export function guestLinks(client: MatrixClient, focus: string, room: string, page: string): GuestLinks {
  const asked = async <Answer>(what: string, body: object): Promise<Answer> =>
    post<Answer>(`${focus}/guest/${what}`, { room_id: room, openid_token: await client.getOpenIdToken(), ...body });
  return {
    async make({ once, passcode }) {
      const made = await asked<Made>("link", { once, ...(passcode !== "" && { passcode }) });
      // Behind the sign that no browser sends to a server.
      return { address: `${page}#/join/${made.secret}`, spoken: made.spoken, expiresAt: made.expires_ms, passcode };
    },
    async list() {
      const { links } = await asked<Listed>("links", {});
      return links.map(
        ({ id, once, needs_passcode: needsPasscode, uses, made_by: madeBy, expires_ms: expiresAt }): GuestLink => ({
          id,
          once,
          needsPasscode,
          uses,
          madeBy,
          expiresAt,
        }),
      );
    },
    async revoke(id, withGuests) {
      await asked("revoke", { id, with_guests: withGuests });
    },
  };
}
