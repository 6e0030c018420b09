// Access tokens as LiveKit servers expect them (HS256, RFC 7519).
import { createHmac } from "node:crypto";

/** A signed token. `claims` overrides and adds; `algorithm` is only for forgeries. */
export function signToken({ key, secret, identity, grants, claims = {}, algorithm = "HS256" }) {
  const now = Math.floor(Date.now() / 1000);
  const body = [
    { alg: algorithm, typ: "JWT" },
    { iss: key, sub: identity, name: identity, nbf: now - 10, exp: now + 600, video: grants, ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const signature = algorithm === "none" ? "" : createHmac("sha256", secret).update(body).digest("base64url");
  return `${body}.${signature}`;
}
