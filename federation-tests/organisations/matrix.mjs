// The little of Matrix' client-server API that prepares a call: rooms made and joined before anybody opens a page.
import { until } from "../harness/until.mjs";

/** Power that anybody has: members write their own part of the call into the room's state (MSC3401). */
const EVERYBODY = 0;

/** What whoever makes a room has in it. */
const MAKER = 100;

/** Of rooms for which no other is asked. */
const ROOM_VERSION = "11";

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

function stateAt(room, type, key) {
  return `rooms/${encodeURIComponent(room)}/state/${encodeURIComponent(type)}/${encodeURIComponent(key)}`;
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

  /** A room to which others are invited, by their ids, encrypted unless it is not to be. `levels`: of `m.room.power_levels`; its `users` besides oneself. */
  async makeRoom({ name, version = ROOM_VERSION, invite, encrypted = true, levels: { users, ...levels } = {} }) {
    // Whoever makes a room has power over it without being listed, and since version 12 must not be.
    const maker = Number(version) < 12 ? { [this.id]: MAKER } : {};
    const { room_id: room } = await this.ask("createRoom", {
      name,
      preset: "private_chat",
      room_version: version,
      invite,
      initial_state: encrypted ? [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] : [],
      power_level_content_override: {
        events: { "org.matrix.msc3401.call.member": EVERYBODY },
        users: { ...maker, ...users },
        ...levels,
      },
    });
    return room;
  }

  /** Joins a room to which one is invited; the invitation may still be on its way. */
  join(room) {
    return until(`${this.id} joins`, async () => (await this.ask(`join/${encodeURIComponent(room)}`, {})).room_id);
  }

  /** A state event of a room. */
  state(room, type, key = "") {
    return this.ask(stateAt(room, type, key));
  }

  /** Writes one. */
  setState(room, type, content, key = "") {
    return this.ask(stateAt(room, type, key), content, "PUT");
  }

  /** Waits until one's homeserver says that somebody is in this state: `join`, `leave`, … */
  sees(room, user, membership) {
    return until(`${user}: ${membership}`, async () => (await this.state(room, "m.room.member", user)).membership === membership);
  }

  /** `kick`s, `ban`s, `unban`s or `invite`s somebody. */
  act(room, what, user) {
    return this.ask(`rooms/${encodeURIComponent(room)}/${what}`, { user_id: user, reason: "a test" });
  }

  /** The latest events of a room that one may see, the last one first. */
  async latest(room) {
    return (await this.ask(`rooms/${encodeURIComponent(room)}/messages?dir=b&limit=50`)).chunk;
  }

  /** A token with which one may prove to others who one is. */
  openIdToken() {
    return this.ask(`user/${encodeURIComponent(this.id)}/openid/request_token`, {});
  }
}
