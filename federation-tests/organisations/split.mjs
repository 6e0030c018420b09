// Organisation B's focus and SFU are two processes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { granted } from "./admission.mjs";
import { askToken, claims, post, rooms, upgrade } from "./knock.mjs";

/** How often a log says that somebody was let into a room of an SFU, and that somebody was given a token. */
async function counts(program) {
  const log = await program.log();
  return { joins: log.match(/: joined session=/g)?.length ?? 0, admissions: log.match(/: admitted user=/g)?.length ?? 0 };
}

/** Registers the test. It belongs after the calls, whose traces it reads. */
export function focusAndSfuApart(here) {
  test("B's focus admits people and has no part in their calls, B's SFU carries the calls and admits nobody, and A's Hanse does both", async (t) => {
    const { a, b } = here.organisations;
    const [focus, sfu] = [b.admits, { url: b.url, key: b.key }];

    await t.test("the calls of these tests went this way", async () => {
      const [atFocus, atSfu, atA] = [await counts(focus.program), await counts(b.sfu), await counts(a.sfu)];
      // Whoever was in a call was at both organisations.
      const people = here.held.length;
      assert.ok(people > 0, "somebody was in a call");
      assert.ok(atFocus.admissions >= people && atFocus.joins === 0, JSON.stringify(atFocus));
      assert.ok(atSfu.joins >= people && atSfu.admissions === 0, JSON.stringify(atSfu));
      assert.ok(atA.joins >= people && atA.admissions >= people, JSON.stringify(atA));
    });
    await t.test("the SFU has no routes of a focus", async () => {
      for (const path of ["/sfu/get", "/get_token", "/livekit/jwt/sfu/get", "/livekit/jwt/get_token"]) {
        assert.equal((await post(`${sfu.url}${path}`, {})).status, 404, `${path} at B's SFU`);
        assert.equal((await post(`${focus.url}${path}`, {})).status, 400, `${path} at B's focus`);
      }
    });
    await t.test("the focus has the room made over HTTP, and what it grants opens the SFU and nothing else", async () => {
      const { account } = here.organisations.people.bob;
      const matrixRoom = await here.organisations.room("Apart", ["bob"]);
      const { status, answer } = await askToken(b.focus, account, matrixRoom, "APARTDEVICE");
      assert.equal(status, 200, JSON.stringify(answer));
      here.jwts.push(answer.jwt);
      const { room } = claims(answer.jwt).video;
      assert.ok((await rooms(sfu)).includes(room), "the SFU has the room");
      assert.deepEqual(await rooms(focus), [], "the focus has none");
      assert.equal(answer.url, sfu.url.replace("http", "ws"));
      assert.equal(await upgrade(sfu.url, answer.jwt), 101);
      assert.equal(await upgrade(focus.url, answer.jwt), 401);
    });
  });
}

/** Registers the test: from here on, B has one process, too. Nobody is in a call, and B's focus may be gone. */
export function oneProcess(here) {
  test("B's focus and SFU become one process, where the focus was: everybody is let in as before", async () => {
    const { a, b, people } = here.organisations;
    await b.unite();
    here.hanses.push(...b.hanses);
    assert.equal(b.hanses.length, 1);
    const room = await here.organisations.room("One process", ["bob", "alice"], { followed: true });
    for (const organisation of [a, b]) {
      for (const user of ["alice", "bob"]) {
        const { jwt } = granted(here, await askToken(organisation.focus, people[user].account, room));
        assert.equal(await upgrade(organisation.url, jwt), 101, `${user} at ${organisation.title}`);
      }
    }
  });
}
