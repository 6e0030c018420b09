// Links for people without an account: making them, seeing which there are, and revoking them.

import { signal } from "@preact/signals";
import { sentenceOf } from "./moderation.ts";

/** A link that opens. Its secret is known to whoever made it and was sent it, and to no list. */
export interface GuestLink {
  id: string;
  /** For one person only. */
  once: boolean;
  needsPasscode: boolean;
  /** How many have come by it. */
  uses: number;
  madeBy: string;
  /** In ms since 1970. */
  expiresAt: number;
}

/** One that was made just now. */
export interface MadeLink {
  address: string;
  /** A code for the telephone, in groups. */
  spoken: string;
  expiresAt: number;
  passcode: string;
}

export interface GuestLinks {
  make(wish: { once: boolean; passcode: string }): Promise<MadeLink>;
  list(): Promise<GuestLink[]>;
  revoke(id: string, withGuests: boolean): Promise<void>;
}

/** Bytes of a passcode, if there is one. */
const PASSCODE_BYTES_MIN = 4;

export class Invite {
  /** `null` until the server has been asked. */
  readonly links = signal<GuestLink[] | null>(null);
  /** Shown once: nobody gets at a secret again. */
  readonly made = signal<MadeLink | null>(null);
  readonly isBusy = signal(false);
  /** What the server said, or nothing if it did not answer. */
  readonly refusal = signal<{ sentence: string | null } | null>(null);
  readonly isPasscodeShort = signal(false);

  /** The list that is on its way. */
  private loading: Promise<void> = Promise.resolve();

  constructor(private readonly port: GuestLinks) {}

  load(): Promise<void> {
    this.loading = this.list();
    return this.loading;
  }

  private async list(): Promise<void> {
    try {
      this.links.value = await this.port.list();
    } catch (error) {
      this.refusal.value = { sentence: sentenceOf(error) };
    }
  }

  async make(once: boolean, passcode: string): Promise<void> {
    const code = passcode.trim();
    this.isPasscodeShort.value = code !== "" && new TextEncoder().encode(code).length < PASSCODE_BYTES_MIN;
    if (this.isPasscodeShort.value) return;
    await this.attempt(async () => {
      this.made.value = await this.port.make({ once, passcode: code });
      this.links.value = await this.port.list();
    });
  }

  revoke(id: string, withGuests: boolean): Promise<void> {
    return this.attempt(async () => {
      await this.port.revoke(id, withGuests);
      this.links.value = (this.links.value ?? []).filter((link) => link.id !== id);
      this.made.value = null;
    });
  }

  private async attempt(run: () => Promise<void>): Promise<void> {
    if (this.isBusy.value) return;
    this.isBusy.value = true;
    // Whoever is quicker than the list has meant what they pressed.
    await this.loading;
    this.refusal.value = null;
    try {
      await run();
    } catch (error) {
      this.refusal.value = { sentence: sentenceOf(error) };
    } finally {
      this.isBusy.value = false;
    }
  }
}
