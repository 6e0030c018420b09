import type { Call } from "../state/call.ts";
import type { Comparison, Emoji } from "../state/compare.ts";
import { say } from "../words/words.ts";
import { Trouble } from "./frame.tsx";

/** Somebody wants to compare, or one is comparing: above the tiles, for it concerns the call. */
export function CompareBar({ call }: { call: Call }) {
  const { comparison } = call.session;
  const now = comparison.now.value;
  if (!now) return null;
  const name = call.nameOf(now.userId);
  const end = (): void => void comparison.end();
  if (now.step.at === "different") return <Trouble onClose={end}>{say("compare-different", { name })}</Trouble>;
  return (
    <section class="lobby compare" aria-label={say("compare-title")} data-testid="compare">
      <p role="status">{say(`compare-${now.step.at}`, { name })}</p>
      {now.step.at === "emoji" && <Seven emoji={now.step.emoji} />}
      <div class="row">
        <Answers comparison={now} call={call} />
        <button type="button" onClick={end}>
          {say(now.step.at === "same" || now.step.at === "ended" ? "close" : "compare-cancel")}
        </button>
      </div>
    </section>
  );
}

function Answers({ comparison: { step }, call }: { comparison: Comparison; call: Call }) {
  const { comparison } = call.session;
  if (step.at === "wanted") {
    return (
      <button type="button" class="primary" onClick={() => void comparison.accept()}>
        {say("compare-accept")}
      </button>
    );
  }
  if (step.at !== "emoji") return null;
  return (
    <>
      <button type="button" class="primary" onClick={() => void comparison.judge(true)}>
        {say("compare-yes")}
      </button>
      <button type="button" onClick={() => void comparison.judge(false)}>
        {say("compare-no")}
      </button>
    </>
  );
}

function Seven({ emoji }: { emoji: Emoji[] }) {
  return (
    <ol class="seven" data-testid="seven">
      {emoji.map(({ sign, name }, index) => (
        // They are told by their place, and two may be the same.
        // oxlint-disable-next-line react/no-array-index-key
        <li key={`${index} ${sign}`}>
          <span aria-hidden="true">{sign}</span>
          {name !== "" && say(`emoji-${name}`)}
        </li>
      ))}
    </ol>
  );
}
