// What screen readers are told, and switches for each kind of it.

import { type Announcement, ANNOUNCEMENTS, type Announcements, isTold, tell, type Told } from "../state/announcements.ts";
import { language, say } from "../words/words.ts";
import { Side } from "./side.tsx";

/** What makes something be told when it appears or changes, unless this kind is quiet. */
export function live(kind: Announcement): { role: "status"; "aria-live": "polite" | "off" } {
  return { role: "status", "aria-live": isTold(kind) ? "polite" : "off" };
}

/** What happens to others and stands nowhere as a sentence. */
export function AnnouncementsLog({ announcements }: { announcements: Announcements }) {
  return (
    <div class="unseen" role="log" data-testid="told">
      {announcements.told.value.map((told) => (
        <p key={told.id}>{sentence(told)}</p>
      ))}
    </div>
  );
}

function sentence({ what, names, count, sign }: Told): string {
  if (what === "sign") return say("sign-of", { name: names.join(), sign });
  if (what === "wrote") return say("told-wrote", { name: names.join() });
  if (names.length === 0) return say(`told-many-${what}`, { count });
  return say(`told-${what}`, { names: new Intl.ListFormat(language.value).format(names), count });
}

export function AnnouncementsPanel({ onClose }: { onClose: () => void }) {
  return (
    <Side title={say("announcements-title")} name="announcements" onClose={onClose}>
      <p class="hint">{say("announcements-lead")}</p>
      <fieldset>
        <legend>{say("announcements-which")}</legend>
        {ANNOUNCEMENTS.map((kind) => (
          <label class="choice" key={kind}>
            <input type="checkbox" checked={isTold(kind)} onChange={({ currentTarget }) => tell(kind, currentTarget.checked)} />
            {say(`announcements-${kind}`)}
          </label>
        ))}
      </fieldset>
      <p class="hint">{say("announcements-own")}</p>
    </Side>
  );
}
