// What Element Call may do through the page: the other end of the widget API, on a Matrix client.
//
// It is confined to one room. Within it, it may do what it asks for: it comes from this demo's own installation.

import type { ToDeviceBatch } from "matrix-js-sdk/lib/models/ToDeviceMessage";
import type { CryptoApi } from "matrix-js-sdk/lib/crypto-api/index";
import type { MatrixClient, MatrixEvent, Room, StateEvents, TimelineEvents } from "matrix-js-sdk";
import {
  type Capability,
  type IOpenIDUpdate,
  type IRoomEvent,
  type IRtcTransportsResult,
  type ISendDelayedEventDetails,
  type ISendEventDetails,
  OpenIDRequestState,
  type SimpleObservable,
  WidgetDriver,
} from "matrix-widget-api";

/** Events that are handed over at most, when the widget does not say how many. */
const EVENTS_MAX = 100;

/** How often, and how many milliseconds apart, one looks for a device that is not known yet. */
const LOOKS_MAX = 60;
const LOOK_MS = 500;

type Device = { userId: string; deviceId: string };

/** Devices of users, each with a message. */
type Messages = Record<string, Record<string, object>>;

/** Its types are widget-defined, not those that the SDK lists. */
type AnyTimelineEvent = keyof TimelineEvents;
type AnyStateEvent = keyof StateEvents;

export class Driver extends WidgetDriver {
  readonly #client: MatrixClient;
  readonly #room: Room;

  constructor(client: MatrixClient, room: Room) {
    super();
    this.#client = client;
    this.#room = room;
  }

  override validateCapabilities(requested: Set<Capability>): Promise<Set<Capability>> {
    return Promise.resolve(requested);
  }

  override async sendEvent(type: string, content: unknown, stateKey?: string | null): Promise<ISendEventDetails> {
    const { roomId } = this.#room;
    const sent =
      typeof stateKey === "string"
        ? await this.#client.sendStateEvent(roomId, type as AnyStateEvent, content as never, stateKey)
        : await this.#client.sendEvent(roomId, type as AnyTimelineEvent, content as never);
    return { roomId, eventId: sent.event_id };
  }

  override async sendStickyEvent(duration: number, type: string, content: unknown): Promise<ISendEventDetails> {
    const { roomId } = this.#room;
    const kind = type as AnyTimelineEvent;
    const sent = await this.#client._unstable_sendStickyEvent(roomId, duration, null, kind, content as never);
    return { roomId, eventId: sent.event_id };
  }

  override async sendDelayedEvent(
    delay: number,
    type: string,
    content: unknown,
    stateKey?: string | null,
  ): Promise<ISendDelayedEventDetails> {
    const { roomId } = this.#room;
    const booked =
      typeof stateKey === "string"
        ? await this.#client._unstable_sendDelayedStateEvent(roomId, { delay }, type as AnyStateEvent, content as never, stateKey)
        : await this.#client._unstable_sendDelayedEvent(roomId, { delay }, null, type as AnyTimelineEvent, content as never);
    return { roomId, delayId: booked.delay_id };
  }

  override async sendDelayedStickyEvent(
    delay: number,
    duration: number,
    type: string,
    content: unknown,
  ): Promise<ISendDelayedEventDetails> {
    const { roomId } = this.#room;
    const kind = type as AnyTimelineEvent;
    const booked = await this.#client._unstable_sendStickyDelayedEvent(roomId, duration, { delay }, null, kind, content as never);
    return { roomId, delayId: booked.delay_id };
  }

  override async cancelScheduledDelayedEvent(id: string): Promise<void> {
    await this.#client._unstable_cancelScheduledDelayedEvent(id);
  }

  override async restartScheduledDelayedEvent(id: string): Promise<void> {
    await this.#client._unstable_restartScheduledDelayedEvent(id);
  }

  override async sendScheduledDelayedEvent(id: string): Promise<void> {
    await this.#client._unstable_sendScheduledDelayedEvent(id);
  }

  override async sendToDevice(type: string, encrypted: boolean, messages: Messages): Promise<void> {
    const crypto = this.#client.getCrypto();
    if (!encrypted || !crypto) throw new Error("nothing is sent to devices in the clear");
    const all = Object.entries(messages).flatMap(([userId, devices]) =>
      Object.entries(devices).map(([deviceId, payload]) => ({ device: { userId, deviceId }, payload })),
    );
    await Promise.all(
      all.map(async ({ device, payload }) => {
        await this.#client.queueToDevice(await encryptFor(crypto, device, type, payload));
      }),
    );
  }

  override readRoomTimeline(
    _room: string,
    type: string,
    messageType: string | undefined,
    stateKey: string | undefined,
    limit: number,
  ): Promise<IRoomEvent[]> {
    const events = this.#room.getLiveTimeline().getEvents().filter((event) => {
      if (event.getType() !== type) return false;
      if (messageType !== undefined && event.getContent()["msgtype"] !== messageType) return false;
      return stateKey === undefined || event.getStateKey() === stateKey;
    });
    return Promise.resolve(events.slice(-(limit || EVENTS_MAX)).toReversed().map(asWidgetsSeeIt));
  }

  override readRoomState(_room: string, type: string, stateKey: string | undefined): Promise<IRoomEvent[]> {
    const state = this.#room.currentState;
    const events = stateKey === undefined ? state.getStateEvents(type) : [state.getStateEvents(type, stateKey)];
    return Promise.resolve(events.filter((event) => event !== null).map(asWidgetsSeeIt));
  }

  override readStickyEvents(): Promise<IRoomEvent[]> {
    return Promise.resolve([...this.#room._unstable_getStickyEvents()].map(asWidgetsSeeIt));
  }

  override askOpenID(observer: SimpleObservable<IOpenIDUpdate>): void {
    this.#client.getOpenIdToken().then(
      (token) => observer.update({ state: OpenIDRequestState.Allowed, token }),
      () => observer.update({ state: OpenIDRequestState.Blocked }),
    );
  }

  override async getRtcTransports(): Promise<IRtcTransportsResult> {
    return { rtc_transports: await this.#client._unstable_getRTCTransports() };
  }

  override getKnownRooms(): string[] {
    return [this.#room.roomId];
  }
}

/**
 * A message for one device. Somebody of another homeserver may be in the call before one's own has heard of their device: then this
 * waits for it, since a key that is not sent leaves them without picture and sound.
 *
 * @throws if the device has not become known.
 */
async function encryptFor(crypto: CryptoApi, device: Device, type: string, payload: object, looks = LOOKS_MAX): Promise<ToDeviceBatch> {
  const message = await crypto.encryptToDeviceMessages(type, [device], payload as never);
  if (message.batch.length > 0) return message;
  if (looks === 0) throw new Error("a device in the call has no keys");
  await new Promise((done) => setTimeout(done, LOOK_MS));
  return encryptFor(crypto, device, type, payload, looks - 1);
}

/** An event as it is after decryption. */
export function asWidgetsSeeIt(event: MatrixEvent): IRoomEvent {
  const { msc4354_sticky: sticky } = event.event;
  return {
    ...event.getEffectiveEvent(),
    room_id: event.getRoomId(),
    event_id: event.getId(),
    sender: event.getSender(),
    origin_server_ts: event.getTs(),
    unsigned: event.event.unsigned ?? {},
    ...(sticky && { msc4354_sticky: sticky }),
  } as IRoomEvent;
}
