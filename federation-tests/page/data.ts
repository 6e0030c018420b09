// What a person says and hears besides media: packets, streams of text, methods that others call, data tracks.

import { DataPacket_Kind, type RemoteDataTrack, type Room, RoomEvent } from "livekit-client";
import { hasStreams, sendPacket } from "./older.ts";

/** One message that arrived. */
export interface Heard {
  how: "reliable" | "lossy" | "text" | "track";
  from: string | undefined;
  topic: string | undefined;
  text: string;
}

const TOPIC = "story";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

let here: Room;
let heard: Heard[] = [];
const tracks = new Map<string, Awaited<ReturnType<Room["localParticipant"]["publishDataTrack"]>>>();

/** Begins to listen, before the room is joined. */
export function listenToData(room: Room): void {
  here = room;
  heard = [];
  tracks.clear();
  room.on(RoomEvent.DataReceived, (payload, who, kind, topic) => {
    const how = kind === DataPacket_Kind.LOSSY ? "lossy" : "reliable";
    heard.push({ how, from: who?.identity, topic, text: decoder.decode(payload) });
  });
  if (!hasStreams(room)) return;
  room.registerTextStreamHandler(TOPIC, (reader, { identity }) => {
    void reader.readAll().then((text) => heard.push({ how: "text", from: identity, topic: TOPIC, text }));
  });
  room.registerRpcMethod("shout", async ({ payload, callerIdentity }) => `${callerIdentity}: ${payload.toUpperCase()}`);
  room.on(RoomEvent.DataTrackPublished, (track) => void hear(track));
}

async function hear(track: RemoteDataTrack): Promise<void> {
  const reader = track.subscribe().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard.push({
      how: "track",
      from: track.publisherIdentity,
      topic: track.info.name,
      text: decoder.decode(value.payload),
    });
  }
}

export interface Saying {
  reliable?: boolean;
  to?: string[];
  topic?: string;
}

export const data = {
  heard: () => heard,
  say: (text: string, { reliable = true, to, topic }: Saying = {}) => sendPacket(here, encoder.encode(text), { reliable, to, topic }),
  tell: async (text: string, { to }: Saying = {}) => {
    await here.localParticipant.sendText(text, { topic: TOPIC, ...(to && { destinationIdentities: to }) });
  },
  ask: (destinationIdentity: string, payload: string) =>
    here.localParticipant.performRpc({ destinationIdentity, method: "shout", payload }),
  publishDataTrack: async (name: string) => {
    const track = await here.localParticipant.publishDataTrack({ name });
    tracks.set(name, track);
  },
  push: async (name: string, text: string) => {
    await tracks.get(name)?.tryPush({ payload: encoder.encode(text) });
  },
};
