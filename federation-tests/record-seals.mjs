// Writes frames that livekit-client has sealed, for the tests of our own sealing (focus/callkeys/tests/vectors.rs):
//
//   node record-seals.mjs
import { writeFile } from "node:fs/promises";
import { holdKey, throughWorker } from "./harness/frame-worker.mjs";

const KEY = Buffer.from(Array.from({ length: 16 }, (_, at) => at));
const INDEX = 7;
const FILE = new URL("../focus/callkeys/tests/vectors/livekit-client.json", import.meta.url);

/** Bytes that are no codec's, but for the bit that says whether a VP8 frame is a key frame. */
const bytes = (length, first) => Buffer.from([first, ...Array.from({ length: length - 1 }, (_, at) => (at * 7 + 3) & 0xff)]);
const CLEAR = [
  { kind: "opus", data: bytes(80, 0xfc) },
  { kind: "opus", data: bytes(2, 0xfc) },
  { kind: "vp8", data: bytes(1500, 0x10) },
  { kind: "vp8", data: bytes(300, 0x11) },
  { kind: "vp8", data: bytes(4, 0x11) },
];

await holdKey({ key: KEY, index: INDEX });
const sealed = await throughWorker("encode", CLEAR);
const frames = CLEAR.map(({ kind, data }, at) => ({ kind, clear: data.toString("base64"), sealed: sealed[at].toString("base64") }));
await writeFile(FILE, `${JSON.stringify({ key: KEY.toString("base64"), index: INDEX, frames }, null, 1)}\n`);
process.exit();
