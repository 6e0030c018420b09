import { isBlurred } from "../state/blur.ts";
import type { Door, Kind } from "../state/door.ts";
import { kindOf } from "../state/kind.ts";
import { isLockedOut } from "../state/lock.ts";
import type { Network } from "../state/network.ts";
import type { CallSession } from "../state/ports.ts";
import { say } from "../words/words.ts";
import { Page, Trouble } from "./frame.tsx";
import { Icon } from "./icons.tsx";
import { KindBar } from "./kind.tsx";
import { NetworkView } from "./network.tsx";
import { Picture } from "./play.tsx";

interface Props {
  door: Door;
  network: Network;
  session: CallSession;
  onJoin: () => void;
  onBack: () => void;
  backText: string;
}

export function DoorPage({ door, network, session, onJoin, onBack, backText }: Props) {
  const { microphone, camera } = door.previews.value;
  const kind = kindOf(session.rules.value.without);
  const isShut = isLockedOut(session);
  const people = new Set(session.members.value.map(({ userId }) => userId)).size;
  return (
    <Page title={session.roomName.value} wide>
      <p class="lead">{say("door-people", { people })}</p>
      <KindBar kind={kind} />
      <div class="door" hidden={kind === "text"}>
        <div class="preview">{camera ? <Picture of={camera.picture} mirrored label={say("call-you")} /> : <p>{say("door-off")}</p>}</div>
        <div class="choices">
          {door.offers("microphone") && <DeviceChoice kind="microphone" door={door} />}
          {microphone && <Level of={microphone.level.value} />}
          {door.offers("camera") && <DeviceChoice kind="camera" door={door} />}
          {door.offers("camera") && <BlurChoice onChange={(on) => void door.blur(on)} />}
        </div>
      </div>
      {kind === "pictures" && (
        <label class="choice">
          <input type="checkbox" checked={door.savesData.value} onChange={({ currentTarget }) => (door.savesData.value = currentTarget.checked)} />
          {say("saving-on")}
        </label>
      )}
      <p class={session.encrypted ? "sealed" : "sealed open"}>
        <Icon name={session.encrypted ? "lock" : "open"} />
        {say(session.encrypted ? "door-sealed" : "door-open")}
      </p>
      <NetworkView network={network} />
      {isShut && <Trouble>{say("lock-out")}</Trouble>}
      <div class="row">
        <button type="button" class="primary" data-testid="join" disabled={isShut} onClick={onJoin}>
          {say("door-join")}
        </button>
        <button type="button" onClick={onBack}>
          {backText}
        </button>
      </div>
    </Page>
  );
}

/** At the door and in the call. */
export function BlurChoice({ onChange }: { onChange: (on: boolean) => void }) {
  return (
    <label class="choice">
      <input type="checkbox" checked={isBlurred.value} onChange={({ currentTarget }) => onChange(currentTarget.checked)} />
      {say("blur")}
    </label>
  );
}

function DeviceChoice({ kind, door }: { kind: Kind; door: Door }) {
  const isOn = door.previews.value[kind] !== null;
  const choices = door.choices.value[kind];
  const problem = door.problems.value[kind];
  return (
    <div class="device">
      <button
        type="button"
        aria-pressed={isOn}
        aria-busy={door.busy.value[kind]}
        data-testid={`door-${kind}`}
        onClick={() => void door.turn(kind, !isOn)}
      >
        <Icon name={isOn ? kind : `${kind}-off`} />
        {say(`door-${kind}-${isOn ? "off" : "on"}`)}
      </button>
      {choices.length > 1 && (
        <select aria-label={say(`door-${kind}`)} onChange={({ currentTarget }) => void door.choose(kind, currentTarget.value)}>
          {choices.map(({ id, label }, index) => (
            <option key={id} value={id} selected={id === door.chosen.value[kind]}>
              {label || say("door-device", { number: index + 1 })}
            </option>
          ))}
        </select>
      )}
      {problem && <Trouble>{say(`device-${problem}`, { device: say(`device-${kind}`) })}</Trouble>}
    </div>
  );
}

function Level({ of }: { of: number }) {
  return (
    <div class="level">
      <meter min={0} max={1} value={of} aria-label={say("door-microphone")} />
      <p class="hint">{say("door-level")}</p>
    </div>
  );
}
