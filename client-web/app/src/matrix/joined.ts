// What the homeserver tells: the room that one is in, and whatever one waits for.

import { ClientEvent, KnownMembership, type MatrixClient, type Room } from "matrix-js-sdk";

/** How long the homeserver may take to tell of a room after one has joined it, in milliseconds. */
export const TOLD_MS = 60_000;

type Client = Pick<MatrixClient, "getRoom" | "getSafeUserId" | "joinRoom" | "on" | "off">;

/**
 * Joins a room, if one is not in it, and gives it once the homeserver has told of it. What the client gives before, and for a moment
 * even after one's membership is known, says nothing of the room: not that it is encrypted, so that a call in it would not be either.
 *
 * @throws if one is not let in, or the homeserver does not tell of the room in time.
 */
export async function joined(client: Client, roomId: string): Promise<Room> {
  const there = (): Room | null => {
    const room = client.getRoom(roomId);
    // One's own membership stands in the room's state after everything that was in force then.
    return room?.hasMembershipState(client.getSafeUserId(), KnownMembership.Join) ? room : null;
  };
  const known = there();
  if (known) return known;
  await client.joinRoom(roomId);
  return told(client, there);
}

/**
 * What is found once the homeserver has told enough for it, looked for now and after each of its answers.
 *
 * @throws if it does not tell enough within {@link TOLD_MS}.
 */
export function told<Found>(client: Pick<MatrixClient, "on" | "off">, find: () => Found | null): Promise<Found> {
  return new Promise((done, fail) => {
    const end = (): void => {
      clearTimeout(giveUp);
      client.off(ClientEvent.Sync, look);
    };
    const look = (): void => {
      const found = find();
      if (found === null) return;
      end();
      done(found);
    };
    const giveUp = setTimeout(() => {
      end();
      fail(new Error("the homeserver does not tell of the room"));
    }, TOLD_MS);
    client.on(ClientEvent.Sync, look);
    look();
  });
}
