import { initials } from "../state/name.ts";
import type { Lack, Tile } from "../state/tiles.ts";
import { say } from "../words/words.ts";
import type { Search } from "../state/lost-keys.ts";
import type { Call } from "../state/call.ts";
import type { Source } from "../state/ports.ts";
import { live } from "./announcements.tsx";
import { Icon } from "./icons.tsx";
import { type Entry, Menu } from "./menu.tsx";
import { Picture } from "./play.tsx";

export function TileView({ tile, call }: { tile: Tile; call: Call }) {
  const { name, organisation, isOwn, isScreen, picture, lack } = tile;
  const whose = isScreen ? (isOwn ? say("call-your-screen") : say("call-screen-of", { name })) : isOwn ? `${name} (${say("call-you")})` : name;
  return (
    <article class={`tile${tile.isSpeaking ? " speaking" : ""}${isScreen ? " screen" : ""}`} data-testid="tile" data-key={tile.key} data-user={tile.userId} data-lack={lack?.kind}>
      {picture ? (
        <Picture of={picture} mirrored={isOwn && !isScreen} label={whose} />
      ) : (
        <span class="initials" aria-hidden="true">
          {initials(name)}
        </span>
      )}
      {lack && (
        <p class="lack" {...live("media")}>
          {lackSentence(lack, { name, organisation }, call.lostKeys.of(tile.key))}
        </p>
      )}
      {tile.sign !== null && (
        <span class="sign" role="img" aria-label={say("sign-of", { name, sign: tile.sign })}>
          {tile.sign}
        </span>
      )}
      {tile.hand !== null && (
        <span class="hand">
          <Icon name="hand" />
          <span aria-hidden="true">{tile.hand}</span>
          <span class="unseen">{say("call-hand", { place: tile.hand })}</span>
        </span>
      )}
      <Menu label={say("tile-menu", { name: whose })} entries={[...placing(tile, call), ...writing(tile, call), ...moderating(tile, call)]} />
      <div class="caption">
        <span class="name">
          {!isScreen && !tile.speaksUp && <Note icon="microphone-off" text={say("call-muted")} />}
          {call.arrangement.isPinned(tile.key) && <Note icon="pin" text={say("tile-pinned")} />}
          {tile.isVerified && <Note icon="verified" text={say("panel-verified")} />}
          {tile.isWeak && <Note icon="weak" text={say("call-weak")} />}
          <bdi>{whose}</bdi>
        </span>
        {!isScreen && (
          <span class="who">
            <bdi>{organisation}</bdi> · {say(`role-${tile.role}`)}
            {tile.presents && `, ${say("role-presenter")}`}
            {tile.isSpeaking && <span class="unseen">, {say("call-speaking")}</span>}
          </span>
        )}
      </div>
    </article>
  );
}

/** Where it may stand. */
function placing({ key, isScreen }: Tile, { arrangement }: Call): Entry[] {
  const entry = (text: string, run: () => void): Entry => ({ text: say(text), run: () => moving(key, run) });
  const entries = [
    entry(arrangement.isLit(key) ? "tile-unlight" : "tile-light", () => arrangement.light(key)),
    entry(arrangement.isPinned(key) ? "tile-unpin" : "tile-pin", () => arrangement.pin(key)),
  ];
  if (!isScreen) entries.push(entry(arrangement.isInterpreter(key) ? "tile-uninterpret" : "tile-interpret", () => arrangement.interpret(key)));
  return entries;
}

/** To them alone. */
function writing({ userId, isScreen, name }: Tile, call: Call): Entry[] {
  return isScreen || !call.private.mayWriteTo(userId) ? [] : [{ text: say("private-write", { name }), run: () => call.writeTo(userId) }];
}

/** Keeps the focus on a tile that stands elsewhere afterwards. */
function moving(key: string, run: () => void): void {
  run();
  requestAnimationFrame(() => {
    if (document.activeElement !== document.body) return;
    const tile = [...document.querySelectorAll<HTMLElement>("[data-key]")].find(({ dataset }) => dataset["key"] === key);
    tile?.querySelector("summary")?.focus();
  });
}

/** What a moderator may do to somebody. Nothing here switches anything on. */
function moderating(tile: Tile, call: Call): Entry[] {
  const { moderation, presenters, lock } = call;
  const { userId, name } = tile;
  if (!moderation.mayActOn(userId)) return [];
  const mute = (source: Source) => () => void moderation.mute(userId, source);
  if (tile.isScreen) return [{ text: say("moderate-screen"), run: mute("screen") }];
  return [
    ...(tile.speaksUp ? [{ text: say("moderate-microphone"), run: mute("microphone") }] : []),
    ...(tile.picture ? [{ text: say("moderate-camera"), run: mute("camera") }] : []),
    ...(presenters.mayGive(tile) ? [{ text: say("presenters-give"), run: () => void presenters.give(tile) }] : []),
    ...(presenters.mayTake(tile) ? [{ text: say("presenters-take"), run: () => void presenters.take(tile) }] : []),
    ...(lock.mayTurn.value && lock.isOut(tile) ? [{ text: say("lock-let-in"), run: () => void lock.letIn(userId) }] : []),
    { text: say("moderate-remove"), ask: say("moderate-remove-ask", { name }), run: () => void call.remove(userId) },
  ];
}

function Note({ icon, text }: { icon: string; text: string }) {
  return (
    <span class="mark" title={text}>
      <Icon name={icon} />
      <span class="unseen">{text}</span>
    </span>
  );
}

/** Why somebody is neither seen nor heard, as a sentence. */
export function lackSentence(lack: Lack, who: { name: string; organisation: string }, search: Search): string {
  if (lack.kind === "no-key" || lack.kind === "wrong-key") return `${say(`lack-${lack.kind}`, who)} ${say(`lack-key-${search}`, who)}`;
  if (lack.kind !== "no-route") return say(`lack-${lack.kind}`, who);
  const { problem } = lack;
  if (problem?.kind === "refused") return say("lack-route-refused", { ...who, sentence: problem.sentence });
  const isSpecial = problem?.kind === "blocked" || problem?.kind === "media" || problem?.kind === "crowded";
  return say(`lack-route-${isSpecial ? problem.kind : "unreachable"}`, who);
}
