// Signs on tiles, as Element Call sends them: an event of its own that refers to the sender's membership, sealed where the room is.

import { type MatrixClient, type MatrixEvent, MatrixEventEvent, type Room, RoomEvent } from "matrix-js-sdk";
import type { Reactions } from "../state/reactions.ts";

const REACTION = "io.element.call.reaction";

/** What is older when it arrives belongs to a moment that is over. */
const AGE_MAX_MS = 10_000;

/** Tells `reactions` of what is sent in a room. Gives what ends that. */
export function hearReactions(client: MatrixClient, room: Room, reactions: Reactions): () => void {
  const take = (event: MatrixEvent): void => {
    const relation = event.getRelation();
    const sender = event.getSender();
    if (event.getRoomId() !== room.roomId || event.getType() !== REACTION || !sender || !relation?.event_id) return;
    if (event.getLocalAge() > AGE_MAX_MS) return;
    // Somebody may refer to another one's membership: then it stands on nobody's tile.
    reactions.take(relation.event_id, sender, event.getContent()["emoji"]);
  };
  room.on(RoomEvent.Timeline, take);
  client.on(MatrixEventEvent.Decrypted, take);
  return () => {
    room.off(RoomEvent.Timeline, take);
    client.off(MatrixEventEvent.Decrypted, take);
  };
}

export async function sendReaction(client: MatrixClient, room: Room, membership: string, sign: string, name: string): Promise<void> {
  const content = { "m.relates_to": { rel_type: "m.reference", event_id: membership }, emoji: sign, name };
  await client.sendEvent(room.roomId, REACTION as never, content as never);
}
