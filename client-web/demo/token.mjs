// Access tokens as LiveKit servers expect them (HS256, RFC 7519).
import { createHmac, randomUUID } from "node:crypto";

/** How long a seat taken now can be used to join, in seconds. */
const LIFETIME_S = 3600;

/** A token for one person in one room; each gets an identity of its own, so that two may have the same name. */
export function seatToken({ key, secret, room, name, now = Date.now() }) {
  const seconds = Math.floor(now / 1000);
  const claims = {
    iss: key,
    sub: randomUUID(),
    name,
    nbf: seconds - 10,
    exp: seconds + LIFETIME_S,
    video: { roomJoin: true, room, canPublish: true, canSubscribe: true },
  };
  const body = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
