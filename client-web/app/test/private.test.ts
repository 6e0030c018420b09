import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import type { Message } from "../src/state/chat.ts";
import { type Conversation, isFollowed, isNear, isOfTwo, Private } from "../src/state/private.ts";

const OWN = { userId: "@own:a.example" };
const BOB = "@bob:b.example";
const GUEST = "@hanse-guest-1:a.example";
const OTHER_GUEST = "@hanse-guest-2:a.example";

/** When the call began. */
const SINCE = 10;

function message(userId: string, at: number): Message {
  return { id: `$${at}`, userId, name: "Bob", text: `at ${at}`, at, isOwn: userId === OWN.userId, state: "there" };
}

/** Conversations with nothing behind them but what a test says. */
function stage(own = OWN) {
  const did: string[] = [];
  const news: string[] = [];
  const conversations = signal<Conversation[]>([]);
  let refusal: Error | null = null;
  const held = new Private(
    {
      conversations,
      async begin(userId) {
        did.push(`begin with ${userId}`);
        if (refusal) throw refusal;
      },
      async send(userId, text) {
        did.push(`to ${userId}: ${text}`);
      },
      async again(userId, id) {
        did.push(`again to ${userId}: ${id}`);
      },
    },
    own,
    SINCE,
    (name) => news.push(name),
  );
  const said = signal<Message[]>([]);
  return { held, did, news, conversations, said, bob: { userId: BOB, name: "Bob", messages: said }, refuse: (error: Error | null) => (refusal = error) };
}

test("a conversation is of two, and no longer that when anybody else is in it or invited", () => {
  const [own, bob] = [{ userId: OWN.userId, membership: "join" }, { userId: BOB, membership: "invite" }];
  const other = (membership: string) => ({ userId: "@eve:b.example", membership });
  expect(isOfTwo([own, bob], OWN.userId, BOB)).toBe(true);
  expect(isOfTwo([own, bob, other("leave")], OWN.userId, BOB)).toBe(true);
  for (const membership of ["join", "invite"]) expect(isOfTwo([own, bob, other(membership)], OWN.userId, BOB), membership).toBe(false);
  expect(isOfTwo([own, other("join")], OWN.userId, BOB)).toBe(false);
  expect(isOfTwo([own, { ...bob, membership: "leave" }], OWN.userId, BOB)).toBe(false);
});

test("only a sealed direct conversation is followed, and only by whom is in the call's room with an account", () => {
  const people = [
    { userId: BOB, membership: "join" },
    { userId: GUEST, membership: "join" },
    { userId: "@gone:b.example", membership: "leave" },
  ];
  const follows = (inviter: string | undefined, isSealed = true, own = OWN.userId) => isFollowed({ inviter, isSealed }, people, own);
  expect(follows(BOB)).toBe(true);
  expect(follows(BOB, true, GUEST), "as a guest").toBe(true);
  expect([follows(undefined), follows(BOB, false), follows(GUEST), follows("@gone:b.example"), follows("@eve:b.example"), follows(GUEST, true, OTHER_GUEST)]).toEqual(
    Array.from({ length: 6 }, () => false),
  );
});

test("opening makes nothing; the first message begins the conversation, and goes to them alone", async () => {
  const { held, did } = stage();
  held.open(BOB, "Bob");
  expect([held.current.value, held.shown.value, did]).toEqual([BOB, [{ userId: BOB, name: "Bob", unread: 0 }], []]);
  const chat = held.chatWith(BOB);
  chat.draft.value = "between us";
  await chat.send();
  expect(did).toEqual([`begin with ${BOB}`, `to ${BOB}: between us`]);
  await chat.again("$1");
  expect(did.at(-1)).toBe(`again to ${BOB}: $1`);
});

test("whoever has an account writes to everybody but themselves, also to a guest", () => {
  const { held } = stage();
  expect([BOB, OWN.userId, GUEST].map((each) => held.mayWriteTo(each))).toEqual([true, false, true]);
  held.open(GUEST, "Grace");
  expect([held.current.value, held.shown.value]).toEqual([GUEST, [{ userId: GUEST, name: "Grace", unread: 0 }]]);
});

test("a guest answers whoever has begun, and begins nothing, with another guest neither", async () => {
  const { held, did, conversations, said, bob } = stage({ userId: GUEST });
  expect([BOB, GUEST, OTHER_GUEST].map((each) => held.mayWriteTo(each))).toEqual([false, false, false]);
  held.open(BOB, "Bob");
  expect([held.current.value, held.shown.value]).toEqual([null, []]);
  conversations.value = [bob];
  said.value = [message(BOB, 11)];
  expect([BOB, OTHER_GUEST].map((each) => held.mayWriteTo(each))).toEqual([true, false]);
  expect(held.shown.value).toEqual([{ userId: BOB, name: "Bob", unread: 1 }]);
  const chat = held.chatWith(BOB);
  chat.draft.value = "to you";
  await chat.send();
  expect(did).toEqual([`begin with ${BOB}`, `to ${BOB}: to you`]);
});

test("conversations are with people of the call's room: of guests by those who have an account", () => {
  const people = [BOB, GUEST, OTHER_GUEST].map((userId) => ({ userId, membership: "join" }));
  expect([isNear(GUEST, people, OWN.userId), isNear(BOB, people, GUEST)]).toEqual([true, true]);
  expect([isNear(OTHER_GUEST, people, GUEST), isNear(GUEST, people, GUEST), isNear("@eve:b.example", people, GUEST)]).toEqual([false, false, false]);
});

test("what was said before the call is no news and shown to nobody; what comes in it is unread, and told once each", () => {
  const { held, news, conversations, said, bob } = stage();
  said.value = [message(BOB, 5)];
  conversations.value = [bob];
  expect([held.shown.value, held.unread.value, news]).toEqual([[], 0, []]);
  said.value = [...said.value, message(BOB, 11)];
  expect([held.shown.value, held.unread.value, news]).toEqual([[{ userId: BOB, name: "Bob", unread: 1 }], 1, ["Bob"]]);
  said.value = [...said.value, message(OWN.userId, 12)];
  said.value = [...said.value, message(BOB, 13)];
  expect([held.unread.value, news]).toEqual([2, ["Bob", "Bob"]]);
  held.chatWith(BOB).isOpen.value = true;
  expect(held.unread.value).toBe(0);
  said.value = [...said.value, message(BOB, 14)];
  expect([held.unread.value, news.length]).toEqual([0, 2]);
  held.chatWith(BOB).isOpen.value = false;
  said.value = [...said.value, message(BOB, 15)];
  expect([held.unread.value, news.length]).toEqual([1, 3]);
});

test("a conversation that cannot be begun is said so, and what was written is written still", async () => {
  const { held, did, refuse } = stage();
  held.open(BOB, "Bob");
  refuse(new Error("M_FORBIDDEN"));
  const chat = held.chatWith(BOB);
  chat.draft.value = "between us";
  await chat.send();
  expect([held.failed.value, chat.draft.value, did]).toEqual([BOB, "between us", [`begin with ${BOB}`]]);
  refuse(null);
  await chat.send();
  expect([held.failed.value, chat.draft.value, did.at(-1)]).toEqual([null, "", `to ${BOB}: between us`]);
});

test("after a call nobody is told of anything", () => {
  const { held, news, conversations, said, bob } = stage();
  conversations.value = [bob];
  held.close();
  said.value = [message(BOB, 11)];
  expect(news).toEqual([]);
});
