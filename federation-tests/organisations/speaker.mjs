// Somebody with a client of their own that has no page: matrix-js-sdk with its Rust crypto, in this process. It reads and writes in
// encrypted rooms, reacts, and opens the files that it is sent.
import { randomUUID, webcrypto } from "node:crypto";
import { ClientEvent, createClient, EventType, MsgType, RelationType, RoomMemberEvent, SyncState } from "matrix-js-sdk";
import { until } from "../harness/until.mjs";


/** What it says of itself is not about the test. */
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => quiet };

// Node.js 20 has it not, and the SDK takes it for granted.
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};

const SEALED = { algorithm: "m.megolm.v1.aes-sha2" };

const textOf = (event) => ({ id: event.getId(), room: event.getRoomId(), sender: event.getSender(), type: event.getType(), sealed: event.isEncrypted(), ...event.getContent() });

/** @typedef {Awaited<ReturnType<typeof startSpeaker>>} Speaker */

/** Signs somebody in as a new device, with a device that has no identity yet, and follows. They accept invitations. */
export async function startSpeaker({ homeserver, user, password }) {
  const anonymous = createClient({ baseUrl: homeserver.url, logger: quiet });
  const login = await anonymous.loginRequest({ type: "m.login.password", identifier: { type: "m.id.user", user }, password, device_id: randomUUID() });
  const client = createClient({ baseUrl: homeserver.url, userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token, logger: quiet });
  await client.initRustCrypto({ useIndexedDB: false });
  /** Rooms that one was invited to and is not wanted in by itself: the rooms of meetings are joined by the test. */
  client.on(RoomMemberEvent.Membership, (event, member) => {
    const isDirect = event.getContent()["is_direct"] === true;
    if (member.userId === login.user_id && member.membership === "invite" && isDirect) client.joinRoom(member.roomId).catch(() => {});
  });
  await client.startClient({ initialSyncLimit: 50 });
  await new Promise((done) => {
    client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && done(undefined));
  });

  const heard = (room) => (room ? [client.getRoom(room)] : client.getRooms()).flatMap((each) => each?.getLiveTimeline().getEvents() ?? []).map(textOf);
  return {
    id: login.user_id,
    client,
    /** Makes a sealed direct message with somebody and waits until they are in it. */
    async directMessage(other) {
      const { room_id: room } = await client.createRoom({
        preset: "trusted_private_chat",
        is_direct: true,
        invite: [other],
        initial_state: [{ type: EventType.RoomEncryption, state_key: "", content: SEALED }],
      });
      await until(`${other} is in the direct message`, () => client.getRoom(room)?.getMember(other)?.membership === "join");
      return room;
    },
    /** Writes; gives the event's id. */
    async say(room, body, mentions = []) {
      const content = { msgtype: MsgType.Text, body, ...(mentions.length > 0 && { "m.mentions": { user_ids: mentions } }) };
      return (await client.sendMessage(room, content)).event_id;
    },
    /** Waits for a message of somebody's that came after the event `after` and looks right; gives it, opened. */
    hears(sentence, { room, from, after }, looks) {
      return until(sentence, () => {
        const all = heard(room);
        const later = after ? all.slice(all.findIndex(({ id }) => id === after) + 1) : all;
        return later.find((message) => message.sender === from && message.type === EventType.RoomMessage && looks(message));
      });
    },
    /** All messages of somebody's, opened where that was possible. */
    heard: (room) => heard(room),
    /** Reacts to a message. */
    react: (message, key) =>
      client.sendEvent(message.room, EventType.Reaction, { "m.relates_to": { rel_type: RelationType.Annotation, event_id: message.id, key } }),
    /** The text of a file that a message carries. */
    async file(message) {
      const source = message.file ?? message;
      const address = client.mxcUrlToHttp(source.url, undefined, undefined, undefined, false, true, true);
      const reply = await fetch(address, { headers: { authorization: `Bearer ${client.getAccessToken()}` } });
      const bytes = await reply.arrayBuffer();
      if (!message.file) return Buffer.from(bytes).toString("utf8");
      const key = await webcrypto.subtle.importKey("jwk", message.file.key, "AES-CTR", false, ["decrypt"]);
      const counter = Buffer.from(message.file.iv, "base64");
      const opened = await webcrypto.subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, key, bytes);
      return Buffer.from(opened).toString("utf8");
    },
    async stop() {
      client.stopClient();
      await client.logout(true).catch(() => {});
    },
  };
}
