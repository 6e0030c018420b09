import type { Lock } from "../state/lock.ts";
import { say } from "../words/words.ts";
import { live } from "./announcements.tsx";
import { Icon } from "./icons.tsx";

/** For everybody in a call that is locked. */
export function LockBar({ lock }: { lock: Lock }) {
  if (!lock.isLocked.value) return null;
  return (
    <div class="trouble calm" data-testid="locked">
      <p class="marked" {...live("meeting")}>
        <Icon name="door" />
        {say(lock.mayTurn.value ? "lock-is-on-moderator" : "lock-is-on")}
      </p>
      {lock.mayTurn.value && (
        <button type="button" aria-busy={lock.isBusy.value} onClick={() => void lock.turn(false)}>
          {say("lock-off")}
        </button>
      )}
    </div>
  );
}
