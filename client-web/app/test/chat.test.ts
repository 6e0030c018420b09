import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { Chat, type Message, TEXT_MAX } from "../src/state/chat.ts";
import { shownLines } from "../src/state/name.ts";

function message(at: number, more: Partial<Message> = {}): Message {
  return { id: `$${at}`, userId: "@bob:b.example", name: "Bob", text: "hello", at, isOwn: false, state: "there", ...more };
}

function stage(messages: Message[] = []) {
  const sent: string[] = [];
  const there = signal(messages);
  const chat = new Chat(
    {
      messages: there,
      async send(text) {
        sent.push(text);
        if (text === "refused") throw new Error("M_FORBIDDEN");
      },
      again: async () => {},
    },
    10,
  );
  return { chat, sent, there };
}

test("what others write is unread until one looks, and what stood there before is not", () => {
  const { chat, there } = stage([message(5)]);
  expect(chat.unread.value).toBe(0);
  there.value = [message(5), message(11), message(12, { isOwn: true })];
  expect(chat.unread.value).toBe(1);
  chat.isOpen.value = true;
  expect(chat.unread.value).toBe(0);
  there.value = [...there.value, message(13)];
  chat.isOpen.value = false;
  expect(chat.unread.value).toBe(0);
  there.value = [...there.value, message(14)];
  expect(chat.unread.value).toBe(1);
});

test("a draft is sent once, without the space around it, and nothing is sent that is empty or too long", async () => {
  const { chat, sent } = stage();
  chat.draft.value = "  good morning \n";
  await chat.send();
  await chat.send();
  chat.draft.value = " \n ";
  await chat.send();
  chat.draft.value = "x".repeat(TEXT_MAX + 1);
  await chat.send();
  expect(sent).toEqual(["good morning"]);
  expect(chat.draft.value.length).toBe(TEXT_MAX + 1);
});

test("a message that the homeserver refuses throws nobody off the page", async () => {
  const { chat, sent } = stage();
  chat.draft.value = "refused";
  await chat.send();
  expect(sent).toEqual(["refused"]);
});

test("a message keeps its lines and loses what hides or turns text", () => {
  expect(shownLines("one\r\ntwo\n\n\n\n\nthree")).toBe("one\ntwo\n\nthree");
  expect(shownLines("pay \u202Enatirep\u202C now\u200B")).toBe("pay natirep now");
  expect(shownLines("<img src=x onerror=alert(1)>")).toBe("<img src=x onerror=alert(1)>");
});
