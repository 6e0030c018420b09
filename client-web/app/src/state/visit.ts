// Coming as a guest: what the link opens, a name, perhaps a passcode; then the account of one meeting, with which one knocks.

import { signal } from "@preact/signals";
import type { Account } from "./ports.ts";

/** What somebody has of a link: its secret, or the code that was told. */
export type Invitation = { secret: string } | { spoken: string };

/** What a link opens. */
export interface Opening {
  /** The room's name. */
  meeting: string;
  organisation: string;
  needsPasscode: boolean;
}

/** The account of one meeting. */
export interface GuestAccount {
  account: Account;
  roomId: string;
  /** Homeservers by which the room is found. */
  via: string[];
}

/** Why one does not come in. */
export type VisitProblem =
  | "no-link"
  | "passcode"
  | "passcode-spent"
  | "too-often"
  | "no-accounts"
  | "no-guests"
  | "full"
  | "name"
  | "unreachable";

export interface VisitPorts {
  look(invitation: Invitation): Promise<Opening>;
  enter(invitation: Invitation, name: string, passcode: string): Promise<GuestAccount>;
}

/** Digits of a code that is told by telephone. */
const SPOKEN_DIGITS = 9;

export class Visit {
  /** `null` until one has said or brought what opens. */
  readonly opening = signal<Opening | null>(null);
  readonly problem = signal<VisitProblem | null>(null);
  readonly isBusy = signal(false);
  /** Whether somebody came by a link, and not with a code. */
  readonly hasLink = signal(false);
  private invitation: Invitation | null = null;

  constructor(
    private readonly ports: VisitPorts,
    private readonly onEntered: (guest: GuestAccount) => void,
  ) {}

  /** Asks what a link opens. */
  async look(invitation: Invitation): Promise<void> {
    this.hasLink.value = "secret" in invitation;
    await this.attempt(async () => {
      this.opening.value = await this.ports.look(invitation);
      this.invitation = invitation;
    });
  }

  /** The same with a code as somebody typed it. */
  async lookSpoken(typed: string): Promise<void> {
    const digits = typed.replace(/[\s.-]/g, "");
    if (!/^\d+$/.test(digits) || digits.length !== SPOKEN_DIGITS) {
      this.problem.value = "no-link";
      return;
    }
    await this.look({ spoken: digits });
  }

  /** Comes in under a name. The account is there from then on. */
  async enter(name: string, passcode: string): Promise<void> {
    const { invitation } = this;
    if (!invitation) return;
    if (name.trim() === "") {
      this.problem.value = "name";
      return;
    }
    await this.attempt(async () => this.onEntered(await this.ports.enter(invitation, name.trim(), passcode.trim())));
  }

  private async attempt(run: () => Promise<void>): Promise<void> {
    if (this.isBusy.value) return;
    this.isBusy.value = true;
    this.problem.value = null;
    try {
      await run();
    } catch (error) {
      this.problem.value = visitProblemOf(error);
    } finally {
      this.isBusy.value = false;
    }
  }
}

const PROBLEMS: Record<string, VisitProblem> = {
  "ORG.HANSE.NO_LINK": "no-link",
  "ORG.HANSE.WRONG_PASSCODE": "passcode",
  "ORG.HANSE.PASSCODE_SPENT": "passcode-spent",
  "ORG.HANSE.GUESTS_OFF": "no-guests",
  "ORG.HANSE.NO_KNOCKING": "no-guests",
  "ORG.HANSE.NO_GUEST_ACCOUNTS": "no-accounts",
  "ORG.HANSE.TOO_MANY_GUESTS": "full",
  M_LIMIT_EXCEEDED: "too-often",
};

/** What a refusal means for whoever came. */
export function visitProblemOf(error: unknown): VisitProblem {
  const { code } = (error ?? {}) as { code?: unknown };
  return (typeof code === "string" ? PROBLEMS[code] : undefined) ?? "unreachable";
}
