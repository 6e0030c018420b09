// Our own part of the first frame: from a person's upgrade to a WebSocket until the first key frame goes out to them.
import { open } from "node:fs/promises";

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
