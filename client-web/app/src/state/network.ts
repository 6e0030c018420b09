// Whether a network is good enough for a call: tried at the door, on the very way that the call takes.

import { signal } from "@preact/signals";
import type { Seat } from "./ports.ts";

/** How media gets to the SFU: straight, where UDP is not let through by TCP, or by a relay (TURN). */
export type Way = "udp" | "tcp" | "relay";

/** A way that was found. */
export interface Route {
  way: Way;
  roundTripMs: number;
}

/**
 * What hinders: the homeserver or the focus does not answer; the page's policy blocks them, or the focus refuses, in its own words; it
 * knows no such trial; the SFU is not reached; or it is, and media does not get through.
 */
export type NetworkProblem = "homeserver" | "focus" | "blocked" | "refused" | "unknown" | "sfu" | "media";

/** The trial failed. */
export class NetworkFailure extends Error {
  constructor(
    readonly problem: NetworkProblem,
    sentence = "",
  ) {
    super(sentence);
  }
}

export interface NetworkPorts {
  /** Whether a trial costs its owner nothing worth mentioning. */
  isCheap(): boolean;
  /** A seat in a room alone, at one's own focus. @throws {NetworkFailure} */
  seat(): Promise<Seat>;
  /** Connects, and leaves. @throws {NetworkFailure} */
  connect(seat: Seat, stop: AbortSignal): Promise<Route>;
  /** How much comes from the server, in bit/s: loads something for a moment. */
  rate(stop: AbortSignal): Promise<number>;
}

/** For what it is enough. `null`: nobody has measured it. */
export type Enough = "picture" | "sound" | "little" | null;

export type Finding = (Route & { enough: Enough }) | { problem: NetworkProblem; sentence: string };

/** What people on a picture need, and what sound alone needs, in bit/s: a picture of medium size, and Opus with what goes around it. */
const PICTURE_BPS = 1_500_000;
const SOUND_BPS = 150_000;

/** From this on people speak into each other's words (ITU-T G.114), and pictures that are asked for come late. */
const ROUND_TRIP_MAX_MS = 400;

export class Network {
  readonly finding = signal<Finding | null>(null);
  readonly isBusy = signal(false);
  private readonly stop = new AbortController();

  constructor(private readonly ports: NetworkPorts) {}

  /** By itself: only where it costs nothing, and without measuring how much gets through. */
  async glance(): Promise<void> {
    if (!this.ports.isCheap()) return;
    await this.look(false);
    const found = this.finding.value;
    // Nobody has asked whether it can be tried.
    if (found && "problem" in found && found.problem === "unknown") this.finding.value = null;
  }

  /** Because somebody wants to know. */
  check(): Promise<void> {
    return this.look(true);
  }

  /** What is not finished is given up. */
  close(): void {
    this.stop.abort();
  }

  private async look(isThorough: boolean): Promise<void> {
    const { signal: stop } = this.stop;
    if (this.isBusy.value || stop.aborted) return;
    this.isBusy.value = true;
    try {
      const route = await this.ports.connect(await this.ports.seat(), stop);
      const rate = isThorough ? await this.ports.rate(stop) : null;
      this.finding.value = { ...route, enough: rate === null ? null : enoughFor(rate, route) };
    } catch (error) {
      if (stop.aborted) return;
      const [problem, sentence] = error instanceof NetworkFailure ? ([error.problem, error.message] as const) : (["sfu", ""] as const);
      this.finding.value = { problem, sentence };
    } finally {
      this.isBusy.value = false;
    }
  }
}

function enoughFor(rate: number, { roundTripMs }: Route): Enough {
  if (rate < SOUND_BPS) return "little";
  return rate < PICTURE_BPS || roundTripMs > ROUND_TRIP_MAX_MS ? "sound" : "picture";
}

/** What a browser says of a connection (WebRTC statistics, `getStats`), as far as it matters here. */
export interface ConnectionStat {
  id: string;
  type: string;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  currentRoundTripTime?: number;
  candidateType?: string;
  protocol?: string;
}

/** The way that a connection has taken; `null`: it has none yet, or nothing has come back on it. */
export function routeOf(stats: ConnectionStat[]): Route | null {
  const byId = new Map(stats.map((stat) => [stat.id, stat]));
  const transport = stats.find(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId);
  const pair = byId.get(transport?.selectedCandidatePairId ?? "");
  const local = byId.get(pair?.localCandidateId ?? "");
  if (pair?.currentRoundTripTime === undefined || !local) return null;
  const direct: Way = local.protocol === "tcp" ? "tcp" : "udp";
  return { way: local.candidateType === "relay" ? "relay" : direct, roundTripMs: Math.round(pair.currentRoundTripTime * 1_000) };
}
