import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const SECRET = "a secret for this test only";
const script = fileURLToPath(new URL("../serve.mjs", import.meta.url));
const start = (...options: string[]) => spawn(process.execPath, [script, ...options], { stdio: "pipe" });

let server: ReturnType<typeof start>;
let url: string;
beforeAll(async () => {
  server = start("--port", "0", "--sfu", "ws://127.0.0.1:1", "--key", "k", "--secret", SECRET);
  const [line] = await once(server.stdout, "data");
  url = /^ready (http:\/\/localhost:\d+)\n$/.exec(String(line))?.[1] ?? expect.fail(`it said: ${line}`);
});
afterAll(() => server.kill());

test("a seat is signed, for one room and one new identity, and names the SFU", async () => {
  const seat = async () => (await fetch(`${url}/token?room=r&name=Ada`)).json();
  const [first, second] = await Promise.all([seat(), seat()]);
  expect(first.sfu).toBe("ws://127.0.0.1:1");
  const [header, body, signature] = first.token.split(".");
  expect(createHmac("sha256", SECRET).update(`${header}.${body}`).digest("base64url")).toBe(signature);
  const claims = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  expect(claims(first.token)).toMatchObject({ iss: "k", name: "Ada", video: { room: "r", roomJoin: true } });
  expect(claims(first.token).sub).not.toBe(claims(second.token).sub);
});

test("a seat without a name or with an endless room is refused with a reason, and others are served on", async () => {
  for (const query of ["room=r", `room=${"r".repeat(101)}&name=Ada`]) {
    const reply = await fetch(`${url}/token?${query}`);
    expect(reply.status).toBe(400);
    expect(await reply.text()).toMatch(/must have 1 to 100 characters/);
  }
  expect((await fetch(`${url}/token?room=r&name=Ada`)).status).toBe(200);
});

test("nothing beside the built page is served", async () => {
  for (const path of ["/..%2fpackage.json", "/%2e%2e/package.json", "/nothing"]) {
    expect((await fetch(url + path)).status).toBe(404);
  }
});

test("it ends when its standard input closes", async () => {
  const other = start("--port", "0", "--sfu", "ws://127.0.0.1:1", "--key", "k", "--secret", SECRET);
  await once(other.stdout, "data");
  other.stdin.end();
  expect(await once(other, "exit")).toEqual([0, null]);
});

test("a missing option ends it with a sentence", async () => {
  const other = start("--port", "0");
  const [[text], [code]] = await Promise.all([once(other.stderr, "data"), once(other, "exit")]);
  expect(String(text)).toMatch(/^--sfu is missing\n/);
  expect(code).toBe(2);
});
