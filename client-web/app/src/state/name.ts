// Names that others chose, made fit to be shown: what is invisible, or turns the direction of the text around it, is taken away.

/** Characters of a name at most; what is longer is cut. */
const LENGTH_MAX = 64;

/** Controls, marks and overrides of direction, what has no width, and what fills lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u{115F}\u{1160}\u{3164}\u{FFA0}]/gu;

/** More marks than this on one letter are there to paint over others. */
const MARKS = /(\p{M}{3})\p{M}+/gu;

/** A person's name, or what stands before the colon of their id if there is none. */
export function shownName(given: string | null | undefined, userId: string): string {
  return shownText(given ?? "") || shownText(localPart(userId)) || "?";
}

/** A text in one line that can do nothing to what is around it. */
export function shownText(given: string): string {
  const bare = given.normalize("NFC").replace(/\s+/gu, " ").replace(UNSEEN, "").replace(MARKS, "$1").trim();
  const letters = [...bare];
  return letters.length > LENGTH_MAX ? `${letters.slice(0, LENGTH_MAX - 1).join("")}…` : bare;
}

/** Characters of a text of several lines that are shown at most. */
const LINES_LENGTH_MAX = 8_000;

/** A text that keeps its lines. */
export function shownLines(given: string): string {
  const bare = given
    .slice(0, LINES_LENGTH_MAX)
    .normalize("NFC")
    .split(/\r\n|\r|\n/)
    .map((line) => line.replace(/\t/g, " ").replace(UNSEEN, "").replace(MARKS, "$1").trimEnd())
    .join("\n");
  return bare.replace(/\n{3,}/g, "\n\n").trim();
}

/** What stands behind the colon of a user id, without a port: the organisation, as others can check it. */
export function organisationOf(userId: string): string {
  return userId.slice(userId.indexOf(":") + 1).replace(/:\d+$/, "");
}

/** One or two letters that stand for a picture. */
export function initials(name: string): string {
  const words = name.split(" ").filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? "")][0] ?? "").join("").toUpperCase() || "?";
}

function localPart(userId: string): string {
  return userId.replace(/^@/, "").split(":")[0] ?? "";
}
