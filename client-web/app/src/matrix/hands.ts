// Raised hands, as Element Call has them: a reaction with one sign to somebody's membership, until that reaction is redacted or the
// membership is another one.

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { EventType, type MatrixClient, type MatrixEvent, RelationType, type Room, RoomEvent } from "matrix-js-sdk";
import type { Hand, Member } from "../state/ports.ts";

/** A raised hand with fingers splayed, as an emoji. */
const SIGN = "\u{1F590}\u{FE0F}";

/** Hands that are remembered at most, those of former memberships among them. */
const HANDS_MAX = 1_000;

interface Raised {
  sender: string;
  membership: string;
  reaction: string;
  since: number;
}

export class Hands {
  /** Hands that are up, by the event that raised them. */
  private readonly known = signal<Raised[]>([]);
  private readonly asked = new Set<string>();
  private readonly stopLooking: () => void;
  readonly raised: ReadonlySignal<Hand[]>;

  constructor(
    private readonly client: MatrixClient,
    private readonly room: Room,
    private readonly members: ReadonlySignal<Member[]>,
  ) {
    this.raised = computed(() => {
      const hands = new Map<string, Hand>();
      for (const { userId, eventId } of this.members.value) {
        const own = this.known.value.find((each) => each.membership === eventId && each.sender === userId);
        if (own) hands.set(userId, { userId, since: own.since });
      }
      return [...hands.values()].toSorted((one, other) => one.since - other.since);
    });
    room.on(RoomEvent.Timeline, this.onEvent);
    room.on(RoomEvent.Redaction, this.onRedaction);
    // Hands that were up before one came.
    this.stopLooking = effect(() => {
      for (const { eventId } of this.members.value) void this.askOnce(eventId);
    });
  }

  async raise(up: boolean): Promise<void> {
    const own = this.members.value.find((each) => each.isOwn);
    if (!own) return;
    const mine = this.known.value.filter((each) => each.membership === own.eventId && each.sender === own.userId);
    if (up && mine.length === 0) {
      const sent = await this.client.sendEvent(this.room.roomId, EventType.Reaction, {
        "m.relates_to": { rel_type: RelationType.Annotation, event_id: own.eventId, key: SIGN },
      });
      this.add({ sender: own.userId, membership: own.eventId, reaction: sent.event_id, since: Date.now() });
    }
    if (!up) {
      await Promise.all(mine.map(({ reaction }) => this.client.redactEvent(this.room.roomId, reaction)));
      this.known.value = this.known.value.filter((each) => !mine.includes(each));
    }
  }

  /** Keeps one's hand up when a membership, to which it belongs, is replaced. */
  keepUp(before: string): void {
    const stop = effect(() => {
      const own = this.members.value.find((each) => each.isOwn);
      if (!own || own.eventId === before) return;
      untracked(() => void this.raise(true).catch(() => {}));
      queueMicrotask(() => stop());
    });
  }

  stop(): void {
    this.stopLooking();
    this.room.off(RoomEvent.Timeline, this.onEvent);
    this.room.off(RoomEvent.Redaction, this.onRedaction);
  }

  private readonly onEvent = (event: MatrixEvent): void => this.take(event);

  private readonly onRedaction = (redaction: MatrixEvent): void => {
    const gone = redaction.getAssociatedId();
    this.known.value = this.known.value.filter((each) => each.reaction !== gone);
  };

  private take(event: MatrixEvent): void {
    const relation = event.getRelation();
    const [id, sender] = [event.getId(), event.getSender()];
    if (event.getType() !== EventType.Reaction || event.isRedacted() || relation?.key !== SIGN) return;
    // One's own comes before it has an id of the homeserver's, and is added once it has one.
    if (!id || id.startsWith("~") || !sender || !relation.event_id) return;
    this.add({ sender, membership: relation.event_id, reaction: id, since: event.getTs() });
  }

  private add(raised: Raised): void {
    if (this.known.value.some(({ reaction }) => reaction === raised.reaction)) return;
    this.known.value = [...this.known.value, raised].slice(-HANDS_MAX);
  }

  private async askOnce(membership: string): Promise<void> {
    if (this.asked.has(membership)) return;
    this.asked.add(membership);
    const { roomId } = this.room;
    const found = await this.client.relations(roomId, membership, RelationType.Annotation, EventType.Reaction).catch(() => null);
    for (const event of found?.events ?? []) this.take(event);
  }
}
