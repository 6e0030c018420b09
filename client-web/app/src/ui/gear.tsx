import { useEffect } from "preact/hooks";
import type { Gear } from "../state/gear.ts";
import type { Gadget } from "../state/ports.ts";
import { allowShortcuts, shortcuts } from "../state/shortcuts.ts";
import { say } from "../words/words.ts";
import { BlurChoice } from "./door.tsx";
import { Trouble } from "./frame.tsx";
import { Side } from "./side.tsx";

const GADGETS: Gadget[] = ["microphone", "camera", "speaker"];

export function GearPanel({ gear, onBlur, onClose }: { gear: Gear; onBlur: (on: boolean) => void; onClose: () => void }) {
  useEffect(() => void gear.look(), [gear]);
  return (
    <Side title={say("gear-title")} name="gear" onClose={onClose}>
      {gear.hasFailed.value && <Trouble>{say("gear-failed")}</Trouble>}
      {GADGETS.map((gadget) => {
        const choices = gear.choices.value[gadget];
        return (
          choices.length > 0 && (
            <label key={gadget}>
              {say(`gear-${gadget}`)}
              <select onChange={({ currentTarget }) => void gear.choose(gadget, currentTarget.value)}>
                {choices.map(({ id, label }, index) => (
                  <option key={id} value={id} selected={id === gear.inUse(gadget)}>
                    {label || say("door-device", { number: index + 1 })}
                  </option>
                ))}
              </select>
            </label>
          )
        );
      })}
      <BlurChoice onChange={onBlur} />
      <p class="hint">{say("blur-cost")}</p>
      <label class="choice">
        <input type="checkbox" checked={shortcuts.value} onChange={({ currentTarget }) => allowShortcuts(currentTarget.checked)} />
        {say("gear-shortcuts")}
      </label>
      {shortcuts.value && <p class="hint">{say("gear-keys")}</p>}
    </Side>
  );
}
