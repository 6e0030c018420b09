// Somebody signed in at their homeserver: an encrypted Matrix client that lives as long as the page.

import { ClientEvent, createClient, type MatrixClient, MatrixError, type Room, SyncState } from "matrix-js-sdk";
import type { DemoPerson } from "./demo.ts";

/** How much of a room's past is asked for: membership events of the call may be in it. */
const HISTORY = 30;

/** Signs in as a new device and waits for the first sync. The device is gone when the page is. */
export async function signIn({ homeserver, user, password }: DemoPerson): Promise<MatrixClient> {
  const login = await createClient({ baseUrl: homeserver }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
    initial_device_display_name: "Hanse demo",
  });
  const client = createClient({
    baseUrl: homeserver,
    accessToken: login.access_token,
    userId: login.user_id,
    deviceId: login.device_id,
  });
  // A device nobody uses any more would be sent keys for ever. The page may be kept for the way back: then it starts anew.
  addEventListener("pagehide", () => forgetDevice(homeserver, login.access_token));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  await client.initRustCrypto({ useIndexedDB: false });
  const synced = new Promise<void>((done) => {
    const listen = (state: SyncState): void => {
      if (state !== SyncState.Prepared) return;
      client.off(ClientEvent.Sync, listen);
      done();
    };
    client.on(ClientEvent.Sync, listen);
  });
  await client.startClient({ initialSyncLimit: HISTORY });
  await synced;
  return client;
}

/** The room, once it is known. */
export async function roomOf(client: MatrixClient, id: string): Promise<Room> {
  const known = client.getRoom(id);
  if (known?.getMyMembership() === "join") return known;
  return client.joinRoom(id);
}

/** The homeserver's own words for a refusal; `null` when it could not be reached. */
export function refusal(error: unknown): string | null {
  return error instanceof MatrixError ? (error.data.error ?? error.message) : null;
}

function forgetDevice(homeserver: string, token: string): void {
  const request = { method: "POST", keepalive: true, headers: { authorization: `Bearer ${token}` } };
  void fetch(`${homeserver}/_matrix/client/v3/logout`, request);
}
