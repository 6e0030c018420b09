// Our own part of the time: from a person's upgrade to a WebSocket until the first key frame goes out to them, and what a
// token takes.
import { call } from "./matrix.mjs";

/** Token requests that are timed; the one in the middle counts. */
const TOKEN_REQUESTS = 9;

/** What an SFU logs when somebody's first key frame has gone out. */
const FIRST_PICTURE = /the first picture has gone out session=\d+ sfu_ms=(\d+)$/m;

/**
 * Milliseconds from the upgrade until the first picture went out to the first one who received any from this SFU, as it says
 * itself; `null` when none has gone out. Who only publishes here receives nothing.
 */
export async function firstPictureMs(sfu) {
  const [, milliseconds] = FIRST_PICTURE.exec(await sfu.log()) ?? [];
  return milliseconds === undefined ? null : Number(milliseconds);
}

/**
 * Milliseconds that a focus takes for a token by itself: with the proof of who asks at hand, so that no homeserver is waited
 * for.
 */
export async function tokenTime(focus, account, room) {
  const body = { room, openid_token: await account.openIdToken(), device_id: "TIMING" };
  const times = [];
  // The first one fetches the proof.
  for (let request = 0; request <= TOKEN_REQUESTS; request++) {
    const begin = performance.now();
    await call(`${focus}/sfu/get`, { body });
    if (request > 0) times.push(performance.now() - begin);
  }
  return times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)];
}
