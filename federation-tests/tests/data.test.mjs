// Data between clients that others wrote: packets, streams, methods and data tracks, in the clear and sealed. What must not
// arrive is judged behind what was sent after it on the same way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pythonTalker } from "../harness/talker.mjs";
import { signToken } from "../harness/token.mjs";
import { story } from "../harness/story.mjs";
import { until } from "../harness/until.mjs";
import { people, world } from "../harness/world.mjs";

const here = world();

for (const [encryption, passphrase] of [["in the clear", undefined], ["with encryption", "a key of theirs"]]) {
  test(`people with browsers and with the Python SDK reach each other by data, ${encryption}`, (t) =>
    together(t, `data-${passphrase ? "sealed" : "open"}`, passphrase));
}

/** Waits until somebody has heard a text, and gives the message. */
const hears = (person, name, text) =>
  until(`${name} hears "${text}"`, async () => (await person.heard()).find((message) => message.text === text));

const hasNotHeard = async (person, name, text) =>
  assert.ok(!(await person.heard()).some((message) => message.text === text), `${name} heard "${text}"`);

async function together(t, room, passphrase) {
  const present = {};
  const step = story(t, present);
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
  const names = ["ann", "ben", "pia", "pit"];

  await step("everybody comes", async () => {
    Object.assign(present, await people(t, here.browser, ["ann", "ben"]));
    for (const name of ["ann", "ben"]) await present[name].join({ ...seat(name), ...(passphrase && { key: passphrase }) });
    for (const name of ["pia", "pit"]) present[name] = await pythonTalker(t, { ...seat(name), passphrase });
    if (passphrase) present.eve = await pythonTalker(t, seat("eve"));
    await until("everybody knows everybody", async () => {
      const views = await Promise.all([present.ann.view(), present.ben.view()]);
      return views.every((view) => view.people.length === (passphrase ? 4 : 3));
    });
  });
  for (const sender of ["ann", "pia"]) {
    const others = names.filter((name) => name !== sender);
    for (const reliable of [true, false]) {
      await step(`${sender} says something to everybody, ${reliable ? "reliably" : "lossily"}`, async () => {
        const text = `${sender} to all, ${reliable}`;
        // Lossy packets may be lost, so it is said again until everybody has heard it.
        await until("everybody has heard it", async () => {
          await present[sender].say(text, { reliable, topic: "news" });
          const all = await Promise.all(others.map((name) => present[name].heard()));
          return all.every((messages) => messages.some((message) => message.text === text));
        });
        for (const name of others) {
          const message = await hears(present[name], name, text);
          assert.equal(message.from, sender);
          assert.equal(message.topic, "news");
          // A sealed packet does not say to whoever opens it how it came.
          if (!passphrase) assert.equal(message.how, reliable ? "reliable" : "lossy");
        }
        await hasNotHeard(present[sender], sender, text);
      });
    }
    await step(`${sender} says something to one of a browser and to one with Python`, async () => {
      // This client seals the names of the receivers, too, so that no server can know them.
      if (passphrase && sender === "ann") return;
      for (const receiver of ["ben", "pit"]) {
        const text = `${sender} to ${receiver}`;
        const after = `${sender} to all after ${receiver}`;
        await present[sender].say(text, { to: [receiver] });
        await present[sender].say(after);
        assert.equal((await hears(present[receiver], receiver, text)).from, sender);
        for (const name of others.filter((other) => other !== receiver)) {
          await hears(present[name], name, after);
          await hasNotHeard(present[name], name, text);
        }
      }
    });
    await step(`${sender} tells a long story to everybody, and one of its own to one`, async () => {
      const long = `${sender}: ${"once upon a time ".repeat(4000)}`;
      const secret = `${sender}: between us`;
      await present[sender].tell(secret, { to: ["ben"] });
      await present[sender].tell(long);
      for (const name of others) {
        const message = await hears(present[name], name, long);
        assert.deepEqual([message.how, message.from], ["text", sender]);
        if (name !== "ben") await hasNotHeard(present[name], name, secret);
      }
      await hears(present.ben, "ben", secret);
    });
    await step(`${sender} calls methods of others and hears what goes wrong`, async () => {
      for (const whom of others) assert.equal(await present[sender].ask(whom, "hey"), `${sender}: HEY`);
      await assert.rejects(present[sender].ask("nobody", "hey"));
    });
    await step(`${sender} publishes a data track, and whoever subscribes receives it`, async () => {
      const track = `${sender}'s position`;
      await present[sender].publishDataTrack(track);
      let count = 0;
      await until("everybody has received a packet", async () => {
        await present[sender].push(track, `${track} ${count++}`);
        const all = await Promise.all(others.map((name) => present[name].heard()));
        return all.every((messages) => messages.some(({ how, from, topic }) => how === "track" && from === sender && topic === track));
      });
      const own = await present[sender].heard();
      assert.ok(!own.some(({ topic }) => topic === track), "it receives nothing of its own");
    });
  }
  if (passphrase) {
    await step("whoever has no key has understood nothing", async () => {
      assert.equal(await sendData(room, { data: "the end", destination_identities: ["eve"] }), 200);
      await hears(present.eve, "eve", "the end");
      const understood = (await present.eve.heard()).filter(({ text }) => /to all|between us|once upon|position/.test(text));
      assert.deepEqual(understood, []);
    });
  }
}

/** Calls a method of the server API. */
async function serverApi(method, request, grants = { roomAdmin: true, room: request.room }) {
  const { http, key, secret } = here.hanse;
  const token = await signToken({ key, secret, identity: "operator", grants });
  return fetch(`${http}/twirp/livekit.RoomService/${method}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(request),
  });
}

/** Calls `SendData`; gives the status. */
async function sendData(room, request, grants) {
  const data = Buffer.from(request.data).toString("base64");
  const answer = await serverApi("SendData", { room, ...request, data }, grants);
  return answer.status;
}

test("the server API sends to everybody or to some, and a repeated request once", async (t) => {
  const present = {};
  const step = story(t, present);
  const room = "data-api";
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
  const send = (request, grants) => sendData(room, request, grants);

  await step("two come", async () => {
    Object.assign(present, await people(t, here.browser, ["ann"]));
    await present.ann.join(seat("ann"));
    present.pia = await pythonTalker(t, seat("pia"));
  });
  await step("all, one, and once", async () => {
    assert.equal(await send({ data: "for pia", destination_identities: ["pia"], topic: "news" }), 200);
    const nonce = Buffer.alloc(16, 7).toString("base64");
    assert.equal(await send({ data: "once", nonce }), 200);
    assert.equal(await send({ data: "once", nonce }), 200);
    assert.equal(await send({ data: "for all" }), 200);
    assert.equal((await hears(present.pia, "pia", "for pia")).topic, "news");
    for (const name of ["ann", "pia"]) {
      assert.equal((await hears(present[name], name, "for all")).from ?? null, null, "it is in nobody's name");
      assert.equal((await present[name].heard()).filter(({ text }) => text === "once").length, 1);
    }
    await hasNotHeard(present.ann, "ann", "for pia");
  });
  await step("without the grant nothing is sent", async () => {
    assert.equal(await send({ data: "no" }, { roomJoin: true, room }), 401);
    assert.equal(await send({ data: "no" }, { roomAdmin: true, room: "elsewhere" }), 401);
    assert.equal(await send({ data: "the end" }), 200);
    await hears(present.ann, "ann", "the end");
    await hasNotHeard(present.ann, "ann", "no");
  });
});

test("the server API calls methods of a browser and of a Python program, and hears what goes wrong", async (t) => {
  const room = "data-methods";
  const seat = (identity) => ({ url: here.hanse.url, token: here.hanse.seat(identity, room) });
  const { ann } = await people(t, here.browser, ["ann"]);
  await ann.join(seat("ann"));
  await pythonTalker(t, seat("pia"));
  const call = async (request, grants) => {
    const answer = await serverApi("PerformRpc", { room, method: "shout", ...request }, grants);
    return { status: answer.status, ...(await answer.json()) };
  };
  for (const destination_identity of ["ann", "pia"]) {
    const { status, payload, msg } = await call({ destination_identity, payload: "hey" });
    assert.equal(status, 200, msg);
    // Whoever calls is nobody in the room.
    assert.match(payload, /^RPC_\w+: HEY$/);
    const unknown = await call({ destination_identity, method: "whisper" });
    assert.deepEqual([unknown.status, unknown.code], [400, "invalid_argument"]);
    assert.match(unknown.msg, /^RpcError 1400: /);
  }
  const absent = await call({ destination_identity: "nobody", payload: "hey" });
  assert.deepEqual([absent.status, absent.code], [404, "not_found"]);
  const stranger = await call({ destination_identity: "ann", payload: "hey" }, { roomJoin: true, room });
  assert.deepEqual([stranger.status, stranger.code], [401, "unauthenticated"]);
});

test("who may not publish data reaches nobody, and still hears", async (t) => {
  const room = "data-rights";
  const { ann, ben } = await people(t, here.browser, ["ann", "ben"]);
  await ann.join({ url: here.hanse.url, token: here.hanse.seat("ann", room) });
  await ben.join({ url: here.hanse.url, token: here.hanse.seat("ben", room, { canPublishData: false }) });
  await ben.forgetPermissions();
  await ben.say("no").catch(() => undefined);
  await ann.say("yes");
  await hears(ben, "ben", "yes");
  // By now ben's message would have arrived: his answer to a method that he calls is on the same way.
  await ben.ask("ann", "hey").then(() => assert.fail("it was answered"), () => undefined);
  await hasNotHeard(ann, "ann", "no");
});
