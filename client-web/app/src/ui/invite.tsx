import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { GuestLink, Invite, MadeLink } from "../state/invite.ts";
import { language, say } from "../words/words.ts";
import { Trouble } from "./frame.tsx";
import { Menu } from "./menu.tsx";
import { Side } from "./side.tsx";

export function InvitePanel({ invite, onClose }: { invite: Invite; onClose: () => void }) {
  useEffect(() => void invite.load(), [invite]);
  const refusal = invite.refusal.value;
  const make = (event: SubmitEvent): void => {
    event.preventDefault();
    const said = new FormData(event.currentTarget as HTMLFormElement);
    void invite.make(said.get("who") === "once", String(said.get("passcode")));
  };
  return (
    <Side title={say("invite-title")} name="invite" onClose={onClose}>
      <p class="hint">{say("invite-lead")}</p>
      {refusal && (
        <Trouble>{refusal.sentence === null ? say("moderate-unreachable") : say("moderate-refused", { sentence: refusal.sentence })}</Trouble>
      )}
      {invite.made.value && <MadeView made={invite.made.value} />}
      <form onSubmit={make}>
        <fieldset>
          <legend>{say("invite-who")}</legend>
          <label class="choice">
            <input type="radio" name="who" value="once" defaultChecked />
            {say("invite-once")}
          </label>
          <label class="choice">
            <input type="radio" name="who" value="meeting" />
            {say("invite-meeting")}
          </label>
        </fieldset>
        <label>
          {say("invite-passcode")}
          <input name="passcode" autocomplete="off" maxLength={64} />
        </label>
        {invite.isPasscodeShort.value && <p role="status">{say("invite-passcode-short")}</p>}
        <button type="submit" class="primary" aria-busy={invite.isBusy.value}>
          {say("invite-make")}
        </button>
      </form>
      {(invite.links.value ?? []).length > 0 && (
        <section>
          <h3>{say("invite-links")}</h3>
          <ul class="readers">
            {(invite.links.value ?? []).map((link) => (
              <LinkView key={link.id} link={link} invite={invite} />
            ))}
          </ul>
        </section>
      )}
    </Side>
  );
}

function MadeView({ made }: { made: MadeLink }) {
  const isCopied = useSignal(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(made.address);
    isCopied.value = true;
  };
  return (
    <div class="made" role="status">
      <label>
        {say("invite-address")}
        <input readOnly value={made.address} onFocus={({ currentTarget }) => currentTarget.select()} />
      </label>
      <button type="button" onClick={() => void copy()}>
        {say(isCopied.value ? "invite-copied" : "invite-copy")}
      </button>
      <p>{say("invite-spoken", { code: made.spoken })}</p>
      {made.passcode !== "" && <p>{say("invite-tell-passcode")}</p>}
      <p class="hint">{say("invite-only-now")}</p>
    </div>
  );
}

function LinkView({ link, invite }: { link: GuestLink; invite: Invite }) {
  const until = new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(link.expiresAt);
  return (
    <li class="bar">
      <span>
        <span class="name">{say(link.once ? "invite-once" : "invite-meeting")}</span>
        <br />
        <span class="hint">
          {say("invite-until", { until })}, {say("invite-uses", { uses: link.uses })}
          {link.needsPasscode && `, ${say("invite-with-passcode")}`}
        </span>
      </span>
      <Menu
        label={say("invite-revoke")}
        entries={[
          { text: say("invite-revoke"), ask: say("invite-revoke-ask"), run: () => void invite.revoke(link.id, false) },
          { text: say("invite-revoke-with"), ask: say("invite-revoke-with-ask"), run: () => void invite.revoke(link.id, true) },
        ]}
      />
    </li>
  );
}
