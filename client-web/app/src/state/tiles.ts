// Who is to be seen, and why somebody is not: from what the room says of the call's members and what arrives from SFUs.

import { organisationOf } from "./name.ts";
import type { Arriving, Hand, Link, LinkProblem, Member, Playable, Role } from "./ports.ts";
import type { Reaction } from "./reactions.ts";
import { locksOut, type Rules } from "./rules.ts";

/** Why somebody is neither seen nor heard. */
export type Lack =
  /** Their device says no server at which it publishes. */
  | { kind: "no-focus" }
  /** There is no way to the server at which they publish. */
  | { kind: "no-route"; problem: LinkProblem | null }
  /** That way is being made. */
  | { kind: "connecting" }
  /** They are members, and have not come to their server. */
  | { kind: "no-media" }
  /** The call is locked, and they were not in it. */
  | { kind: "locked" }
  /** They are there, and their key is not. */
  | { kind: "no-key" }
  /** Their key does not open what comes from them. */
  | { kind: "wrong-key" }
  /** What comes from them is not encrypted although this call is. */
  | { kind: "unsealed" };

/** Somebody in the call, or their screen. */
export interface Tile {
  key: string;
  userId: string;
  deviceId: string;
  name: string;
  organisation: string;
  role: Role;
  /** Whether a guest presents. */
  presents: boolean;
  isOwn: boolean;
  /** Whether one has compared emoji with this device. */
  isVerified: boolean;
  isScreen: boolean;
  picture: Playable | null;
  sounds: Playable[];
  speaksUp: boolean;
  isSpeaking: boolean;
  isWeak: boolean;
  /** Place among the raised hands, from 1; `null`: it is down. */
  hand: number | null;
  lack: Lack | null;
  /** A sign that stands there for a moment. */
  sign: string | null;
}

/** Servers of others that are connected to at most; of more organisations nobody has heard in one call. */
export const FOCUSES_MAX = 24;

/** What the tiles are made of. */
export interface Sight {
  members: Member[];
  hands: Hand[];
  reactions: Reaction[];
  links: Link[];
  rules: Rules;
  encrypted: boolean;
  keyed: ReadonlySet<string>;
  sealed: ReadonlySet<string>;
  own: { camera: Playable | null; screen: Playable | null; microphone: boolean };
}

/** Everybody, screens first, oneself last; the order of people does not change while they are there. */
export function tilesOf(sight: Sight): Tile[] {
  const people = sight.members.toSorted((one, other) => one.joinedAt - other.joinedAt || (one.key < other.key ? -1 : 1));
  const tiles = people.flatMap((member) => (member.isOwn ? ownTiles(member, sight) : othersTiles(member, sight)));
  return [
    ...tiles.filter(({ isScreen }) => isScreen),
    ...tiles.filter(({ isScreen, isOwn }) => !isScreen && !isOwn),
    ...tiles.filter(({ isScreen, isOwn }) => !isScreen && isOwn),
  ];
}

/** How many devices send media and are in the call by no membership: they are not shown. */
export function strangersIn({ members, links }: Sight): number {
  const known = new Set(members.map(({ identity }) => identity));
  return links.flatMap(({ arriving }) => arriving).filter(({ identity, publishes }) => publishes && !known.has(identity)).length;
}

function ownTiles(member: Member, sight: Sight): Tile[] {
  const { own } = sight;
  const person = { ...base(member, sight), picture: own.camera, speaksUp: own.microphone };
  return own.screen ? [asScreen(person, own.screen), person] : [person];
}

function othersTiles(member: Member, sight: Sight): Tile[] {
  const link = sight.links.find(({ focus }) => focus === member.focus);
  const arriving = link?.arriving.find(({ identity }) => identity === member.identity);
  const lack = lackOf(member, link, arriving, sight);
  // What a wrong key does not open is neither picture nor sound; once it opens again, it is there.
  const isOpen = lack === null || lack.kind === "wrong-key";
  const person: Tile = {
    ...base(member, sight),
    lack,
    picture: isOpen ? (arriving?.camera ?? null) : null,
    // Sealed sound is silence at best.
    sounds: isOpen ? (arriving?.sounds ?? []) : [],
    speaksUp: arriving?.speaksUp ?? false,
    isSpeaking: arriving?.isSpeaking ?? false,
    isWeak: arriving?.isWeak ?? false,
  };
  const screen = isOpen ? arriving?.screen : null;
  return screen ? [asScreen(person, screen), person] : [person];
}

/** Why nothing of them is there, if nothing is. */
export function lackOf(member: Member, link: Link | undefined, arriving: Arriving | undefined, sight: Sight): Lack | null {
  if (member.focus === null) return { kind: "no-focus" };
  if (link?.state === "failed") return { kind: "no-route", problem: link.problem };
  if (!link && sight.links.length >= FOCUSES_MAX) return { kind: "no-route", problem: { kind: "crowded" } };
  if (!link || link.state === "connecting") return { kind: "connecting" };
  if (!arriving) return { kind: locksOut(sight.rules, member, sight.members) ? "locked" : "no-media" };
  if (!arriving.publishes || !sight.encrypted) return null;
  if (!arriving.encrypted) return { kind: "unsealed" };
  if (!sight.keyed.has(member.identity)) return { kind: "no-key" };
  return sight.sealed.has(member.identity) ? { kind: "wrong-key" } : null;
}

function base({ key, userId, deviceId, name, role, isOwn, trust, eventId }: Member, { hands, reactions, rules }: Sight): Tile {
  const place = hands.findIndex((hand) => hand.userId === userId);
  return {
    key,
    userId,
    deviceId,
    name,
    organisation: organisationOf(userId),
    role,
    presents: role === "guest" && rules.presenters.has(userId),
    isOwn,
    isVerified: !isOwn && trust === "verified",
    isScreen: false,
    picture: null,
    sounds: [],
    speaksUp: false,
    isSpeaking: false,
    isWeak: false,
    hand: place < 0 ? null : place + 1,
    lack: null,
    // Only one's own sign stands on one's tile.
    sign: reactions.find((each) => each.membership === eventId && each.userId === userId)?.sign ?? null,
  };
}

function asScreen(person: Tile, picture: Playable): Tile {
  return { ...person, key: `${person.key} screen`, isScreen: true, picture, sounds: [], isSpeaking: false, hand: null, sign: null };
}
