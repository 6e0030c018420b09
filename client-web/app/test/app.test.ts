import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { App, type World } from "../src/state/app.ts";
import type { Account, Config, House, RoomEntry } from "../src/state/ports.ts";
import type { Proven } from "../src/state/sso.ts";
import type { GuestAccount } from "../src/state/visit.ts";

const HOMESERVER = { name: "a.example", url: "https://matrix.a.example" };
const ALICE: Account = { homeserver: HOMESERVER, userId: "@alice:a.example", deviceId: "D", token: "t" };
const GUEST: GuestAccount = { account: { ...ALICE, userId: "@hanse-guest-x:a.example" }, roomId: "!room", via: [] };

function stage(more: Partial<World> = {}, guests = false) {
  const did: string[] = [];
  const membership = signal<string | null>(null);
  const config: Config = { organisation: "a.example", homeservers: [HOMESERVER], focus: "/livekit/jwt", guests };
  const house = (account: Account): House => ({
    account,
    name: signal("Alice"),
    rooms: signal<RoomEntry[]>([]),
    isReachable: signal(true),
    async call(roomId) {
      did.push(`call ${roomId}`);
      throw new Error("there is no call in this test");
    },
    membership: () => membership,
    async knock(roomId) {
      did.push(`knock ${roomId}`);
      membership.value = "knock";
    },
    async logOut() {
      did.push("log out");
    },
    close: () => void did.push("close"),
  });
  let saved: Account | null = null;
  let savedGuest: GuestAccount | null = null;
  const world: World = {
    config: async () => config,
    login: {
      waysOf: async () => ["password"],
      withPassword: async () => ALICE,
      goToSso: () => {},
    },
    devices: {
      list: async () => ({ microphone: [], camera: [], speaker: [] }),
      onChange: () => () => {},
      preview: () => Promise.reject(new Error("there is no device in this test")),
    },
    saved: () => saved,
    save: (account) => (saved = account),
    returned: () => null,
    withToken: async () => ALICE,
    isOnlyPage: async () => true,
    network: () => ({
      isCheap: () => false,
      seat: () => Promise.reject(new Error("there is no network in this test")),
      connect: () => Promise.reject(new Error("there is no network in this test")),
      rate: () => Promise.reject(new Error("there is no network in this test")),
    }),
    house: async (account) => house(account),
    visit: () => ({
      look: async () => ({ meeting: "Council", organisation: "a.example", needsPasscode: false }),
      enter: async () => GUEST,
    }),
    async endVisit(_config, token) {
      did.push(`erase ${token}`);
    },
    invitation: () => null,
    savedGuest: () => savedGuest,
    saveGuest: (guest) => (savedGuest = guest),
    media: () => Promise.reject(new Error("there is no media in this test")),
    wantedRoom: () => null,
    showRoom: () => {},
    ...more,
  };
  return { app: new App(world), did, membership, kept: () => saved, keptGuest: () => savedGuest };
}

/** Says something the first time only, as the page's address does. */
const once = (proven: Proven | "unasked") => {
  const said = [proven];
  return () => said.shift() ?? null;
};

const settle = () => new Promise((done) => setTimeout(done));

test("whoever is not logged in is asked to, and comes to their rooms", async () => {
  const { app, kept } = stage();
  await app.start();
  const place = app.place.value;
  if (place.at !== "login") throw new Error(place.at);
  await settle();
  await place.login.enter("alice", "x");
  await settle();
  expect([app.place.value.at, kept()]).toEqual(["rooms", ALICE]);
});

test("whoever logs out is forgotten here, and asked to log in again", async () => {
  const { app, did, kept } = stage({ saved: () => ALICE });
  await app.start();
  expect(app.place.value.at).toBe("rooms");
  await app.logOut();
  expect([app.place.value.at, kept(), did]).toEqual(["login", null, ["log out"]]);
});

test("a second tab, a homeserver that is away, and a device that is gone are told apart", async () => {
  const troubleOf = async (more: Partial<World>) => {
    const { app } = stage({ saved: () => ALICE, ...more });
    await app.start();
    return app.place.value.at === "trouble" ? app.place.value.trouble : app.place.value.at;
  };
  expect(await troubleOf({ isOnlyPage: async () => false })).toBe("open-elsewhere");
  expect(await troubleOf({ house: () => Promise.reject(new TypeError("Failed to fetch")) })).toBe("homeserver");
  expect(await troubleOf({ house: () => Promise.reject(Object.assign(new Error("no"), { errcode: "M_UNKNOWN_TOKEN" })) })).toBe("logged-out");
  expect(await troubleOf({ config: () => Promise.reject(new TypeError("Failed to fetch")) })).toBe("config");
  expect(await troubleOf({ wantedRoom: () => "!gone" })).toBe("room");
});

test("whoever has proven elsewhere who they are is let in, at the room that they wanted", async () => {
  const { app, did, kept } = stage({ returned: once({ homeserver: HOMESERVER, token: "proof" }), wantedRoom: () => "!room" });
  await app.start();
  expect([kept(), did]).toEqual([ALICE, ["call !room", "close"]]);
});

test("a token that nobody here has asked for is not even shown to the homeserver, and ends no session", async () => {
  const withToken = () => Promise.reject(new Error("it was shown"));
  const nobody = stage({ returned: once("unasked"), withToken });
  await nobody.app.start();
  expect([nobody.app.place.value, nobody.kept()]).toEqual([{ at: "trouble", trouble: "no-sso" }, null]);
  await nobody.app.again(true);
  expect(nobody.app.place.value.at).toBe("login");
  const alice = stage({ returned: once("unasked"), withToken, saved: () => ALICE });
  await alice.app.start();
  expect(alice.app.place.value).toMatchObject({ at: "rooms", house: { account: ALICE } });
});

test("a token is taken out of the address before anything is asked, and not lost when the page's server is away", async () => {
  const order: string[] = [];
  let isAway = true;
  const { app, kept } = stage({
    returned() {
      order.push("address");
      return order.length === 1 ? { homeserver: HOMESERVER, token: "proof" } : null;
    },
    async config() {
      order.push("config");
      if (isAway) throw new TypeError("Failed to fetch");
      return { organisation: "a.example", homeservers: [HOMESERVER], focus: "/livekit/jwt", guests: false };
    },
  });
  await app.start();
  expect([order, app.place.value]).toEqual([["address", "config"], { at: "trouble", trouble: "config" }]);
  isAway = false;
  await app.again(false);
  expect([app.place.value.at, kept()]).toEqual(["rooms", ALICE]);
});

test("whoever goes on from a room that does not open leaves no second client behind, which would spoil the keys", async () => {
  const { app, did } = stage({ saved: () => ALICE, wantedRoom: () => "!gone" });
  await app.start();
  expect([app.place.value, did]).toEqual([{ at: "trouble", trouble: "room" }, ["call !gone", "close"]]);
});

test("a guest by link says a name, knocks, and waits until somebody opens", async () => {
  const { app, did, membership, keptGuest } = stage({ invitation: () => ({ secret: "s" }) }, true);
  await app.start();
  const place = app.place.value;
  if (place.at !== "visit") throw new Error(place.at);
  expect(place.visit.opening.value?.meeting).toBe("Council");
  await place.visit.enter("Eve", "");
  await settle();
  expect([app.place.value.at, did, keptGuest()]).toEqual(["lobby", ["knock !room"], GUEST]);
  membership.value = "invite";
  await settle();
  expect(did).toEqual(["knock !room", "call !room", "close"]);
});

test("a guest who is refused is told so, and is erased when they finish", async () => {
  const { app, did, membership, keptGuest } = stage({ savedGuest: () => GUEST }, true);
  await app.start();
  await settle();
  membership.value = "leave";
  expect(app.place.value).toMatchObject({ at: "lobby", isRefused: true });
  await app.endVisit();
  expect([app.place.value.at, did, keptGuest()]).toEqual(["gone", ["knock !room", "close", "erase t", "log out"], null]);
});

test("a link where no guests are taken opens nothing, and says so", async () => {
  const { app } = stage({ invitation: () => ({ secret: "s" }) }, false);
  await app.start();
  expect(app.place.value).toEqual({ at: "trouble", trouble: "no-guests" });
});
