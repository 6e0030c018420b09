import type { Call } from "../state/call.ts";
import type { Finding, Network } from "../state/network.ts";
import { language, say } from "../words/words.ts";
import { live } from "./announcements.tsx";
import { Trouble } from "./frame.tsx";
import { Icon } from "./icons.tsx";

/** What is known of the network, and a button to know more. */
export function NetworkView({ network }: { network: Network }) {
  const found = network.finding.value;
  return (
    <div class="network">
      {found && "problem" in found && <Trouble>{say(`network-${found.problem}`, { sentence: found.sentence })}</Trouble>}
      <p class="hint" role="status" data-testid="network">
        {network.isBusy.value ? say("network-busy") : found && !("problem" in found) && sentence(found)}
      </p>
      <button type="button" aria-busy={network.isBusy.value} onClick={() => void network.check()}>
        {say("network-check")}
      </button>
    </div>
  );
}

function sentence({ way, roundTripMs, enough }: Exclude<Finding, { problem: unknown }>): string {
  const reached = say(`network-${way}`, { time: roundTripMs });
  return enough === null ? reached : `${reached} ${say(`network-enough-${enough}`)}`;
}

/** In a call: how media goes if it does not go straight, and what was lost and is looked for. */
export function ConnectionBars({ call }: { call: Call }) {
  const detour = call.detour.value;
  const lost = call.lost.value;
  return (
    <>
      {!call.trouble.value && call.state.value !== "connected" && (
        <p class="calm" data-testid="connection" {...live("connection")}>
          {say(call.state.value === "reconnecting" ? "call-reconnecting" : "call-connecting")}
        </p>
      )}
      {lost.length > 0 && (
        <p class="calm" {...live("connection")}>
          {say("call-lost", { organisations: new Intl.ListFormat(language.value).format(lost) })}
        </p>
      )}
      {detour && (
        <div class="trouble calm" data-testid="detour">
          <p {...live("connection")}>{say(`detour-${detour}`)}</p>
          <button type="button" class="quiet" aria-label={say("close")} onClick={() => call.dismissDetour()}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </>
  );
}
