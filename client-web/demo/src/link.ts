// What a link to a call holds: the room in the query, and behind `#` (which browsers never send) the key, or the
// word `open` when the call is not encrypted.

export interface CallLink {
  room: string;
  /** Passphrase of the call; `null` when it is not encrypted. */
  key: string | null;
}

const OPEN = "open";

/** Reads the page's address. A key is made when there is none, so that encryption is the default. */
export function readLink(address: URL): CallLink {
  const fragment = new URLSearchParams(address.hash.slice(1));
  return {
    room: address.searchParams.get("room") ?? "",
    key: fragment.has(OPEN) ? null : fragment.get("key") || newKey(),
  };
}

/** The address that brings others into the same call. */
export function writeLink(address: URL, link: CallLink): URL {
  const url = new URL(address);
  url.search = new URLSearchParams({ room: link.room }).toString();
  url.hash = link.key === null ? OPEN : new URLSearchParams({ key: link.key }).toString();
  return url;
}

/** 256 random bits, as text that fits into a link. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
