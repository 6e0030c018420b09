// Element Call in a frame, with one room of one Matrix client behind it.

import { ClientEvent, type MatrixClient, type MatrixEvent, MatrixEventEvent, type Room, RoomStateEvent } from "matrix-js-sdk";
import { ClientWidgetApi, MatrixWidgetType, Widget } from "matrix-widget-api";
import { asWidgetsSeeIt, Driver } from "./driver.ts";
import { language } from "./words.ts";

/** What the frame may use. */
const FEATURES = "camera; microphone; display-capture; autoplay; clipboard-write; speaker-selection";
const SANDBOX =
  "allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts allow-modals allow-downloads";

/** What Element Call tells, and expects to be acknowledged. */
const TOLD = ["io.element.join", "io.element.device_mute", "set_always_on_screen"];
/** How it says that the call is over for this person. */
const LEFT = ["im.vector.hangup", "io.element.close"];

/**
 * Puts Element Call into `place`. `onLeft` is called once, when it says that it is done; the frame is gone then.
 * `mode` is the path below which it is served.
 */
export function openElementCall(client: MatrixClient, room: Room, mode: string, place: HTMLElement, onLeft: () => void): void {
  const id = crypto.randomUUID();
  const user = client.getSafeUserId();
  const address = new URL(`element-call/${encodeURIComponent(mode)}/index.html`, location.href);
  const parameters = new URLSearchParams({
    widgetId: id,
    parentUrl: location.origin,
    userId: user,
    deviceId: client.getDeviceId() ?? "",
    baseUrl: client.getHomeserverUrl(),
    roomId: room.roomId,
    intent: "join_existing",
    perParticipantE2EE: "true",
    skipLobby: "false",
    header: "none",
    lang: language,
    theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
  });
  address.search = "";
  const url = `${address.href}#?${parameters}`;
  const widget = new Widget({
    id,
    creatorUserId: user,
    type: MatrixWidgetType.Custom,
    url,
    name: "Element Call",
    data: {},
    waitForIframeLoad: false,
  });
  const frame = document.createElement("iframe");
  frame.title = "Element Call";
  frame.allow = FEATURES;
  frame.setAttribute("sandbox", SANDBOX);
  place.replaceChildren(frame);

  const api = new ClientWidgetApi(widget, frame, new Driver(client, room));
  api.setViewedRoomId(room.roomId);
  const stopFeeding = feed(client, room, api);
  const acknowledge = (event: CustomEvent): void => {
    event.preventDefault();
    api.transport.reply(event.detail, {});
  };
  for (const action of TOLD) api.on(`action:${action}`, acknowledge);
  for (const action of LEFT) {
    api.on(`action:${action}`, (event: CustomEvent) => {
      acknowledge(event);
      if (!frame.isConnected) return;
      stopFeeding();
      api.stop();
      frame.remove();
      onLeft();
    });
  }
  frame.src = url;
}

/** A widget that is not ready yet asks for what it missed by itself, and one that is gone misses nothing. */
const unheard = (): void => {};

/** Hands over what arrives in the room and for this device. Returns what ends it. */
function feed(client: MatrixClient, room: Room, api: ClientWidgetApi): () => void {
  const ofRoom = (event: MatrixEvent): boolean => event.getRoomId() === room.roomId;
  const onEvent = (event: MatrixEvent): void => {
    if (ofRoom(event) && !event.isEncrypted()) api.feedEvent(asWidgetsSeeIt(event)).catch(unheard);
  };
  const onDecrypted = (event: MatrixEvent): void => {
    if (ofRoom(event) && !event.isDecryptionFailure()) api.feedEvent(asWidgetsSeeIt(event)).catch(unheard);
  };
  const onState = (event: MatrixEvent): void => {
    if (ofRoom(event)) api.feedStateUpdate(asWidgetsSeeIt(event)).catch(unheard);
  };
  const onToDevice = ({ message, encryptionInfo }: { message: object; encryptionInfo: unknown }): void => {
    api.feedToDevice(message as never, encryptionInfo !== null).catch(unheard);
  };
  client.on(ClientEvent.Event, onEvent);
  client.on(MatrixEventEvent.Decrypted, onDecrypted);
  client.on(RoomStateEvent.Events, onState);
  client.on(ClientEvent.ReceivedToDeviceMessage, onToDevice);
  return () => {
    client.off(ClientEvent.Event, onEvent);
    client.off(MatrixEventEvent.Decrypted, onDecrypted);
    client.off(RoomStateEvent.Events, onState);
    client.off(ClientEvent.ReceivedToDeviceMessage, onToDevice);
  };
}
