// Our sealing of frames (focus/callkeys) and livekit-client's worker, each with what the other has sealed. The other direction, what
// livekit-client has sealed, is in focus/callkeys/tests/vectors.rs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { holdKey, throughWorker } from "../harness/frame-worker.mjs";

const read = async (name) => JSON.parse(await readFile(new URL(`../../focus/callkeys/tests/vectors/${name}.json`, import.meta.url), "utf8"));
const bytes = (text) => Buffer.from(text, "base64");

test("livekit_client_opens_what_we_have_sealed_and_nothing_that_was_changed", async () => {
  const { key, index, frames } = await read("hanse");
  await holdKey({ key: bytes(key), index });
  const sealed = frames.map(({ kind, sealed: data }) => ({ kind, data: bytes(data) }));
  const opened = await throughWorker("decode", sealed);
  assert.deepEqual(opened, frames.map(({ clear }) => bytes(clear)));
  const changed = sealed.map(({ kind, data }) => ({ kind, data: Buffer.from(data.map((byte, at) => (at === data.length - 20 ? byte ^ 1 : byte))) }));
  assert.deepEqual(await throughWorker("decode", changed), frames.map(() => null));
});
