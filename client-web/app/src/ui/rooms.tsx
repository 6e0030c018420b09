import { useSignal } from "@preact/signals";
import type { House, RoomEntry } from "../state/ports.ts";
import { say } from "../words/words.ts";
import { Page, Trouble } from "./frame.tsx";
import { Icon } from "./icons.tsx";

/** With fewer rooms nobody needs to search. */
const SEARCH_FROM = 8;

interface Props {
  house: House;
  onOpen: (roomId: string) => void;
  onLogOut: () => void;
}

export function RoomsPage({ house, onOpen, onLogOut }: Props) {
  const text = useSignal("");
  const all = house.rooms.value;
  const wanted = text.value.trim().toLowerCase();
  const found = all.filter(({ name }) => name.toLowerCase().includes(wanted)).toSorted((one, other) => other.activeAt - one.activeAt);
  const calls = found.filter(({ inCall }) => inCall > 0);
  const others = found.filter(({ inCall }) => inCall === 0);
  return (
    <Page title={say("rooms-title")} wide>
      <p class="lead bar">
        <span>{say("rooms-hello", { name: house.name.value })}</span>
        <button type="button" class="quiet" onClick={onLogOut}>
          {say("rooms-log-out")}
        </button>
      </p>
      {!house.isReachable.value && <Trouble>{say("rooms-away")}</Trouble>}
      {all.length === 0 && <p>{say("rooms-none")}</p>}
      {all.length >= SEARCH_FROM && (
        <label>
          {say("rooms-find")}
          <input type="search" value={text.value} onInput={({ currentTarget }) => (text.value = currentTarget.value)} />
        </label>
      )}
      {all.length > 0 && found.length === 0 && <p role="status">{say("rooms-nothing", { text: text.value })}</p>}
      <Rooms title={say("rooms-calls")} rooms={calls} onOpen={onOpen} />
      <Rooms title={calls.length > 0 ? say("rooms-others") : ""} rooms={others} onOpen={onOpen} />
    </Page>
  );
}

function Rooms({ title, rooms, onOpen }: { title: string; rooms: RoomEntry[]; onOpen: (roomId: string) => void }) {
  if (rooms.length === 0) return null;
  return (
    <section>
      {title && <h2>{title}</h2>}
      <ul class="rooms">
        {rooms.map((room) => (
          <li key={room.id}>
            <button type="button" class={room.inCall > 0 ? "room live" : "room"} onClick={() => onOpen(room.id)}>
              <span class="name">{room.name}</span>
              {room.inCall > 0 && <span class="note">{say("rooms-in-call", { people: room.inCall })}</span>}
              {!room.encrypted && (
                <span class="note open">
                  <Icon name="open" />
                  {say("rooms-open")}
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
