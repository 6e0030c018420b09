// What one writes to one person alone, beside a call: a direct conversation of Matrix, sealed as everything, which both find again in every
// Matrix client.

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { Chat, type Message } from "./chat.ts";
import { isGuest } from "./role.ts";

/** A conversation with somebody of the call's room. */
export interface Conversation {
  userId: string;
  name: string;
  messages: ReadonlySignal<Message[]>;
}

export interface PrivatePort {
  /** Those that there are, of which each is one's own and one other person's, and nobody's else. */
  readonly conversations: ReadonlySignal<Conversation[]>;
  /** Finds or makes the one with somebody. @throws when that cannot be done */
  begin(userId: string): Promise<void>;
  /** @throws when the homeserver does not take it, or somebody else is there by now */
  send(userId: string, text: string): Promise<void>;
  /** Sends again what failed. */
  again(userId: string, id: string): Promise<void>;
}

/** Somebody of a room, as far as it matters here. */
interface Person {
  userId: string;
  membership?: string | undefined;
}

/** Whether a room is these two people's: both are in it or invited, and nobody else is, who could read what comes. */
export function isOfTwo(people: Person[], one: string, other: string): boolean {
  const there = people.filter(({ membership }) => membership === "join" || membership === "invite").map(({ userId }) => userId);
  return one !== other && there.length === 2 && there.includes(one) && there.includes(other);
}

/** An invitation, as the room says before one is in it. `inviter`: of a direct conversation; nobody, of another room. */
export interface Invited {
  inviter: string | undefined;
  isSealed: boolean;
}

/** Whether an invitation is followed without asking: to a sealed direct conversation, by somebody who is in the call's room with an account. */
export function isFollowed({ inviter, isSealed }: Invited, people: Person[], own: string): boolean {
  return inviter !== undefined && isSealed && isNear(inviter, people, own) && !isGuest(inviter);
}

/** Whether somebody is another person of the call's room. Two guests are not near each other: neither may begin a conversation. */
export function isNear(userId: string, people: Person[], own: string): boolean {
  return userId !== own && !(isGuest(userId) && isGuest(own)) && people.some((each) => each.userId === userId && each.membership === "join");
}

/** One of those that are shown. */
export interface Shown {
  userId: string;
  name: string;
  unread: number;
}

export class Private {
  /** With whom it is that is shown; `null`: what is shown is everybody's. */
  readonly current = signal<string | null>(null);
  /** Whose conversation could not be begun. */
  readonly failed = signal<string | null>(null);
  private readonly chats = new Map<string, Chat>();
  /** Those that one has opened in this call, by the name that they had then. */
  private readonly opened = signal<ReadonlyMap<string, string>>(new Map());
  private readonly heard = new Map<string, number>();
  private readonly stopFollowing: () => void;
  /** Those with whom something was said since the call began, and those that one has opened. */
  readonly shown = computed<Shown[]>(() => {
    const opened = new Map(this.opened.value);
    const found = this.port.conversations.value.filter(({ userId, messages }) => opened.has(userId) || messages.value.some(({ at }) => at > this.since));
    const names = new Map([...opened, ...found.map(({ userId, name }) => [userId, name] as const)]);
    return [...names].map(([userId, name]) => ({ userId, name, unread: this.chatWith(userId).unread.value }));
  });
  readonly unread = computed(() => this.shown.value.reduce((sum, { unread }) => sum + unread, 0));

  /** `since`: what was written before is no news; `onNews` is told of whoever has written something that one does not see. */
  constructor(
    private readonly port: PrivatePort,
    private readonly own: { userId: string },
    private readonly since: number,
    onNews: (name: string) => void,
  ) {
    this.stopFollowing = effect(() => {
      for (const { userId, name, unread } of this.shown.value) {
        const isNews = unread > (this.heard.get(userId) ?? 0);
        this.heard.set(userId, unread);
        if (isNews) untracked(() => onNews(name));
      }
    });
  }

  /** Whether one is here for this meeting alone. Guests make no rooms: they answer whoever has begun. */
  get onlyAnswers(): boolean {
    return isGuest(this.own.userId);
  }

  /** Whether one may write to somebody alone. */
  mayWriteTo(userId: string): boolean {
    if (this.onlyAnswers) return this.port.conversations.value.some((each) => each.userId === userId);
    return userId !== this.own.userId;
  }

  /** What was said with somebody, and what one is about to say. */
  chatWith(userId: string): Chat {
    const known = this.chats.get(userId);
    if (known) return known;
    const messages = computed(() => this.port.conversations.value.find((each) => each.userId === userId)?.messages.value ?? []);
    const chat = new Chat({ messages, send: (text) => this.send(userId, text), again: (id) => this.port.again(userId, id) }, this.since);
    this.chats.set(userId, chat);
    return chat;
  }

  /** Shows what is said with somebody. Nothing is made before one writes. */
  open(userId: string, name: string): void {
    if (!this.mayWriteTo(userId)) return;
    this.opened.value = new Map([...this.opened.value, [userId, name]]);
    this.current.value = userId;
  }

  close(): void {
    this.stopFollowing();
    for (const chat of this.chats.values()) chat.close();
  }

  private async send(userId: string, text: string): Promise<void> {
    this.failed.value = null;
    try {
      await this.port.begin(userId);
    } catch {
      this.failed.value = userId;
      // Nothing of it stands anywhere yet, and nobody wants to write it twice.
      const { draft } = this.chatWith(userId);
      if (draft.value === "") draft.value = text;
      return;
    }
    await this.port.send(userId, text);
  }
}
