// Direct conversations, as Matrix has them (`m.direct`, client-server API 14.9): a sealed room of two, found again in every client.

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { ClientEvent, EventType, type MatrixClient, Preset, type Room, RoomEvent, RoomStateEvent, Visibility } from "matrix-js-sdk";
import { shownName } from "../state/name.ts";
import { type Conversation, isFollowed, isNear, isOfTwo, type PrivatePort } from "../state/private.ts";
import { isGuest } from "../state/role.ts";
import { RoomChat } from "./chat.ts";
import { told } from "./joined.ts";

/** People with whom conversations are looked for at most. */
const PEOPLE_MAX = 1_000;

const SEALED = { algorithm: "m.megolm.v1.aes-sha2" };

/** What of a value is text: others may have written anything there. */
function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** In the clear: with whom somebody has which rooms. */
type Direct = Record<string, string[]>;

export class PrivateRooms implements PrivatePort {
  private readonly changes = signal(0);
  private readonly chats = new Map<string, RoomChat>();
  private readonly making = new Map<string, Promise<void>>();
  readonly conversations: ReadonlySignal<Conversation[]>;

  /** `room`: of the call, whose people these conversations are with. */
  constructor(
    private readonly client: MatrixClient,
    private readonly room: Room,
  ) {
    this.conversations = computed(() => (void this.changes.value, this.read()));
    client.on(ClientEvent.AccountData, this.look);
    client.on(RoomStateEvent.Members, this.look);
  }

  /** From now on one is in the call, and whoever begins a conversation is answered. */
  start(): void {
    this.client.on(RoomEvent.MyMembership, this.onMembership);
  }

  async begin(userId: string): Promise<void> {
    const begun = this.making.get(userId) ?? this.make(userId).finally(() => this.making.delete(userId));
    this.making.set(userId, begun);
    await begun;
  }

  async send(userId: string, text: string): Promise<void> {
    const room = this.with(userId);
    if (!room) throw new Error("there is no conversation of two with them");
    await this.chatOf(room).send(text);
  }

  async again(userId: string, id: string): Promise<void> {
    const room = this.with(userId);
    if (room) await this.chatOf(room).again(id);
  }

  stop(): void {
    this.client.off(ClientEvent.AccountData, this.look);
    this.client.off(RoomStateEvent.Members, this.look);
    this.client.off(RoomEvent.MyMembership, this.onMembership);
    for (const chat of this.chats.values()) chat.stop();
  }

  private readonly look = (): void => void (this.changes.value = this.changes.peek() + 1);

  /** Whoever is in the call's room and begins a conversation is answered without being asked: it is shown beside the call. */
  private readonly onMembership = (room: Room, membership: string): void => {
    this.look();
    const inviter = membership === "invite" ? room.getDMInviter() : undefined;
    const people = this.room.getMembers();
    if (!inviter || !isFollowed({ inviter, isSealed: room.hasEncryptionStateEvent() }, people, this.client.getSafeUserId())) return;
    void this.follow(room.roomId, inviter).catch(() => {});
  };

  private async follow(roomId: string, userId: string): Promise<void> {
    await this.client.joinRoom(roomId);
    await this.remember(userId, roomId);
    this.look();
  }

  private read(): Conversation[] {
    const members = this.room.getMembers();
    const own = this.client.getSafeUserId();
    const people = Object.keys(this.direct()).filter((userId) => isNear(userId, members, own));
    return people.slice(0, PEOPLE_MAX).flatMap((userId) => {
      const room = this.with(userId);
      if (!room) return [];
      return [{ userId, name: shownName(this.room.getMember(userId)?.rawDisplayName, userId), messages: this.chatOf(room).messages }];
    });
  }

  /** The sealed room that is one's own and theirs, and nobody's else. */
  private with(userId: string): Room | null {
    const own = this.client.getSafeUserId();
    const rooms = (this.direct()[userId] ?? []).flatMap((id) => this.client.getRoom(id) ?? []);
    const fit = rooms.filter((room) => room.getMyMembership() === "join" && room.hasEncryptionStateEvent() && isOfTwo(room.getMembers(), own, userId));
    return fit.toSorted((one, other) => other.getLastActiveTimestamp() - one.getLastActiveTimestamp())[0] ?? null;
  }

  private chatOf(room: Room): RoomChat {
    const chat = this.chats.get(room.roomId) ?? new RoomChat(this.client, room);
    this.chats.set(room.roomId, chat);
    return chat;
  }

  private async make(userId: string): Promise<void> {
    if (this.with(userId)) return;
    // The visit of a guest who makes a room is over.
    if (isGuest(this.client.getSafeUserId())) throw new Error("guests only answer");
    const { room_id: roomId } = await this.client.createRoom({
      // A guest who invites is none any more, so it is not theirs to do.
      ...(isGuest(userId) ? { preset: Preset.PrivateChat, power_level_content_override: { invite: 100 } } : { preset: Preset.TrustedPrivateChat }),
      visibility: Visibility.Private,
      is_direct: true,
      invite: [userId],
      initial_state: [{ type: EventType.RoomEncryption, state_key: "", content: SEALED }],
    });
    await this.remember(userId, roomId);
    // With both in it.
    await told(this.client, () => this.with(userId));
    this.look();
    const isSealed = await this.client.getCrypto()?.isEncryptionEnabledInRoom(roomId);
    if (!isSealed) throw new Error("the conversation is not sealed");
  }

  private direct(): Direct {
    const content: Record<string, unknown> = this.client.getAccountData(EventType.Direct)?.getContent() ?? {};
    return Object.fromEntries(Object.entries(content).map(([userId, rooms]) => [userId, texts(rooms)]));
  }

  private async remember(userId: string, roomId: string): Promise<void> {
    const direct = this.direct();
    const rooms = direct[userId] ?? [];
    if (!rooms.includes(roomId)) await this.client.setAccountData(EventType.Direct, { ...direct, [userId]: [...rooms, roomId] });
  }
}
