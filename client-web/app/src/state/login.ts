// Logging in: to which homeserver, in which way, and what became of it.

import { signal } from "@preact/signals";
import type { Account, Homeserver } from "./ports.ts";

/** How a homeserver lets people in. */
export type Way = "password" | "sso";

/** Why nobody got in. */
export type LoginProblem = "unreachable" | "wrong" | "too-often" | "deactivated" | "elsewhere" | "no-way" | "refused";

/** What logging in needs. */
export interface LoginPorts {
  waysOf(homeserver: Homeserver): Promise<Way[]>;
  withPassword(homeserver: Homeserver, user: string, password: string): Promise<Account>;
  /** Goes to where one proves who one is; does not come back. */
  goToSso(homeserver: Homeserver): void;
}

export class Login {
  readonly homeserver = signal<Homeserver | null>(null);
  /** `null` while the homeserver is asked. */
  readonly ways = signal<Way[] | null>(null);
  readonly isBusy = signal(false);
  readonly problem = signal<LoginProblem | null>(null);

  constructor(
    readonly homeservers: Homeserver[],
    private readonly ports: LoginPorts,
    private readonly onAccount: (account: Account) => void,
  ) {}

  /** Asks a homeserver how it lets people in. */
  async choose(homeserver: Homeserver | undefined): Promise<void> {
    if (!homeserver) {
      this.problem.value = "no-way";
      return;
    }
    this.homeserver.value = homeserver;
    this.ways.value = null;
    this.problem.value = null;
    try {
      const ways = await this.ports.waysOf(homeserver);
      if (this.homeserver.value !== homeserver) return;
      this.ways.value = ways;
      if (ways.length === 0) this.problem.value = "no-way";
    } catch {
      if (this.homeserver.value === homeserver) this.problem.value = "unreachable";
    }
  }

  /** With a name, or a whole user id of the homeserver that was chosen or of another one of ours. */
  async enter(user: string, password: string): Promise<void> {
    const own = this.homeserver.value;
    if (!own || this.isBusy.value) return;
    const name = user.trim();
    const [, local = name, server] = /^@?([^:]+):(.+)$/.exec(name) ?? [];
    const homeserver = server === undefined ? own : this.homeservers.find((each) => each.name === server);
    if (!homeserver) {
      this.problem.value = "elsewhere";
      return;
    }
    this.isBusy.value = true;
    this.problem.value = null;
    try {
      this.onAccount(await this.ports.withPassword(homeserver, local.replace(/^@/, ""), password));
    } catch (error) {
      this.problem.value = problemOf(error);
    } finally {
      this.isBusy.value = false;
    }
  }

  goToSso(): void {
    if (this.homeserver.value) this.ports.goToSso(this.homeserver.value);
  }
}

/** What a failed log-in means for whoever tried. */
export function problemOf(error: unknown): LoginProblem {
  const { status, code } = (error ?? {}) as { status?: number; code?: string };
  if (typeof status !== "number") return "unreachable";
  if (status === 429) return "too-often";
  if (code === "M_USER_DEACTIVATED") return "deactivated";
  return status === 403 ? "wrong" : "refused";
}
