import type { Call } from "../state/call.ts";
import { shownText } from "../state/name.ts";
import { say } from "../words/words.ts";
import { Icon } from "./icons.tsx";
import { Side } from "./side.tsx";

export function Panel({ call }: { call: Call }) {
  const readers = call.readers.value;
  const people = readers.length;
  return (
    <Side title={say("panel-title")} name="panel" onClose={() => (call.beside.value = null)}>
      <p class={call.session.encrypted ? "sealed" : "sealed open"}>
        <Icon name={call.session.encrypted ? "lock" : "open"} />
        {call.session.encrypted ? say("panel-sealed", { people }) : say("panel-unsealed")}
      </p>
      <ul class="readers">
        {readers.map(({ userId, name, devices, isOwn }) => (
          <li key={userId}>
            <bdi class="name">{isOwn ? `${name} (${say("call-you")})` : name}</bdi>
            <bdi class="hint">{userId}</bdi>
            {devices.map(({ id, trust }) => (
              <span key={id} class="hint">
                {say("panel-device", { id: shownText(id) })}
                {trust !== null && `: ${say(`panel-${isOwn ? "own" : trust}`)}`}
                {!isOwn && trust !== "verified" && call.session.encrypted && (
                  <button type="button" class="quiet" onClick={() => void call.session.comparison.ask(userId, id)}>
                    {say("compare-ask", { name })}
                  </button>
                )}
              </span>
            ))}
          </li>
        ))}
      </ul>
      <p class="hint">{say("panel-metadata")}</p>
    </Side>
  );
}
