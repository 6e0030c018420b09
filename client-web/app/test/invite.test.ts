import { expect, test } from "vitest";
import { type GuestLink, type GuestLinks, Invite } from "../src/state/invite.ts";

const LINK: GuestLink = { id: "1", once: true, needsPasscode: false, uses: 0, madeBy: "@alice:a.example", expiresAt: 1 };

function stage(ports: Partial<GuestLinks> = {}) {
  const wishes: unknown[] = [];
  const revoked: [string, boolean][] = [];
  const invite = new Invite({
    async make(wish) {
      wishes.push(wish);
      return { address: "https://hanse.a.example/#/join/s", spoken: "123 456 789", expiresAt: 1, passcode: wish.passcode };
    },
    list: async () => [LINK],
    async revoke(id, withGuests) {
      revoked.push([id, withGuests]);
    },
    ...ports,
  });
  return { invite, wishes, revoked };
}

test("a link is made as it was wished, shown, and stands among the others", async () => {
  const { invite, wishes } = stage();
  await invite.make(true, " 4711 ");
  expect(wishes).toEqual([{ once: true, passcode: "4711" }]);
  expect(invite.made.value).toMatchObject({ address: "https://hanse.a.example/#/join/s", passcode: "4711" });
  expect(invite.links.value).toEqual([LINK]);
});

test("whoever is quicker than the list gets the link that they asked for", async () => {
  let arrive = (_links: GuestLink[]): void => {};
  const lists = [new Promise<GuestLink[]>((done) => (arrive = done)), Promise.resolve([LINK])];
  const { invite } = stage({ list: () => lists.shift() ?? Promise.resolve([]) });
  const loaded = invite.load();
  const made = invite.make(true, "");
  arrive([]);
  await Promise.all([loaded, made]);
  expect(invite.made.value).not.toBeNull();
  expect(invite.links.value).toEqual([LINK]);
});

test("a passcode that is too short is told before anybody is asked", async () => {
  const { invite, wishes } = stage();
  await invite.make(false, "123");
  expect([invite.isPasscodeShort.value, wishes.length]).toEqual([true, 0]);
  await invite.make(false, "");
  expect([invite.isPasscodeShort.value, wishes.length]).toEqual([false, 1]);
});

test("a link that is revoked is gone from the list, and from the screen", async () => {
  const { invite, revoked } = stage();
  await invite.make(true, "");
  await invite.revoke("1", true);
  expect(revoked).toEqual([["1", true]]);
  expect([invite.links.value, invite.made.value]).toEqual([[], null]);
});

test("what the server refuses is said in its words, and leaves what is there", async () => {
  const { invite } = stage({
    revoke: () => Promise.reject(Object.assign(new Error("There is no such link into this room."), { status: 404 })),
  });
  await invite.load();
  await invite.revoke("1", false);
  expect(invite.refusal.value).toEqual({ sentence: "There is no such link into this room." });
  expect(invite.links.value).toEqual([LINK]);
});
