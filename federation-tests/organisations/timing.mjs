// Our own part of the time: from a person's upgrade to a WebSocket until the first key frame goes out to them, and what a
// token takes.
import { open } from "node:fs/promises";
import { call } from "./matrix.mjs";

/** Token requests that are timed; the one in the middle counts. */
const TOKEN_REQUESTS = 9;

/** How often the tap is looked at: the figure's precision. */
const LOOK_MS = 5;

/**
 * Watches the SFU of an organisation from now until the first picture goes out. `elapsed()` gives the milliseconds, or `null`
 * when none has.
 *
 * The time of the picture is when the debug tap has written it; that of the upgrade is the log's last "joined" before it, as the
 * first picture is due to whoever joined last.
 */
export function watchFirstPictures({ tapFile, sfu }) {
  let pictureAt = null;
  let position = 0;
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const now = Date.now();
    const file = await open(tapFile).catch(() => null);
    if (file) {
      const { size } = await file.stat();
      const { buffer } = await file.read(Buffer.alloc(size - position), 0, size - position, position);
      position = size;
      if (buffer.includes('"codec":"vp8"')) {
        pictureAt ??= now;
        clearInterval(timer);
      }
      await file.close();
    }
    looking = false;
  }, LOOK_MS);
  return {
    async elapsed() {
      clearInterval(timer);
      if (pictureAt === null) return null;
      const joined = (await sfu.log()).matchAll(/^(\S+Z) .*: joined session=/gm);
      const times = [...joined].map(([, time]) => Date.parse(time)).filter((time) => time <= pictureAt);
      return times.length === 0 ? null : pictureAt - times.at(-1);
    },
  };
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
