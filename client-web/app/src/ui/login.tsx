import type { Login } from "../state/login.ts";
import { say } from "../words/words.ts";
import { Page, Trouble } from "./frame.tsx";

export function LoginPage({ login, onGuest }: { login: Login; onGuest?: () => void }) {
  const { homeservers, homeserver, ways, problem, isBusy } = login;
  const server = homeserver.value?.name ?? "";
  const enter = (event: SubmitEvent): void => {
    event.preventDefault();
    const said = new FormData(event.currentTarget as HTMLFormElement);
    void login.enter(String(said.get("user")), String(said.get("password")));
  };
  return (
    <Page title={say("login-title")}>
      <p class="lead">{say("login-lead", { server })}</p>
      {problem.value && (
        <Trouble>
          {say(`login-${problem.value}`, { server: problem.value === "elsewhere" ? homeservers.map(({ name }) => name).join(", ") : server })}
        </Trouble>
      )}
      {problem.value === "unreachable" && (
        <button type="button" onClick={() => void login.choose(homeserver.value ?? undefined)}>
          {say("retry")}
        </button>
      )}
      {homeservers.length > 1 && (
        <label>
          {say("login-homeserver")}
          <select onChange={({ currentTarget }) => void login.choose(homeservers[currentTarget.selectedIndex])}>
            {homeservers.map((each) => (
              <option key={each.name} selected={each === homeserver.value}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      )}
      {ways.value === null && problem.value === null && <p role="status">{say("login-asking", { server })}</p>}
      {ways.value?.includes("sso") && (
        <button type="button" class="primary" onClick={() => login.goToSso()}>
          {say("login-sso", { server })}
        </button>
      )}
      {ways.value?.length === 2 && <p class="or">{say("login-or")}</p>}
      {ways.value?.includes("password") && (
        <form onSubmit={enter}>
          <label>
            {say("login-user")}
            <input name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required />
          </label>
          <label>
            {say("login-password")}
            <input name="password" type="password" autocomplete="current-password" required />
          </label>
          <button type="submit" class={ways.value.includes("sso") ? "" : "primary"} aria-busy={isBusy.value}>
            {say("login-enter")}
          </button>
        </form>
      )}
      {onGuest && (
        <button type="button" class="quiet" onClick={onGuest}>
          {say("login-guest")}
        </button>
      )}
    </Page>
  );
}
