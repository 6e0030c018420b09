// What livekit-client calls something else in older versions, so that one page is a person with any of them: the types are
// those of the present version, and each function looks what the version at hand has.

import * as livekit from "livekit-client";
import {
  type ConnectionError,
  DataPacket_Kind,
  type E2EEOptions,
  type LocalParticipant,
  type LocalTrackPublication,
  type Participant,
  type RemoteParticipant,
  type RemoteTrackPublication,
  type Room,
  type RoomOptions,
  type Track,
} from "livekit-client";

/** Names of version 1. */
interface OldRoom {
  participants: Map<string, RemoteParticipant>;
}

interface OldParticipant {
  tracks: Map<string, LocalTrackPublication | RemoteTrackPublication>;
  getTrack(source: Track.Source): LocalTrackPublication | RemoteTrackPublication | undefined;
}

interface OldSender {
  /** `destination` holds the sids of participants. */
  publishData(data: Uint8Array, kind: DataPacket_Kind, options: { destination?: string[]; topic?: string }): Promise<void>;
}

const isFirst = (room: Room) => !("remoteParticipants" in room);
const old = (who: Participant) => who as unknown as OldParticipant;

/** Everybody else in the room. */
export function others(room: Room): RemoteParticipant[] {
  const known = isFirst(room) ? (room as unknown as OldRoom).participants : room.remoteParticipants;
  return [...known.values()];
}

export function publicationsOf(who: RemoteParticipant): RemoteTrackPublication[] {
  return [...(who.trackPublications ?? old(who).tracks).values()] as RemoteTrackPublication[];
}

export function ownTracks(who: LocalParticipant): LocalTrackPublication[] {
  return [...(who.trackPublications ?? old(who).tracks).values()] as LocalTrackPublication[];
}

export function publicationFrom(who: Participant, source: Track.Source) {
  return "getTrackPublication" in who ? who.getTrackPublication(source) : old(who).getTrack(source);
}

/** Options that turn frame encryption on, in every version under the name that it knows. */
export function sealing(encryption: E2EEOptions): Pick<RoomOptions, "e2ee" | "encryption"> {
  return { e2ee: encryption, encryption };
}

/** Why a connection failed, by name; older versions keep the names to themselves. */
export function reasonOf(error: ConnectionError): string {
  const names: typeof livekit.ConnectionErrorReason | undefined = livekit.ConnectionErrorReason;
  return names?.[error.reason] ?? `reason ${error.reason}`;
}

/** Whether this version has streams of text, calls of methods and data tracks besides packets. */
export function hasStreams(room: Room): boolean {
  return "registerTextStreamHandler" in room;
}

/** Sends a packet to everybody or to some, by identity. */
export async function sendPacket(
  room: Room,
  data: Uint8Array<ArrayBuffer>,
  { reliable, to, topic }: { reliable: boolean; to?: string[] | undefined; topic?: string | undefined },
): Promise<void> {
  const me = room.localParticipant;
  if (!isFirst(room)) {
    await me.publishData(data, { reliable, ...(to && { destinationIdentities: to }), ...(topic !== undefined && { topic }) });
    return;
  }
  const destination = to?.map((identity) => others(room).find((who) => who.identity === identity)?.sid ?? identity);
  const kind = reliable ? DataPacket_Kind.RELIABLE : DataPacket_Kind.LOSSY;
  await (me as unknown as OldSender).publishData(data, kind, {
    ...(destination && { destination }),
    ...(topic !== undefined && { topic }),
  });
}
