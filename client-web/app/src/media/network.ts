// The way to the SFU, taken for a moment: a connection to a room where nobody else is, and how fast something comes from there.

import { Room } from "livekit-client";
import { NetworkFailure, type Route, routeOf } from "../state/network.ts";
import type { Seat } from "../state/ports.ts";
import { problemOf } from "./problem.ts";

/** How often, and how many milliseconds apart, one looks whether something has come back. */
const LOOKS_MAX = 50;
const LOOK_MS = 100;

/** How long something is loaded at most, in milliseconds. */
const RATE_MS = 3_000;

/** @throws {NetworkFailure} */
export async function tryWay({ url, jwt }: Seat, stop: AbortSignal): Promise<Route> {
  const room = new Room({ disconnectOnPageLeave: true });
  stop.addEventListener("abort", () => void room.disconnect());
  try {
    await room.connect(url, jwt, { autoSubscribe: false, maxRetries: 0 });
    return await taken(room, LOOKS_MAX);
  } catch (error) {
    if (error instanceof NetworkFailure) throw error;
    throw new NetworkFailure(problemOf(error, false).kind === "media" ? "media" : "sfu");
  } finally {
    await room.disconnect();
  }
}

/** The way that a connection takes now; `null`: none has been found yet. */
export async function routeNow(room: Room): Promise<Route | null> {
  const ways = room.engine.pcManager;
  const stats = await Promise.all([ways?.publisher, ways?.subscriber].map((transport) => transport?.getStats()));
  return stats.map((report) => routeOf(Array.from(report?.values() ?? []))).find((each) => each !== null) ?? null;
}

async function taken(room: Room, looks: number): Promise<Route> {
  const route = await routeNow(room);
  if (route) return route;
  if (looks === 0) throw new NetworkFailure("media");
  await new Promise((done) => setTimeout(done, LOOK_MS));
  return taken(room, looks - 1);
}

/** Loads the largest script of the page again, for a moment, in bit/s. */
export async function measureRate(stop: AbortSignal): Promise<number> {
  const loaded = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const [largest] = loaded.filter(({ name }) => name.endsWith(".js")).toSorted((one, other) => other.decodedBodySize - one.decodedBodySize);
  if (!largest) throw new NetworkFailure("sfu");
  const reply = await fetch(largest.name, { cache: "no-store", signal: AbortSignal.any([stop, AbortSignal.timeout(2 * RATE_MS)]) });
  const reader = reply.body?.getReader();
  // Unpacked bytes are counted, and packed ones have come.
  const packing = largest.decodedBodySize > 0 ? largest.encodedBodySize / largest.decodedBodySize : 1;
  const began = performance.now();
  const bytes = await readFor(reader, began);
  return (bytes * packing * 8 * 1_000) / Math.max(1, performance.now() - began);
}

async function readFor(reader: ReadableStreamDefaultReader<Uint8Array> | undefined, began: number): Promise<number> {
  const part = await reader?.read();
  if (!part?.value) return 0;
  if (performance.now() - began > RATE_MS) {
    await reader?.cancel();
    return part.value.length;
  }
  return part.value.length + (await readFor(reader, began));
}
