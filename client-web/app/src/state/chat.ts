// What is written beside a call: the room's own messages, sealed as everything in the room.

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";

/** Something that somebody has written. */
export interface Message {
  /** The same for as long as it is there, also before the homeserver has it. */
  id: string;
  userId: string;
  name: string;
  text: string;
  /** In ms since 1970. */
  at: number;
  isOwn: boolean;
  state: "there" | "sending" | "failed" | "sealed";
}

export interface ChatPort {
  /** The latest ones, the last one at the end. */
  readonly messages: ReadonlySignal<Message[]>;
  /** @throws when the homeserver does not take it; it stands among the messages as failed then. */
  send(text: string): Promise<void>;
  /** Sends again what failed. */
  again(id: string): Promise<void>;
}

/** Characters of a message at most: it has to fit an event with everything around it (64 KiB). */
export const TEXT_MAX = 4_000;

export class Chat {
  readonly draft = signal("");
  readonly isOpen = signal(false);
  /** What came last when one saw them last. */
  private readonly seen = signal<number>(Number.POSITIVE_INFINITY);
  readonly messages = computed(() => this.port.messages.value);
  /** How many of others one has not seen. */
  readonly unread = computed(() => this.messages.value.filter(({ at, isOwn }) => !isOwn && at > this.seen.value).length);
  readonly isTooLong = computed(() => [...this.draft.value].length > TEXT_MAX);
  private readonly stopFollowing: () => void;

  /** `now`: what stood there before one came has been seen. */
  constructor(
    private readonly port: ChatPort,
    now: number,
  ) {
    this.seen.value = now;
    this.stopFollowing = effect(() => {
      const last = Math.max(0, ...this.messages.value.map(({ at }) => at));
      if (this.isOpen.value) untracked(() => (this.seen.value = Math.max(this.seen.value, last)));
    });
  }

  /** Sends the draft. What fails stays among the messages, and can be sent again. */
  async send(): Promise<void> {
    const text = this.draft.value.trim();
    if (text === "" || this.isTooLong.value) return;
    this.draft.value = "";
    await this.port.send(text).catch(() => {});
  }

  async again(id: string): Promise<void> {
    await this.port.again(id).catch(() => {});
  }

  close(): void {
    this.stopFollowing();
  }
}
