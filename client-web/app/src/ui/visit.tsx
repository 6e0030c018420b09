import type { House } from "../state/ports.ts";
import type { Visit } from "../state/visit.ts";
import { say } from "../words/words.ts";
import { Page, Trouble, Waiting } from "./frame.tsx";

/** What a guest sees first: what the link opens, and what becomes of what they say. */
export function VisitPage({ visit, onLogIn }: { visit: Visit; onLogIn: () => void }) {
  const opening = visit.opening.value;
  const problem = visit.problem.value;
  if (visit.isBusy.value && !opening && visit.hasLink.value) return <Waiting>{say("opening-call")}</Waiting>;
  const enter = (event: SubmitEvent): void => {
    event.preventDefault();
    const said = new FormData(event.currentTarget as HTMLFormElement);
    if (opening) void visit.enter(String(said.get("name")), String(said.get("passcode") ?? ""));
    else void visit.lookSpoken(String(said.get("code")));
  };
  return (
    <Page title={opening ? opening.meeting : say("visit-title")}>
      {opening && <p class="lead">{say("visit-invited", { organisation: opening.organisation })}</p>}
      {problem && <Trouble>{say(`visit-problem-${problem}`)}</Trouble>}
      <form onSubmit={enter}>
        {opening ? (
          <>
            <label>
              {say("visit-name")}
              <input name="name" autocomplete="name" maxLength={64} required />
            </label>
            {opening.needsPasscode && (
              <label>
                {say("visit-passcode")}
                <input name="passcode" autocomplete="off" required />
              </label>
            )}
            <p class="hint">{say("visit-privacy", { organisation: opening.organisation })}</p>
          </>
        ) : (
          <label>
            {say("visit-code")}
            <input name="code" inputMode="numeric" autocomplete="off" required />
          </label>
        )}
        <button type="submit" class="primary" aria-busy={visit.isBusy.value}>
          {say(opening ? "visit-enter" : "visit-look")}
        </button>
      </form>
      <button type="button" class="quiet" onClick={onLogIn}>
        {say("visit-log-in")}
      </button>
    </Page>
  );
}

/** Where a guest waits until somebody lets them in. */
export function LobbyPage({ house, isRefused, onEnd }: { house: House; isRefused: boolean; onEnd: () => void }) {
  return (
    <Page title={say(isRefused ? "lobby-refused-title" : "lobby-wait-title")}>
      <p class="lead" role="status">
        {say(isRefused ? "lobby-refused" : "lobby-wait", { name: house.name.value })}
      </p>
      <button type="button" onClick={onEnd}>
        {say(isRefused ? "visit-end" : "lobby-cancel")}
      </button>
    </Page>
  );
}

/** What remains of a guest who is gone. */
export function GonePage() {
  return (
    <Page title={say("gone-title")}>
      <p class="lead">{say("gone-lead")}</p>
      <p>{say("gone-remains")}</p>
    </Page>
  );
}
