import { expect, test } from "vitest";
import { isTrustworthy } from "../src/state/trust.ts";

const key = { type: "io.element.call.encryption_keys", content: { member: { claimed_device_id: "BOB" } } };

test("a key counts only when it came sealed", () => {
  expect(isTrustworthy({ message: key, encryptionInfo: null })).toBe(false);
  expect(isTrustworthy({ message: key, encryptionInfo: { senderDevice: "BOB" } })).toBe(true);
});

test("a key that another device sent than it says is none", () => {
  expect(isTrustworthy({ message: key, encryptionInfo: { senderDevice: "EVE" } })).toBe(false);
});

test("what is no key is not held up", () => {
  expect(isTrustworthy({ message: { type: "m.room_key_request" }, encryptionInfo: null })).toBe(true);
});
