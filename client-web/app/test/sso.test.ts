import { expect, test } from "vitest";
import { arriving, leaving } from "../src/state/sso.ts";

const HOMESERVER = { name: "a.example", url: "https://matrix.a.example" };
const STATE = "0f8fad5b-d9cb-469f-a165-70867728950e";
const PAGE = "https://hanse.a.example/#/room/!council%3Aa.example";

/** As a homeserver does it. */
function sentBack(to: string, token: string): string {
  const address = new URL(to);
  address.searchParams.append("loginToken", token);
  return address.href;
}

test("whoever goes and comes back is where they were, with a proof, and it is in the address no more", () => {
  const { back, asked } = leaving(PAGE, HOMESERVER, STATE);
  expect(arriving(sentBack(back, "t0ken"), asked)).toEqual({ address: PAGE, proven: { homeserver: HOMESERVER, token: "t0ken" } });
});

test("those who look who somebody is are not told where they want to go, and nothing of an earlier attempt", () => {
  const { back } = leaving(`https://hanse.a.example/?loginToken=old&state=old${new URL(PAGE).hash}`, HOMESERVER, STATE);
  expect(back).toBe(`https://hanse.a.example/?state=${STATE}`);
});

test("a token that somebody else has sent here proves nothing, whatever is waited for", () => {
  const { asked } = leaving(PAGE, HOMESERVER, STATE);
  for (const [sent, waitsFor] of [
    ["https://hanse.a.example/?loginToken=theirs", null],
    ["https://hanse.a.example/?loginToken=theirs", asked],
    ["https://hanse.a.example/?loginToken=theirs&state=guessed", asked],
    ["https://hanse.a.example/?loginToken=theirs&state=", { ...asked, state: "" }],
    [`https://hanse.a.example/?state=guessed&loginToken=theirs&state=${STATE}`, asked],
    [`https://hanse.a.example/?loginToken=theirs&state=${STATE}`, null],
  ] as const) {
    expect(arriving(sent, waitsFor), sent).toEqual({ address: "https://hanse.a.example/", proven: "unasked" });
  }
});

test("an address without a token is left as it is, and what is waited for goes on", () => {
  const { asked } = leaving(PAGE, HOMESERVER, STATE);
  for (const page of [PAGE, "https://hanse.a.example/?loginToken=", "https://hanse.a.example/?state=x#/join/secret"]) {
    expect(arriving(page, asked)).toEqual({ address: page, proven: null });
  }
});
