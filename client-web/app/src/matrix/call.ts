// The call of a room: who is in it, hands, and the seats on SFUs. The same MatrixRTC session as Element Call's (legacy memberships
// in the room's state, each publishing on its own SFU).

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { EventType, type MatrixClient, type Room, RoomEvent, RoomStateEvent } from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger";
import { type CallMembership, MatrixRTCSessionEvent, MatrixRTCSessionManager } from "matrix-js-sdk/lib/matrixrtc";
import { MembershipManagerEvent } from "matrix-js-sdk/lib/matrixrtc/IMembershipManager";
import { shownName, shownText } from "../state/name.ts";
import type { CallSession, Config, Member, Role, Seat } from "../state/ports.ts";
import { Reactions } from "../state/reactions.ts";
import { CALL_POLICY, type CallPolicy, type Powers, roleOf } from "../state/role.ts";
import { changedRules, readRules } from "../state/rules.ts";
import { RoomChat } from "./chat.ts";
import { askExamination, askSeat, delegates, delegateLeave, moderate } from "./focus.ts";
import { DeviceComparison } from "./compare.ts";
import { Hands } from "./hands.ts";
import { carefulClient } from "./keys.ts";
import { guestLinks } from "./links.ts";
import { PrivateRooms } from "./private.ts";
import { hearReactions, sendReaction } from "./reactions.ts";
import { DeviceTrust } from "./trust.ts";

/** The one call of a room. */
const SLOT = { application: "m.call", id: "ROOM" };

/** After this many milliseconds without a word from us the homeserver says that we have left. */
const LEAVE_AFTER_MS = 18_000;
const LEAVE_RENEWED_MS = 4_000;

/** The same where the focus says it, which sees sooner that we are gone. */
const DELEGATED_LEAVE_AFTER_MS = 3_600_000;
const DELEGATED_LEAVE_RENEWED_MS = 300_000;

/** How long hanging up may take before one goes anyway. */
const LEAVING_MS = 5_000;

type Transport = { type?: string; livekit_service_url?: unknown };

export function openCall(client: MatrixClient, room: Room, config: Config, isReachable: ReadonlySignal<boolean>): CallSession {
  const careful = carefulClient(client);
  // The client's own sessions would take keys from anywhere.
  const sessions = new MatrixRTCSessionManager(logger, careful, SLOT);
  sessions.start();
  const session = sessions.getRoomSession(room);
  const userId = client.getSafeUserId();
  const deviceId = client.getDeviceId() ?? "";
  const own = { userId, deviceId, identity: `${userId}:${deviceId}` };
  const identityParts = { userId, deviceId, memberId: own.identity };
  const encrypted = room.hasEncryptionStateEvent();

  const pageFocus = withoutSlash(new URL(config.focus, location.href).href);
  // Asked while somebody stands at the door: nobody waits for it who goes in.
  const atDoor = offeredFocus(client).then(async (offered) => ({ offered, isDelegated: await delegates(offered ?? pageFocus) }));

  const memberships = signal<CallMembership[]>([...session.memberships]);
  const changes = signal(0);
  const look = (): void => void (changes.value = changes.peek() + 1);
  session.on(MatrixRTCSessionEvent.MembershipsChanged, (_before, now) => (memberships.value = [...now]));
  void session.initialMembershipCalculated.then(() => (memberships.value = [...session.memberships]));
  room.on(RoomEvent.Name, look);
  room.on(RoomStateEvent.Update, look);

  const trust = new DeviceTrust(client, memberships);
  const members = computed(() => {
    void changes.value;
    const oldest = session.getOldestMembership();
    return memberships.value.map((membership) =>
      Object.assign(member(room, membership, oldest ?? membership, own), { trust: trust.of.value(membership) }),
    );
  });
  const isInCall = (other: string, device: string): boolean => members.peek().some((each) => each.userId === other && each.deviceId === device);
  const comparison = new DeviceComparison(client, isInCall, () => trust.again());
  const hands = new Hands(client, room, members);
  const chat = new RoomChat(client, room);
  const privateRooms = new PrivateRooms(client, room);
  const reactions = new Reactions(
    () => Date.now(),
    (afterMs, run) => setTimeout(run, afterMs),
  );
  const stopHearing = hearReactions(client, room, reactions);
  let onKey: ((key: Uint8Array<ArrayBuffer>, index: number, identity: string) => void) | null = null;
  session.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (key, index, _parts, identity) => onKey?.(key, index, identity));

  return {
    roomId: room.roomId,
    roomName: computed(() => (void changes.value, shownText(room.name) || room.roomId)),
    encrypted,
    own,
    members,
    hands: hands.raised,
    chat,
    private: privateRooms,
    comparison,
    reactions: reactions.shown,
    guestLinks: config.guests
      ? guestLinks(client, pageFocus, room.roomId, `${location.origin}${location.pathname}`)
      : null,
    knocks: computed(() => {
      void changes.value;
      const knocking = room.getMembersWithMembership("knock");
      return knocking.map(({ userId: id, rawDisplayName, events }) => ({ userId: id, name: shownName(rawDisplayName, id), at: events.member?.getTs() ?? 0 }));
    }),
    mayAdmit: computed(() => {
      void changes.value;
      const power = room.getMember(userId)?.powerLevel ?? 0;
      return room.canInvite(userId) && room.currentState.hasSufficientPowerLevelFor("kick", power);
    }),
    ownRole: computed(() => (void changes.value, roleIn(room, userId))),
    rules: computed(() => (void changes.value, readRules(policyOf(room)))),
    mayRule: computed(() => (void changes.value, room.currentState.maySendStateEvent(CALL_POLICY, userId))),
    async rule(change) {
      await client.sendStateEvent(room.roomId, CALL_POLICY as never, changedRules(policyOf(room), change) as never, "");
    },
    isPresent: isReachable,
    // Who was out of reach at the door may have come back since.
    ownFocus: async () => (await atDoor).offered ?? (await offeredFocus(client)) ?? pageFocus,
    async join(focus, keyListener) {
      // What has been opened for this call would go out in the clear.
      if (room.hasEncryptionStateEvent() !== encrypted) throw new Error("the room has been encrypted since the door");
      onKey = keyListener;
      privateRooms.start();
      const door = await atDoor;
      const isDelegated = (door.isDelegated && focus === (door.offered ?? pageFocus)) || (await delegates(focus));
      if (isDelegated) {
        session.on(MembershipManagerEvent.DelayIdChanged, (delayId) => {
          if (!delayId) return;
          const leave = { delay_id: delayId, delay_timeout: DELEGATED_LEAVE_AFTER_MS, delay_cs_api_url: client.getHomeserverUrl() };
          void delegateLeave(client, focus, room.roomId, deviceId, leave);
        });
      }
      const transport = { type: "livekit", livekit_service_url: focus, livekit_alias: room.roomId };
      session.joinRTCSession(identityParts, [], transport, {
        manageMediaKeys: encrypted,
        delayedLeaveEventDelayMs: isDelegated ? DELEGATED_LEAVE_AFTER_MS : LEAVE_AFTER_MS,
        delayedLeaveEventRestartMs: isDelegated ? DELEGATED_LEAVE_RENEWED_MS : LEAVE_RENEWED_MS,
      });
      session.reemitEncryptionKeys();
    },
    async leave() {
      hands.stop();
      chat.stop();
      privateRooms.stop();
      trust.stop();
      comparison.stop();
      stopHearing();
      onKey = null;
      room.off(RoomEvent.Name, look);
      room.off(RoomStateEvent.Update, look);
      await session.leaveRoomSession(LEAVING_MS);
      sessions.stop();
    },
    async askForKeys() {
      const states = room.currentState.getStateEvents(EventType.GroupCallMemberPrefix);
      const event = states.find((each) => each.getSender() === userId && each.getContent()["device_id"] === deviceId);
      const key = event?.getStateKey();
      if (!event || key === undefined) return;
      const isHandUp = hands.raised.peek().some((hand) => hand.userId === userId);
      // Whoever is in the call since another moment than others thought has no keys as far as they know.
      await client.sendStateEvent(room.roomId, EventType.GroupCallMemberPrefix, { ...(event.getContent() as object), created_ts: Date.now() } as never, key);
      if (isHandUp) hands.keepUp(event.getId() ?? "");
    },
    raiseHand: (up) => hands.raise(up),
    async react(sign, name) {
      const membership = members.peek().find(({ isOwn }) => isOwn)?.eventId;
      if (membership) await sendReaction(client, room, membership, sign, name);
    },
    async admit(id) {
      await client.invite(room.roomId, id);
    },
    async refuse(id) {
      await client.kick(room.roomId, id);
    },
    moderate: (focus, act) => moderate(client, focus, room.roomId, act),
    examine: (focus): Promise<Seat> => askExamination(client, focus),
    seat: (focus): Promise<Seat> => askSeat(client, focus, room.roomId, identityParts),
  };
}

/** The focus that one's homeserver offers; `null`: it offers none, or says nothing. */
async function offeredFocus(client: MatrixClient): Promise<string | null> {
  const offered: Transport[] = await client._unstable_getRTCTransports().catch(() => []);
  const address = offered.find((each) => typeof each.livekit_service_url === "string")?.livekit_service_url;
  return typeof address === "string" ? withoutSlash(address) : null;
}

/** The room's rules for its calls, as they stand there. */
function policyOf(room: Room): Record<string, unknown> {
  return room.currentState.getStateEvents(CALL_POLICY, "")?.getContent() ?? {};
}

function roleIn(room: Room, userId: string): Role {
  const powers: Powers = room.currentState.getStateEvents(EventType.RoomPowerLevels, "")?.getContent() ?? {};
  return roleOf(userId, room.getMember(userId)?.powerLevel ?? 0, powers, policyOf(room) as CallPolicy);
}

function withoutSlash(address: string): string {
  return address.replace(/\/+$/, "");
}

function member(room: Room, membership: CallMembership, oldest: CallMembership, own: { identity: string }): Omit<Member, "trust"> {
  const { userId, deviceId } = membership;
  const person = room.getMember(userId);
  const transport = membership.getTransport(oldest) as Transport | undefined;
  const focus = transport?.livekit_service_url;
  return {
    key: `${userId} ${deviceId} ${membership.memberId}`,
    userId,
    deviceId,
    identity: membership.rtcBackendIdentity,
    name: shownName(person?.rawDisplayName, userId),
    role: roleIn(room, userId),
    power: person?.powerLevel ?? 0,
    focus: typeof focus === "string" && /^https?:\/\//.test(focus) ? withoutSlash(focus) : null,
    eventId: membership.eventId,
    joinedAt: membership.createdTs(),
    isOwn: `${userId}:${deviceId}` === own.identity,
  };
}

