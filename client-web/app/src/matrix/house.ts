// Somebody who is logged in: a Matrix client with its crypto, and their rooms.

import { computed, signal } from "@preact/signals";
import { ClientEvent, createClient, type MatrixClient, RoomEvent, RoomStateEvent, type Room, SyncState } from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger";
import { type MatrixRTCSession, MatrixRTCSessionEvent } from "matrix-js-sdk/lib/matrixrtc";
import { shownName, shownText } from "../state/name.ts";
import type { Account, Config, House, RoomEntry } from "../state/ports.ts";
import { openCall } from "./call.ts";
import { joined } from "./joined.ts";

/** How much of a room's past is asked for: membership events of the call may be in it. */
const HISTORY = 30;

/** What the browser keeps of a device's keys is named after it. */
const CRYPTO_PREFIX = "hanse";

/** How long what the browser keeps of a device may take to be erased while one waits, in milliseconds. */
const CLEARED_MS = 5_000;

/** Events after which the list of rooms may look different. */
const REDRAW_MS = 150;

/** Starts the client of an account, and waits until it has heard from its homeserver. */
export async function openHouse(account: Account, config: Config, isGuest: boolean): Promise<House> {
  // The SDK says a lot, and each word names rooms and people.
  (logger as { setLevel?: (level: string) => void }).setLevel?.("error");
  const { homeserver, userId, deviceId, token } = account;
  const client = createClient({ baseUrl: homeserver.url, accessToken: token, userId, deviceId });
  await client.initRustCrypto({ cryptoDatabasePrefix: `${CRYPTO_PREFIX}-${userId}-${deviceId}` });

  const isReachable = signal(true);
  const rooms = signal<RoomEntry[]>([]);
  const ownName = signal(shownName(null, userId));
  const followed = new WeakSet<MatrixRTCSession>();
  const sessionOf = (room: Room): MatrixRTCSession => {
    const session = client.matrixRTC.getRoomSession(room);
    if (!followed.has(session)) {
      followed.add(session);
      session.on(MatrixRTCSessionEvent.MembershipsChanged, redraw);
    }
    return session;
  };
  /** What others call whoever this is; whoever is in no room yet is told so by their profile only. */
  let profileName: string | undefined;
  const draw = (): void => {
    rooms.value = entries(client, sessionOf);
    ownName.value = shownName(client.getUser(userId)?.displayName ?? profileName, userId);
  };
  const redraw = atRest(draw);
  const synced = new Promise<void>((done, fail) => {
    client.on(ClientEvent.Sync, (state, _before, data) => {
      isReachable.value = state !== SyncState.Error && state !== SyncState.Reconnecting;
      if (state === SyncState.Prepared) done();
      // At first one is told that the homeserver is away; later, it is waited for.
      if (state === SyncState.Error) fail(data?.error ?? new Error("the homeserver does not answer"));
    });
  });
  for (const event of [ClientEvent.Room, RoomEvent.Name, RoomEvent.MyMembership, RoomStateEvent.Events, RoomEvent.Timeline] as const) {
    client.on(event as ClientEvent.Room, redraw);
  }
  await client.startClient({ initialSyncLimit: HISTORY });
  try {
    const profile = client.getProfileInfo(userId).catch(() => null);
    await synced;
    profileName = (await profile)?.displayname;
  } catch (error) {
    client.stopClient();
    throw error;
  }
  draw();
  // Careful clients send keys to devices only that their owner has signed. Nobody but us will ever have this one's keys.
  if (isGuest) await client.getCrypto()?.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => upload(null) });

  return {
    account,
    name: ownName,
    rooms: computed(() => rooms.value),
    isReachable,
    call: async (roomId) => openCall(client, await joined(client, roomId), config, isReachable),
    membership: (roomId) => computed(() => (void rooms.value, client.getRoom(roomId)?.getMyMembership() ?? null)),
    async knock(roomId, via) {
      await client.knockRoom(roomId, { viaServers: via });
    },
    async logOut() {
      client.stopClient();
      await client.logout(true).catch(() => {});
      const cleared = client.clearStores({ cryptoDatabasePrefix: `${CRYPTO_PREFIX}-${userId}-${deviceId}` });
      // Browsers erase only what the crypto has let go of, at a time of its own: nobody waits for that long, and it goes on beside.
      await Promise.race([cleared, new Promise((done) => setTimeout(done, CLEARED_MS))]);
    },
    close: () => client.stopClient(),
  };
}

function entries(client: MatrixClient, sessionOf: (room: Room) => MatrixRTCSession): RoomEntry[] {
  return client
    .getVisibleRooms()
    .filter((room) => !room.isSpaceRoom() && ["join", "invite"].includes(room.getMyMembership()))
    .map((room) => ({
      id: room.roomId,
      name: shownText(room.name) || room.roomId,
      encrypted: room.hasEncryptionStateEvent(),
      inCall: new Set(sessionOf(room).memberships.map(({ userId }) => userId)).size,
      activeAt: Math.max(0, room.getLastActiveTimestamp()),
    }));
}

/** Calls something once after a flurry. */
function atRest(run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      run();
    }, REDRAW_MS);
  };
}
