// Somebody at the doors of a Hanse without a browser: at a focus for a token, at an SFU for a WebSocket.
import assert from "node:assert/strict";
import { request } from "node:http";
import { signToken } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";

/** The smallest `join_request`: a WrappedJoinRequest with an empty JoinRequest in it (livekit_rtc.proto), as base64url. */
const EMPTY_JOIN_REQUEST = "EgA=";

const JSON_TYPE = { "content-type": "application/json" };

/** Posts `body` (JSON, or a text as it is), or puts it, and gives what came back: `{ status, headers, answer, ms }`. */
export async function post(address, body, headers = {}, method = "POST") {
  const begin = performance.now();
  const reply = await fetch(address, {
    method,
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    redirect: "manual",
  });
  return { status: reply.status, headers: reply.headers, answer: read(await reply.text()), ms: performance.now() - begin };
}

/**
 * As `post`, but sends only the first `part` of a body that is announced to have `length` bytes, or of one whose length is not
 * announced, and reads the answer before the rest. Who sends on into a closed connection may never see the answer.
 */
export function postPart(address, part, length) {
  const begin = performance.now();
  return new Promise((done, fail) => {
    const headers = { ...JSON_TYPE, ...(length && { "content-length": length }) };
    const asked = request(address, { method: "POST", headers }, async (response) => {
      const text = (await response.toArray()).join("");
      asked.destroy();
      const { statusCode: status, headers: said } = response;
      done({ status, headers: new Map(Object.entries(said)), answer: read(text), ms: performance.now() - begin });
    });
    asked.once("error", fail);
    asked.write(part);
  });
}

function read(text) {
  return text.startsWith("{") ? JSON.parse(text) : text;
}

/** The status with which an SFU answers who wants a WebSocket with this token: 101 lets them in. They leave at once. */
export function upgrade(sfu, jwt) {
  return open(sfu, jwt, (socket) => socket.destroy());
}

/** As `upgrade`, but whoever is let in stays, without media, until the SFU puts them out. */
export function outstay(sfu, jwt) {
  return open(sfu, jwt, (socket) => new Promise((done) => socket.once("close", done).once("end", () => socket.destroy()).resume()));
}

function open(sfu, jwt, use) {
  const address = new URL("/rtc/v1", sfu);
  address.search = String(new URLSearchParams({ access_token: jwt, join_request: EMPTY_JOIN_REQUEST }));
  return new Promise((done, fail) => {
    const asked = request(address, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": Buffer.alloc(16, 1).toString("base64"),
      },
    });
    asked.once("error", fail);
    asked.once("upgrade", async ({ statusCode }, socket) => {
      socket.on("error", () => {});
      await use(socket);
      done(statusCode);
    });
    asked.once("response", (response) => {
      response.resume();
      done(response.statusCode);
    });
    asked.end();
  });
}

/** The names of all rooms of an SFU, by its server API. */
export async function rooms(sfu) {
  return ((await serverApi(sfu, "ListRooms", {}, { roomList: true })).rooms ?? []).map(({ name }) => name);
}

/** Who is in a room of an SFU, as LiveKit's ParticipantInfo; nobody, if there is no such room. */
export async function participants(sfu, room) {
  return (await serverApi(sfu, "ListParticipants", { room }, { roomAdmin: true, room })).participants ?? [];
}

/** The sessions of those who are in a call, at each SFU: whoever was put out, or has joined anew, has another one. */
export async function sessions(sfus, present) {
  const grants = Object.values(present).flatMap(({ held }) => held.jwts.map(claims));
  return Promise.all(
    sfus.map(async (sfu) => {
      const { video } = grants.find(({ iss }) => iss === sfu.key.name);
      return (await participants(sfu, video.room)).map(({ identity, sid }) => ({ identity, sid })).toSorted((one, other) => (one.identity < other.identity ? -1 : 1));
    }),
  );
}

async function serverApi({ url, key }, method, body, grants) {
  const token = signToken({ key: key.name, secret: key.secret, grants });
  const { status, answer } = await post(`${url}/twirp/livekit.RoomService/${method}`, body, { authorization: `Bearer ${token}` });
  if (status === 404) return {};
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(answer)}`);
  return answer;
}

/** Asks a focus for a token, as somebody who is in a room, or is not. */
export async function askToken(focus, account, room, device = "KNOCKDEVICE") {
  return post(`${focus}/sfu/get`, { room, device_id: device, openid_token: await account.openIdToken() });
}

/** Asks a focus to act on a call, as a moderator of its room, or not. */
export async function moderate(focus, account, room, act) {
  return post(`${focus}/moderate`, { room_id: room, openid_token: await account.openIdToken(), ...act });
}

/** Waits until a focus knows what holds in a room, of which `account` is a moderator. */
export function follows(focus, account, room) {
  // Where it knows, there is nobody to remove; where it does not, nobody is a moderator.
  const act = { action: "remove", user_id: `@nobody:${account.id.split(":")[1]}` };
  return until(`the room is followed`, async () => {
    const { status, answer } = await moderate(focus, account, room, act);
    assert.equal(status, 404, JSON.stringify(answer));
    return true;
  });
}

/** What a grant says, without looking at its signature. */
export function claims(jwt) {
  return JSON.parse(Buffer.from(jwt.split(".")[1], "base64url").toString());
}
