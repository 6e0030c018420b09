// The little of Matrix' client-server API that prepares a call: rooms made and joined before anybody opens a page.
import { until } from "../harness/until.mjs";

/** Power that anybody has: members write their own part of the call into the room's state (MSC3401). */
const EVERYBODY = 0;

/** One request; a refusal is an error with the homeserver's own words. */
export async function call(address, { token, body, method = body ? "POST" : "GET" } = {}) {
  const reply = await fetch(address, {
    method,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(`${method} ${new URL(address).pathname}: ${reply.status} ${answer.errcode}: ${answer.error}`);
  return answer;
}

/** Somebody on a homeserver. */
export class Account {
  constructor(homeserver, id, token) {
    this.homeserver = homeserver;
    this.id = id;
    this.token = token;
  }

  ask(path, body, method) {
    return call(`${this.homeserver}/_matrix/client/v3/${path}`, { token: this.token, body, method });
  }

  /** An encrypted room to which the others are invited. */
  async makeRoom({ name, version, invite }) {
    const { room_id: room } = await this.ask("createRoom", {
      name,
      preset: "private_chat",
      ...(version && { room_version: version }),
      invite: invite.map((each) => each.id),
      initial_state: [
        { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } },
      ],
      power_level_content_override: { events: { "org.matrix.msc3401.call.member": EVERYBODY } },
    });
    return room;
  }

  /** Joins a room to which one is invited; the invitation may still be on its way. */
  join(room) {
    return until(`${this.id} joins`, async () => (await this.ask(`join/${encodeURIComponent(room)}`, {})).room_id);
  }

  /** A token with which one may prove to others who one is. */
  openIdToken() {
    return this.ask(`user/${encodeURIComponent(this.id)}/openid/request_token`, {});
  }
}
