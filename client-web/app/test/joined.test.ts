import { ClientEvent, KnownMembership, type MatrixClient, type Room } from "matrix-js-sdk";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { joined, TOLD_MS } from "../src/matrix/joined.ts";

const ALICE = "@alice:a.example";
const ROOM = "!room";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A room in whose state one is this. */
const room = (membership: string): Room => ({ hasMembershipState: (user: string, is: string) => user === ALICE && is === membership }) as unknown as Room;

function stage(known: Room | null) {
  let stored = known;
  const hears = new Set<() => void>();
  const client = {
    getRoom: () => stored,
    getSafeUserId: () => ALICE,
    joinRoom: vi.fn(async () => room("nothing is known of it")),
    on: (event: string, hear: () => void) => void (event === ClientEvent.Sync && hears.add(hear)),
    off: (_event: string, hear: () => void) => void hears.delete(hear),
  };
  const tell = (now: Room): void => {
    stored = now;
    for (const hear of hears) hear();
  };
  return { client: client as unknown as MatrixClient, joins: client.joinRoom, hears, tell };
}

test("a room that one is in is there at once", async () => {
  const there = room(KnownMembership.Join);
  const { client, joins } = stage(there);
  expect(await joined(client, ROOM)).toBe(there);
  expect(joins).not.toHaveBeenCalled();
});

test("a room that one joins is what the homeserver tells of it, and not what the client makes up until then", async () => {
  const { client, hears, tell } = stage(room(KnownMembership.Invite));
  const done = vi.fn();
  const joining = joined(client, ROOM).then((each) => (done(), each));
  await vi.advanceTimersByTimeAsync(1);
  tell(room(KnownMembership.Invite));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(done).not.toHaveBeenCalled();
  const there = room(KnownMembership.Join);
  tell(there);
  expect(await joining).toBe(there);
  expect(hears.size).toBe(0);
});

test("a homeserver that never tells of the room is not waited for for ever", async () => {
  const { client, hears } = stage(null);
  const failed = expect(joined(client, ROOM)).rejects.toThrow("does not tell of the room");
  await vi.advanceTimersByTimeAsync(TOLD_MS);
  await failed;
  expect(hears.size).toBe(0);
});

test("whoever is not let in is told at once", async () => {
  const { client, joins, hears } = stage(room(KnownMembership.Knock));
  joins.mockRejectedValueOnce(new Error("M_FORBIDDEN"));
  await expect(joined(client, ROOM)).rejects.toThrow("M_FORBIDDEN");
  expect(hears.size).toBe(0);
});
