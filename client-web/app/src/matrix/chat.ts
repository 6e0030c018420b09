// A room's messages as text. Formats, edits and files of other clients are theirs: what is shown here is what everybody has.

import { computed, signal } from "@preact/signals";
import { EventStatus, EventType, type MatrixClient, type MatrixEvent, MatrixEventEvent, MsgType, type Room, RoomEvent } from "matrix-js-sdk";
import type { ChatPort, Message } from "../state/chat.ts";
import { shownName, shownLines } from "../state/name.ts";

/** Messages that are shown at most. */
const MESSAGES_MAX = 200;

/** Kinds of messages that are text. */
const TEXTS: ReadonlySet<string> = new Set([MsgType.Text, MsgType.Notice, MsgType.Emote]);

export class RoomChat implements ChatPort {
  private readonly changes = signal(0);
  readonly messages = computed(() => (void this.changes.value, this.read()));

  constructor(
    private readonly client: MatrixClient,
    private readonly room: Room,
  ) {
    for (const event of [RoomEvent.Timeline, RoomEvent.LocalEchoUpdated, RoomEvent.Redaction] as const) {
      room.on(event as RoomEvent.Timeline, this.look);
    }
    client.on(MatrixEventEvent.Decrypted, this.look);
  }

  async send(text: string): Promise<void> {
    await this.client.sendTextMessage(this.room.roomId, text);
  }

  async again(id: string): Promise<void> {
    const failed = this.room.getLiveTimeline().getEvents().find((event) => event.getTxnId() === id);
    if (failed) await this.client.resendEvent(failed, this.room);
  }

  stop(): void {
    for (const event of [RoomEvent.Timeline, RoomEvent.LocalEchoUpdated, RoomEvent.Redaction] as const) {
      this.room.off(event as RoomEvent.Timeline, this.look);
    }
    this.client.off(MatrixEventEvent.Decrypted, this.look);
  }

  private readonly look = (): void => void (this.changes.value = this.changes.peek() + 1);

  private read(): Message[] {
    const events = this.room.getLiveTimeline().getEvents();
    return events.flatMap((event) => this.messageOf(event) ?? []).slice(-MESSAGES_MAX);
  }

  private messageOf(event: MatrixEvent): Message | null {
    const sender = event.getSender();
    if (!sender || event.isRedacted()) return null;
    const isSealed = event.isDecryptionFailure();
    const { msgtype, body } = event.getContent() as { msgtype?: unknown; body?: unknown };
    const isText = event.getType() === EventType.RoomMessage && typeof body === "string" && TEXTS.has(String(msgtype));
    // An edit stands where the message stood.
    if (event.getRelation()?.rel_type === "m.replace" || (!isText && !isSealed)) return null;
    return {
      id: event.getTxnId() ?? event.getId() ?? "",
      userId: sender,
      name: shownName(this.room.getMember(sender)?.rawDisplayName, sender),
      text: isText ? shownLines(String(event.getContent()["body"])) : "",
      at: event.getTs(),
      isOwn: sender === this.client.getUserId(),
      state: isSealed ? "sealed" : stateOf(event),
    };
  }
}

function stateOf({ status }: MatrixEvent): Message["state"] {
  if (status === null || status === EventStatus.SENT) return "there";
  return status === EventStatus.NOT_SENT || status === EventStatus.CANCELLED ? "failed" : "sending";
}
