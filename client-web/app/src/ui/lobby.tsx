import type { Lobby } from "../state/lobby.ts";
import { say } from "../words/words.ts";
import { live } from "./announcements.tsx";
import { Trouble } from "./frame.tsx";

export function LobbyBar({ lobby }: { lobby: Lobby }) {
  const visitors = lobby.visitors.value;
  return (
    <>
      {lobby.hasFailed.value && <Trouble onClose={() => (lobby.hasFailed.value = false)}>{say("lobby-failed")}</Trouble>}
      {visitors.length > 0 && (
        <section class="lobby" aria-label={say("lobby-title")} data-testid="lobby">
          <p class="unseen" {...live("lobby")}>
            {say("lobby-waiting", { count: visitors.length + lobby.more.value })}
          </p>
          {visitors.map(({ userId, name, organisation, isGuest }) => (
            <div class="visitor" key={userId}>
              <p>
                <bdi class="name">{name}</bdi> <span class="hint">{say(isGuest ? "lobby-guest" : "lobby-member", { organisation })}</span>
              </p>
              <button type="button" class="primary" onClick={() => void lobby.admit(userId)}>
                {say("lobby-admit")}
                <span class="unseen">{name}</span>
              </button>
              <button type="button" onClick={() => void lobby.refuse(userId)}>
                {say("lobby-refuse")}
                <span class="unseen">{name}</span>
              </button>
            </div>
          ))}
          {lobby.more.value > 0 && <p class="hint">{say("lobby-more", { count: lobby.more.value })}</p>}
        </section>
      )}
    </>
  );
}
