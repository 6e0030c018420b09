import { expect, test } from "vitest";
import type { Arriving, Link, Member, Playable, Source } from "../src/state/ports.ts";
import { FOCUSES_MAX, type Sight, strangersIn, tilesOf } from "../src/state/tiles.ts";

const FOCUS = "https://hanse.b.example/livekit/jwt";
const picture: Playable = { attach: () => {}, detach: () => {} };

function member(name: string, more: Partial<Member> = {}): Member {
  const userId = `@${name}:b.example`;
  return {
    key: name,
    userId,
    deviceId: "D",
    identity: `${userId}:D`,
    name,
    role: "participant",
    power: 0,
    trust: null,
    focus: FOCUS,
    eventId: `$${name}`,
    joinedAt: 1,
    isOwn: false,
    ...more,
  };
}

function arriving(name: string, more: Partial<Arriving> = {}): Arriving {
  return {
    identity: `@${name}:b.example:D`,
    focus: FOCUS,
    camera: picture,
    screen: null,
    sounds: [picture],
    speaksUp: true,
    isSpeaking: false,
    isWeak: false,
    publishes: true,
    encrypted: true,
    ...more,
  };
}

function link(more: Partial<Link> = {}): Link {
  return { focus: FOCUS, state: "connected", problem: null, by: null, arriving: [], ...more };
}

function sight(more: Partial<Sight> = {}): Sight {
  return {
    members: [member("bob")],
    hands: [],
    reactions: [],
    links: [link({ arriving: [arriving("bob")] })],
    rules: { locked: null, presenters: new Set(), without: new Set() },
    encrypted: true,
    keyed: new Set(["@bob:b.example:D"]),
    sealed: new Set(),
    own: { camera: null, screen: null, microphone: false },
    ...more,
  };
}

const lackIn = (seen: Sight) => tilesOf(seen)[0]?.lack;

test("whoever is there, with a key, is seen and heard", () => {
  const [tile] = tilesOf(sight());
  expect(tile).toMatchObject({ name: "bob", organisation: "b.example", lack: null, picture, sounds: [picture] });
});

test("no route, no media, no key and a wrong key are told apart", () => {
  expect(lackIn(sight({ members: [member("bob", { focus: null })] }))).toEqual({ kind: "no-focus" });
  expect(lackIn(sight({ links: [] }))).toEqual({ kind: "connecting" });
  expect(lackIn(sight({ links: [link({ state: "failed", problem: { kind: "blocked" } })] }))).toEqual({
    kind: "no-route",
    problem: { kind: "blocked" },
  });
  expect(lackIn(sight({ links: [link()] }))).toEqual({ kind: "no-media" });
  const locked = { rules: { locked: new Set<string>(), presenters: new Set<string>(), without: new Set<Source>() }, members: [member("bob"), member("carol")] };
  expect(lackIn(sight({ links: [link()], ...locked }))).toEqual({ kind: "locked" });
  expect(lackIn(sight(locked)), "he is there").toBeNull();
  expect(lackIn(sight({ keyed: new Set() }))).toEqual({ kind: "no-key" });
  expect(lackIn(sight({ sealed: new Set(["@bob:b.example:D"]) }))).toEqual({ kind: "wrong-key" });
});

test("what comes in the clear into an encrypted call is neither shown nor played", () => {
  const [tile] = tilesOf(sight({ links: [link({ arriving: [arriving("bob", { encrypted: false })] })] }));
  expect(tile).toMatchObject({ lack: { kind: "unsealed" }, picture: null, sounds: [] });
});

test("nobody is shown without a key, and everybody is in a call that is open", () => {
  expect(tilesOf(sight({ keyed: new Set() }))[0]).toMatchObject({ picture: null, sounds: [] });
  const open = sight({ encrypted: false, keyed: new Set(), links: [link({ arriving: [arriving("bob", { encrypted: false })] })] });
  expect(tilesOf(open)[0]).toMatchObject({ lack: null, picture });
});

test("a wrong key takes nothing away that may open again", () => {
  expect(tilesOf(sight({ sealed: new Set(["@bob:b.example:D"]) }))[0]).toMatchObject({ lack: { kind: "wrong-key" }, picture });
});

test("who publishes nothing lacks nothing", () => {
  const silent = arriving("bob", { publishes: false, camera: null, sounds: [], speaksUp: false });
  expect(lackIn(sight({ keyed: new Set(), links: [link({ arriving: [silent] })] }))).toBeNull();
});

test("a stranger on the server is counted and never shown", () => {
  const seen = sight({ links: [link({ arriving: [arriving("bob"), arriving("mallory")] })] });
  expect(strangersIn(seen)).toBe(1);
  expect(tilesOf(seen).map(({ name }) => name)).toEqual(["bob"]);
});

test("media of one organisation's server is not taken for that of a member who publishes elsewhere", () => {
  const elsewhere = link({ focus: "https://hanse.c.example", arriving: [arriving("bob", { focus: "https://hanse.c.example" })] });
  expect(lackIn(sight({ links: [elsewhere, link()] }))).toEqual({ kind: "no-media" });
});

test("screens come first, oneself comes last, and the order stays that of coming", () => {
  const members = [member("own", { isOwn: true, joinedAt: 0 }), member("late", { joinedAt: 3 }), member("early", { joinedAt: 2 })];
  const links = [link({ arriving: [arriving("late", { screen: picture }), arriving("early")] })];
  const keyed = new Set(["@late:b.example:D", "@early:b.example:D"]);
  const order = tilesOf(sight({ members, links, keyed })).map(({ name, isScreen }) => (isScreen ? `${name}'s screen` : name));
  expect(order).toEqual(["late's screen", "early", "late", "own"]);
});

test("raised hands have their place in the order in which they went up", () => {
  const members = [member("bob"), member("carol")];
  const hands = [
    { userId: "@carol:b.example", since: 1 },
    { userId: "@bob:b.example", since: 2 },
  ];
  expect(tilesOf(sight({ members, hands })).map(({ name, hand }) => [name, hand])).toEqual([
    ["bob", 2],
    ["carol", 1],
  ]);
});

test("a sign stands on the tile of whoever sent it, and on nobody else's", () => {
  const members = [member("bob"), member("carol")];
  const reactions = [
    { membership: "$bob", userId: "@bob:b.example", sign: "👍", until: 1 },
    { membership: "$carol", userId: "@bob:b.example", sign: "👎", until: 1 },
  ];
  expect(tilesOf(sight({ members, reactions })).map(({ sign }) => sign)).toEqual(["👍", null]);
});

test("whoever names ever more servers has no further one connected to, and it is said", () => {
  const links = Array.from({ length: FOCUSES_MAX }, (_, index) => link({ focus: `https://hanse.${index}.example` }));
  expect(lackIn(sight({ links }))).toEqual({ kind: "no-route", problem: { kind: "crowded" } });
  expect(lackIn(sight({ links: links.slice(1) }))).toEqual({ kind: "connecting" });
});
