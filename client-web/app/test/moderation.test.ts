import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { type Act, Moderation } from "../src/state/moderation.ts";
import type { Member, Role } from "../src/state/ports.ts";

const A = "https://hanse.a.example/livekit/jwt";
const B = "https://hanse.b.example/livekit/jwt";

function member(name: string, role: Role, power: number, more: Partial<Member> = {}): Member {
  const userId = `@${name}:a.example`;
  return {
    key: name,
    userId,
    deviceId: "D",
    identity: `${userId}:D`,
    name,
    role,
    power,
    trust: null,
    focus: A,
    eventId: `$${name}`,
    joinedAt: 1,
    isOwn: false,
    ...more,
  };
}

function stage(own: Member, others: Member[], refuse: (focus: string) => Error | null = () => null) {
  const asked: [string, Act][] = [];
  const moderation = new Moderation({
    members: signal([{ ...own, isOwn: true }, ...others]),
    async moderate(focus, act) {
      asked.push([focus, act]);
      const refusal = refuse(focus);
      if (refusal) throw refusal;
    },
  });
  return { moderation, asked };
}

const moderator = member("mod", "moderator", 50);
const bob = member("bob", "participant", 0, { focus: B });

test("only moderators are shown what moderators do, and never about somebody with more power or themselves", () => {
  const chief = member("chief", "administrator", 100);
  expect(stage(moderator, [bob]).moderation.mayActOn(bob.userId)).toBe(true);
  expect(stage(moderator, [chief]).moderation.mayActOn(chief.userId)).toBe(false);
  expect(stage(moderator, [bob]).moderation.mayActOn(moderator.userId)).toBe(false);
  expect(stage(moderator, [bob]).moderation.mayActOn("@nobody:a.example")).toBe(false);
  for (const role of ["participant", "presenter", "guest"] as const) {
    const { moderation } = stage(member("own", role, 100), [bob]);
    expect([moderation.isModerator.value, moderation.mayActOn(bob.userId)], role).toEqual([false, false]);
  }
});

test("each is muted where they publish, and removed from all servers, where they see and hear", async () => {
  const { moderation, asked } = stage(moderator, [bob, member("bob", "participant", 0, { key: "phone", focus: A })]);
  await moderation.mute(bob.userId, "microphone");
  const mute = { action: "mute", userId: bob.userId, source: "microphone" };
  expect(asked).toEqual([
    [B, mute],
    [A, mute],
  ]);
  const apart = stage(moderator, [bob]);
  await apart.moderation.remove(bob.userId);
  const remove = { action: "remove", userId: bob.userId };
  expect(apart.asked).toEqual([
    [A, remove],
    [B, remove],
  ]);
});

test("that somebody is not at one of the servers is no failure, and that they are at none is", async () => {
  const notThere = Object.assign(new Error("They are not in this call."), { status: 404 });
  const atOne = stage(moderator, [bob], (focus) => (focus === A ? notThere : null));
  await atOne.moderation.remove(bob.userId);
  expect(atOne.moderation.refusal.value).toBeNull();
  const atNone = stage(moderator, [bob], () => notThere);
  await atNone.moderation.remove(bob.userId);
  expect(atNone.moderation.refusal.value).toEqual({ sentence: "They are not in this call." });
  const refused = stage(moderator, [bob], (focus) => (focus === A ? notThere : Object.assign(new Error("You are no moderator."), { status: 403 })));
  await refused.moderation.remove(bob.userId);
  expect(refused.moderation.refusal.value).toEqual({ sentence: "You are no moderator." });
});

test("a call ends everywhere, one's own server last, and not there while another one refuses", async () => {
  const all = stage(moderator, [bob]);
  await all.moderation.endForAll();
  expect(all.asked.map(([focus]) => focus)).toEqual([B, A]);
  const refused = stage(moderator, [bob], (focus) => (focus === B ? Object.assign(new Error("You are no moderator."), { status: 403 }) : null));
  await refused.moderation.endForAll();
  expect(refused.asked.map(([focus]) => focus)).toEqual([B]);
  expect(refused.moderation.refusal.value).toEqual({ sentence: "You are no moderator." });
});

test("a server that does not answer is told from one that refuses", async () => {
  const { moderation } = stage(moderator, [bob], () => new TypeError("Failed to fetch"));
  await moderation.remove(bob.userId);
  expect(moderation.refusal.value).toEqual({ sentence: null });
  moderation.dismiss();
  expect(moderation.refusal.value).toBeNull();
});
