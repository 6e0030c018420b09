import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { wishBlur } from "../src/state/blur.ts";
import { Call } from "../src/state/call.ts";
import type { Message } from "../src/state/chat.ts";
import type { Knock } from "../src/state/lobby.ts";
import type { Reaction } from "../src/state/reactions.ts";
import { type CallSession, DeviceRefusal, type Gadget, type Hand, type Link, type Media, type Member, type Playable, type Role, type Source } from "../src/state/ports.ts";
import type { Rules } from "../src/state/rules.ts";
import { FOCUSES_MAX } from "../src/state/tiles.ts";

const OWN = "https://hanse.a.example/livekit/jwt";
const B = "https://hanse.b.example/livekit/jwt";

function member(name: string, focus: string | null, more: Partial<Member> = {}): Member {
  const userId = `@${name}:a.example`;
  return {
    key: name,
    userId,
    deviceId: "D",
    identity: `${userId}:D`,
    name,
    role: "participant",
    power: 0,
    trust: null,
    focus,
    eventId: `$${name}`,
    joinedAt: 1,
    isOwn: false,
    ...more,
  };
}

/** A call with nothing behind it but what a test says. */
function stage() {
  const did: string[] = [];
  const links = signal<Link[]>([]);
  const on = signal<Record<Source, boolean>>({ microphone: false, camera: false, screen: false });
  const members = signal<Member[]>([]);
  const isPresent = signal(true);
  const isOnline = signal(true);
  const hasBlurFailed = signal(false);
  const rules = signal<Rules>({ locked: null, presenters: new Set(), without: new Set() });
  let refusal: DeviceRefusal | null = null;
  let hold: Promise<void> = Promise.resolve();
  const media: Media = {
    links,
    keyed: signal(new Set<string>()),
    sealed: signal(new Set<string>()),
    on,
    ownCamera: signal<Playable | null>(null),
    ownScreen: signal<Playable | null>(null),
    isOnline,
    mayPlay: signal(true),
    inUse: signal<Record<Gadget, string | null>>({ microphone: null, camera: null, speaker: null }),
    open(focus, publish) {
      if (links.value.some((each) => each.focus === focus)) return;
      did.push(`open ${focus}${publish ? " to publish" : ""}`);
      links.value = [...links.value, { focus, state: "connecting", problem: null, by: null, arriving: [] }];
    },
    close(focus) {
      did.push(`close ${focus}`);
      links.value = links.value.filter((each) => each.focus !== focus);
    },
    takeKey: () => {},
    async turn(source, now, deviceId) {
      did.push(`${source} ${now ? "on" : "off"}${deviceId ? ` with ${deviceId}` : ""}`);
      await hold;
      if (refusal) throw refusal;
      on.value = { ...on.value, [source]: now };
    },
    share: async () => {},
    async blur(now) {
      if (now) did.push("blur");
      if (refusal) throw refusal;
    },
    hasBlurFailed,
    use: async () => {},
    savesData: signal(false),
    saveData: (now) => void did.push(`saves data ${now ? "on" : "off"}`),
    play: async () => {},
    async end() {
      did.push("media ends");
    },
  };
  const session: CallSession = {
    roomId: "!room",
    roomName: signal("Council"),
    encrypted: true,
    own: { userId: "@own:a.example", deviceId: "D", identity: "@own:a.example:D" },
    members,
    hands: signal<Hand[]>([]),
    chat: { messages: signal<Message[]>([]), send: async () => {}, again: async () => {} },
    private: { conversations: signal([]), begin: async () => {}, send: async () => {}, again: async () => {} },
    comparison: { now: signal(null), ask: async () => {}, accept: async () => {}, judge: async () => {}, end: async () => {} },
    reactions: signal<Reaction[]>([]),
    guestLinks: null,
    knocks: signal<Knock[]>([]),
    mayAdmit: signal(false),
    ownRole: signal<Role>("participant"),
    rules,
    mayRule: signal(false),
    rule: async () => {},
    isPresent,
    ownFocus: async () => OWN,
    async join(focus) {
      did.push(`join at ${focus}`);
    },
    async leave() {
      did.push("leave");
    },
    askForKeys: async () => {},
    raiseHand: async () => {},
    react: async () => {},
    admit: async () => {},
    refuse: async () => {},
    moderate: async () => {},
    examine: async () => ({ url: "wss://sfu", jwt: "j" }),
    seat: async () => ({ url: "wss://sfu", jwt: "j" }),
  };
  const call = new Call(session, media, { list: async () => ({ microphone: [], camera: [], speaker: [] }), onChange: () => () => {} });
  return {
    call,
    did,
    members,
    isPresent,
    isOnline,
    hasBlurFailed,
    rules,
    /** What becomes of the way to our own SFU. */
    set(change: Partial<Link>, of = OWN) {
      links.value = links.value.map((each) => (each.focus === of ? Object.assign({}, each, change) : each));
    },
    refuse: (problem: DeviceRefusal | null) => (refusal = problem),
    media: { on },
    holdUntil: (released: Promise<void>) => (hold = released),
  };
}

const NOTHING = { on: { microphone: false, camera: false }, chosen: { microphone: null, camera: null }, savesData: false };

/** Lets everything happen that waits for nothing. */
const settle = () => new Promise((done) => setTimeout(done));

test("nothing is sent that was off at the door, and what was on comes on once there is a way", async () => {
  const silent = stage();
  await silent.call.enter(NOTHING);
  silent.set({ state: "connected" });
  await settle();
  expect(silent.did).toEqual([`open ${OWN} to publish`, `join at ${OWN}`]);

  const { call, did, set } = stage();
  await call.enter({ on: { microphone: true, camera: false }, chosen: { microphone: "usb", camera: null }, savesData: false });
  await settle();
  expect(did).not.toContain("microphone on with usb");
  set({ state: "connected" });
  await settle();
  set({ state: "reconnecting" });
  set({ state: "connected" });
  await settle();
  expect(did.filter((each) => each.startsWith("microphone"))).toEqual(["microphone on with usb"]);
});

test("where a meeting has sound alone, or is written, nothing else comes on, and what is on goes off", async () => {
  const { call, did, set, rules } = stage();
  rules.value = { ...rules.value, without: new Set<Source>(["camera", "screen"]) };
  await call.enter({ ...NOTHING, on: { microphone: true, camera: true } });
  set({ state: "connected" });
  await settle();
  await call.toggle("camera");
  expect(did.filter((each) => each.startsWith("camera"))).toEqual([]);
  expect([call.offers("camera"), call.offers("microphone"), call.beside.value]).toEqual([false, true, null]);
  rules.value = { ...rules.value, without: new Set<Source>(["camera", "screen", "microphone"]) };
  await settle();
  expect(did.filter((each) => each.startsWith("microphone"))).toEqual(["microphone on", "microphone off"]);
  expect(call.beside.value).toBe("chat");
});

test("whoever wants no pictures gets none from the beginning", async () => {
  const { call, did } = stage();
  await call.enter({ ...NOTHING, savesData: true });
  expect(did.slice(0, 2)).toEqual(["saves data on", `open ${OWN} to publish`]);
});

test("whom a lock keeps out is told so in their language, and for as long as it does", async () => {
  const { call, set, rules, members } = stage();
  await call.enter(NOTHING);
  members.value = [member("bob", B)];
  set({ state: "failed", problem: { kind: "refused", sentence: "No." } });
  expect(call.trouble.value).toMatchObject({ kind: "link" });
  rules.value = { ...rules.value, locked: new Set(["@bob:a.example"]) };
  expect(call.trouble.value).toEqual({ kind: "locked" });
});

test("those who are there already are reached while they are told of oneself, and are not if one has gone meanwhile", async () => {
  const { call, did, members } = stage();
  members.value = [member("bob", B)];
  let told = (): void => {};
  call.session.join = () => new Promise((done) => (told = done));
  const entering = call.enter({ ...NOTHING, on: { microphone: true, camera: false } });
  await settle();
  expect(did).toEqual([`open ${OWN} to publish`, `open ${B}`]);
  const leaving = call.leave();
  told();
  await Promise.all([entering, leaving]);
  did.length = 0;
  members.value = [member("bob", B), member("carol", "https://c.example")];
  await settle();
  expect(did).toEqual([]);
});

test("there is a way to each server at which somebody publishes, for as long as they do", async () => {
  const { call, did, members } = stage();
  await call.enter(NOTHING);
  members.value = [member("own", OWN, { isOwn: true }), member("bob", B), member("eve", null)];
  expect(did).toContain(`open ${B}`);
  members.value = [member("own", OWN, { isOwn: true })];
  expect(did.filter((each) => each.startsWith("close"))).toEqual([`close ${B}`]);
});

test("whoever names ever more servers in a room has only so many connected to", async () => {
  const { call, did, members } = stage();
  await call.enter(NOTHING);
  members.value = Array.from({ length: 500 }, (_, index) => member(`m${index}`, `https://hanse.${index}.example`));
  expect(did.filter((each) => each.startsWith("open https://hanse.")).length).toBe(FOCUSES_MAX + 1);
});

test("what is in the way of oneself is said: the device first, then the server, then the homeserver", async () => {
  const { call, set, refuse, isPresent } = stage();
  await call.enter(NOTHING);
  set({ state: "connected" });
  expect(call.trouble.value).toBeNull();
  isPresent.value = false;
  expect(call.trouble.value).toEqual({ kind: "homeserver" });
  set({ state: "failed", problem: { kind: "unreachable" } });
  expect(call.trouble.value).toEqual({ kind: "link", problem: { kind: "unreachable" } });
  refuse(new DeviceRefusal("refused"));
  await call.toggle("camera");
  expect(call.trouble.value).toEqual({ kind: "device", source: "camera", problem: "refused" });
  call.dismissTrouble();
  expect(call.trouble.value).toMatchObject({ kind: "link" });
});

test("without a network one is told so first, and it goes away with it", async () => {
  const { call, set, isOnline } = stage();
  await call.enter(NOTHING);
  set({ state: "failed", problem: { kind: "unreachable" } });
  isOnline.value = false;
  expect(call.trouble.value).toEqual({ kind: "offline" });
  isOnline.value = true;
  set({ state: "connected", problem: null });
  expect(call.trouble.value).toBeNull();
});

test("that media goes by TCP or a relay is told until one says that one knows, and told anew when it changes", async () => {
  const { call, set } = stage();
  await call.enter(NOTHING);
  set({ state: "connected" });
  expect(call.detour.value).toBeNull();
  set({ by: "udp" });
  expect(call.detour.value).toBeNull();
  set({ by: "tcp" });
  expect(call.detour.value).toBe("tcp");
  call.dismissDetour();
  expect(call.detour.value).toBeNull();
  set({ by: "relay" });
  expect(call.detour.value).toBe("relay");
  set({ by: "udp" });
  expect(call.detour.value).toBeNull();
});

test("whose server was lost is said by organisation while it is looked for, unless one's own is", async () => {
  const { call, set, members } = stage();
  await call.enter(NOTHING);
  members.value = [member("own", OWN, { isOwn: true }), member("bob", B, { userId: "@bob:b.example" })];
  set({ state: "connected" });
  set({ state: "reconnecting" }, B);
  expect(call.lost.value).toEqual(["b.example"]);
  set({ state: "reconnecting" });
  expect(call.lost.value).toEqual([]);
  set({ state: "connected" });
  set({ state: "connected" }, B);
  expect(call.lost.value).toEqual([]);
});

test("what was on when the way was lost for long comes on again with it, and what was switched off does not", async () => {
  const { call, did, set, media } = stage();
  await call.enter({ on: { microphone: true, camera: true }, chosen: { microphone: null, camera: null }, savesData: false });
  set({ state: "connected" });
  await settle();
  await call.turn("camera", false);
  did.length = 0;
  // A way that is lost for good takes along what was sent on it.
  set({ state: "failed", problem: { kind: "unreachable" } });
  media.on.value = { microphone: false, camera: false, screen: false };
  set({ state: "connecting" });
  await settle();
  expect(did).toEqual([]);
  set({ state: "connected", problem: null });
  await settle();
  expect(did).toEqual(["microphone on"]);
  set({ state: "reconnecting" });
  set({ state: "connected" });
  await settle();
  expect(did).toEqual(["microphone on"]);
});

test("whoever was muted before the way was lost is so afterwards", async () => {
  const { call, did, set, media } = stage();
  await call.enter({ ...NOTHING, on: { microphone: true, camera: false } });
  set({ state: "connected" });
  await settle();
  media.on.value = { ...media.on.value, microphone: false };
  did.length = 0;
  set({ state: "failed", problem: { kind: "unreachable" } });
  set({ state: "connected", problem: null });
  await settle();
  expect(did).toEqual([]);
});

test("whoever closes the choice of screens is told nothing", async () => {
  const { call, set, refuse } = stage();
  await call.enter(NOTHING);
  set({ state: "connected" });
  refuse(new DeviceRefusal("refused"));
  await call.toggle("screen");
  expect(call.trouble.value).toBeNull();
});

test("a call is over for whoever was removed or is elsewhere, and not for whom the network has lost", async () => {
  const { call, set } = stage();
  await call.enter(NOTHING);
  set({ state: "failed", problem: { kind: "unreachable" } });
  expect(call.over.value).toBeNull();
  for (const kind of ["removed", "elsewhere", "ended"] as const) {
    set({ state: "failed", problem: { kind } });
    expect(call.over.value).toBe(kind);
  }
});

test("the space bar speaks while it is held, and never longer, however slowly the microphone comes on", async () => {
  const { call, did, set, holdUntil } = stage();
  await call.enter(NOTHING);
  set({ state: "connected" });
  await call.pushToTalk(true);
  await call.pushToTalk(true);
  await call.pushToTalk(false);
  expect(did.slice(-2)).toEqual(["microphone on", "microphone off"]);

  let release = (): void => {};
  holdUntil(new Promise((done) => (release = done)));
  const pressed = call.pushToTalk(true);
  const released = call.pushToTalk(false);
  release();
  await Promise.all([pressed, released]);
  expect(call.media.on.value.microphone).toBe(false);
});

test("whoever has a microphone on keeps it on, space bar or not", async () => {
  const { call, set } = stage();
  await call.enter(NOTHING);
  set({ state: "connected" });
  await call.toggle("microphone");
  await call.pushToTalk(true);
  await call.pushToTalk(false);
  expect(call.media.on.value.microphone).toBe(true);
});

test("leaving ends everything once, and a way that is lost then opens nothing again", async () => {
  const { call, did, members } = stage();
  await call.enter(NOTHING);
  await Promise.all([call.leave(), call.leave()]);
  members.value = [member("bob", B)];
  expect(did.slice(2)).toEqual(["media ends", "leave"]);
});

test("what was wished at the door is blurred before anything is published, and what stops or cannot be done is told", async () => {
  wishBlur(true);
  const { call, did, refuse, hasBlurFailed } = stage();
  await call.enter(NOTHING);
  expect(did.slice(0, 2)).toEqual(["blur", `open ${OWN} to publish`]);
  hasBlurFailed.value = true;
  expect(call.trouble.value).toEqual({ kind: "device", source: "camera", problem: "unblurred" });
  hasBlurFailed.value = false;
  refuse(new DeviceRefusal("unblurred"));
  await call.blur(true);
  expect(call.trouble.value).toEqual({ kind: "device", source: "camera", problem: "unblurred" });
  wishBlur(false);
});
