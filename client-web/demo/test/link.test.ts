import { expect, test } from "vitest";
import { readLink, writeLink } from "../src/link.ts";

const page = new URL("https://calls.example/demo/?room=old#key=old");

test("a page opened without a key gets a new one, so that encryption is the default", () => {
  const first = readLink(new URL("https://calls.example/demo/"));
  const second = readLink(new URL("https://calls.example/demo/"));
  expect(first.key).toMatch(/^[\w-]{43}$/);
  expect(second.key).not.toBe(first.key);
  expect(first.room).toBe("");
});

test("whoever opens a link comes into the same room with the same key, or without one", () => {
  for (const link of [
    { room: "stand up & coffee", key: "k-_1" },
    { room: "Käsekästchen", key: null },
  ]) {
    expect(readLink(writeLink(page, link))).toEqual(link);
  }
});

test("the key stands only behind #, where browsers keep it to themselves", () => {
  const url = writeLink(page, { room: "r", key: "secret-key" });
  expect(url.hash).toContain("secret-key");
  expect(`${url.origin}${url.pathname}${url.search}`).not.toContain("secret-key");
  expect(url.href).not.toContain("old");
});
