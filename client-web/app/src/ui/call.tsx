import { useEffect } from "preact/hooks";
import type { Call, Trouble as CallTrouble } from "../state/call.ts";
import type { Source } from "../state/ports.ts";
import { SIGNS } from "../state/reactions.ts";
import { shortcuts } from "../state/shortcuts.ts";
import { say } from "../words/words.ts";
import { AnnouncementsLog, AnnouncementsPanel, live } from "./announcements.tsx";
import { ChatPanel } from "./chat.tsx";
import { CompareBar } from "./compare.tsx";
import { Heading, privacyAddress, Trouble } from "./frame.tsx";
import { GearPanel } from "./gear.tsx";
import { Icon } from "./icons.tsx";
import { InvitePanel } from "./invite.tsx";
import { KINDS } from "../state/kind.ts";
import { KindBar } from "./kind.tsx";
import { LobbyBar } from "./lobby.tsx";
import { LockBar } from "./lock.tsx";
import { type Elsewhere, type Entry, Menu } from "./menu.tsx";
import { ConnectionBars } from "./network.tsx";
import { Panel } from "./panel.tsx";
import { Sound } from "./play.tsx";
import { arrangeByKey, LayoutMenu, Stage } from "./stage.tsx";

/** Keys that do something in a call, unless somebody is writing. */
const KEYS: Record<string, Source | "hand"> = { m: "microphone", v: "camera", h: "hand" };

export function CallPage({ call, onLeave }: { call: Call; onLeave: () => void }) {
  useKeys(call);
  const tiles = call.tiles.value;
  const trouble = call.trouble.value;
  const strangers = call.strangers.value;
  return (
    <div class={call.beside.value ? "call with-panel" : "call"} data-testid="call">
      <header>
        <Heading>{call.session.roomName.value}</Heading>
        <button
          type="button"
          class={call.session.encrypted ? "quiet sealed" : "quiet sealed open"}
          aria-expanded={call.beside.value === "readers"}
          data-testid="panel-open"
          onClick={() => call.show("readers")}
        >
          <Icon name={call.session.encrypted ? "lock" : "open"} />
          {say("panel-open")}
        </button>
      </header>
      {trouble && (isAnswer(trouble) ? <Trouble onClose={() => call.dismissTrouble()}>{sentence(trouble)}</Trouble> : <Trouble kind="connection">{sentence(trouble)}</Trouble>)}
      {call.moderation.refusal.value && (
        <Trouble onClose={() => call.moderation.dismiss()}>
          {call.moderation.refusal.value.sentence === null
            ? say("moderate-unreachable")
            : say("moderate-refused", { sentence: call.moderation.refusal.value.sentence })}
        </Trouble>
      )}
      <LockBar lock={call.lock} />
      <KindBar kind={call.kind.now.value} />
      {call.media.savesData.value && (
        <div class="trouble calm" data-testid="saving">
          <p>{say("saving-is-on")}</p>
          <button type="button" onClick={() => call.media.saveData(false)}>
            {say("saving-off")}
          </button>
        </div>
      )}
      <LobbyBar lobby={call.lobby} />
      <CompareBar call={call} />
      {strangers > 0 && <Trouble kind="media">{say("call-strangers", { count: strangers })}</Trouble>}
      {!call.media.mayPlay.value && (
        <div class="trouble calm">
          <p>{say("call-play-lead")}</p>
          <button type="button" onClick={() => void call.media.play()}>
            {say("call-play")}
          </button>
        </div>
      )}
      <ConnectionBars call={call} />
      <div class="middle">
        <Stage call={call} />
        {call.beside.value === "readers" && <Panel call={call} />}
        {call.beside.value === "announcements" && <AnnouncementsPanel onClose={() => (call.beside.value = null)} />}
        {call.beside.value === "gear" && <GearPanel gear={call.gear} onBlur={(on) => void call.blur(on)} onClose={() => (call.beside.value = null)} />}
        {call.beside.value === "invite" && call.invite && <InvitePanel invite={call.invite} onClose={() => (call.beside.value = null)} />}
        {call.beside.value === "chat" && (
          <ChatPanel call={call} onClose={() => (call.beside.value = null)} />
        )}
      </div>
      {tiles.flatMap((tile) => tile.sounds.map((sound, index) => <Sound key={`${tile.key} ${index}`} of={sound} />))}
      <AnnouncementsLog announcements={call.announcements} />
      <Controls call={call} onLeave={onLeave} />
    </div>
  );
}

function Controls({ call, onLeave }: { call: Call; onLeave: () => void }) {
  const { on } = call.media;
  const unread = call.chat.unread.value + call.private.unread.value;
  const toggle = (source: Source) => (
    <button
      type="button"
      class={on.value[source] ? "control" : "control off"}
      aria-pressed={on.value[source]}
      aria-busy={call.busy.value[source]}
      data-testid={`call-${source}`}
      onClick={() => void call.toggle(source)}
    >
      <Icon name={on.value[source] === (source !== "screen") ? source : `${source}-off`} />
      <span>{say(`call-${source}-${on.value[source] ? "off" : "on"}`)}</span>
    </button>
  );
  return (
    <div class="controls" role="group" aria-label={say("call-controls")}>
      {call.offers("microphone") && toggle("microphone")}
      {call.offers("camera") && toggle("camera")}
      {call.offers("screen") && "getDisplayMedia" in navigator.mediaDevices && (on.value.screen ? toggle("screen") : <Share call={call} />)}
      <button
        type="button"
        class={call.isHandUp.value ? "control raised" : "control off"}
        aria-pressed={call.isHandUp.value}
        data-testid="call-hand"
        onClick={() => void call.toggleHand()}
      >
        <Icon name="hand" />
        <span>{say(call.isHandUp.value ? "call-hand-down" : "call-hand-up")}</span>
      </button>
      <Signs call={call} />
      <LayoutMenu call={call} />
      <button
        type="button"
        class="control off"
        aria-expanded={call.beside.value === "chat"}
        data-testid="call-chat"
        onClick={() => call.show("chat")}
      >
        <Icon name="chat" />
        <span>{say("chat-title")}</span>
        {unread > 0 && (
          <>
            <span class="count" aria-hidden="true">
              {unread}
            </span>
            <span class="unseen" {...live("chat")}>
              {say("chat-unread", { count: unread })}
            </span>
          </>
        )}
      </button>
      <button type="button" class="control leave" aria-busy={call.isLeaving.value} data-testid="call-leave" onClick={onLeave}>
        <Icon name="leave" />
        <span>{say(call.isLeaving.value ? "call-leaving" : "call-leave")}</span>
      </button>
      <Menu label={say("moderate-call")} entries={more(call)} />
    </div>
  );
}

/** What is wanted seldom. */
function more(call: Call): (Entry | Elsewhere)[] {
  const entries: (Entry | Elsewhere)[] = [
    { text: say("gear-title"), run: () => call.show("gear") },
    { text: say("announcements-title"), run: () => call.show("announcements") },
  ];
  if (call.mayInvite.value) entries.push({ text: say("invite-title"), run: () => call.show("invite") });
  if (!call.media.savesData.value) entries.push({ text: say("saving-on"), run: () => call.media.saveData(true) });
  if (call.kind.mayChoose.value) {
    for (const kind of KINDS.filter((each) => each !== call.kind.now.value)) {
      entries.push({ text: say(`kind-${kind}`), ...(kind !== "pictures" && { ask: say(`kind-${kind}-ask`) }), run: () => void call.kind.choose(kind) });
    }
  }
  if (call.lock.mayTurn.value && !call.lock.isLocked.value) entries.push({ text: say("lock-on"), run: () => void call.lock.turn(true) });
  if (call.moderation.isModerator.value) {
    entries.push({ text: say("moderate-end"), ask: say("moderate-end-ask"), run: () => void call.moderation.endForAll() });
  }
  entries.push({ text: say("privacy"), address: privacyAddress() });
  return entries;
}

/** What of one's screen to share: a window or a tab, or, after a warning, everything on it. */
function Share({ call }: { call: Call }) {
  return (
    <Menu
      label={say("call-screen-on")}
      icon="screen"
      isBusy={call.busy.value.screen}
      entries={[
        { text: say("share-part"), run: () => void call.share("part") },
        { text: say("share-whole"), ask: say("share-whole-ask"), run: () => void call.share("whole") },
      ]}
    />
  );
}

/** Signs for a moment, on one's own tile. */
function Signs({ call }: { call: Call }) {
  const entries = SIGNS.map(({ sign, name }) => ({ text: `${sign} ${say(`sign-${name}`)}`, run: () => void call.react(sign, name) }));
  return <Menu label={say("call-react")} icon="react" entries={entries} />;
}

/** Whether it follows from what one did, and may be waved away. */
function isAnswer({ kind }: CallTrouble): boolean {
  return kind === "device" || kind === "hand" || kind === "sign" || kind === "lock" || kind === "presenters" || kind === "meeting";
}

function sentence(trouble: CallTrouble): string {
  switch (trouble.kind) {
    case "device":
      return say(`device-${trouble.problem}`, { device: say(`device-${trouble.source}`) });
    case "hand":
      return say("call-hand-failed");
    case "sign":
      return say("call-sign-failed");
    case "locked":
      return say("lock-out");
    case "lock":
      return say("lock-failed");
    case "presenters":
      return say("presenters-failed");
    case "meeting":
      return say("kind-failed");
    case "offline":
      return say("call-offline");
    case "homeserver":
      return say("call-homeserver");
    case "link":
      return say(`link-${trouble.problem?.kind ?? "unreachable"}`, {
        sentence: trouble.problem?.kind === "refused" ? trouble.problem.sentence : "",
      });
  }
}

function useKeys(call: Call): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (!shortcuts.value || isTaken(event, WRITING) || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
      if (event.key === " " && !isTaken(event, PRESSABLE)) {
        event.preventDefault();
        void call.pushToTalk(true);
      }
      const key = event.key.toLowerCase();
      if (arrangeByKey(call, key)) event.preventDefault();
      const wanted = KEYS[key];
      if (wanted === "hand") void call.toggleHand();
      else if (wanted) void call.toggle(wanted);
    };
    const letGo = (event: Event): void => {
      if (event.type === "blur" || (event as KeyboardEvent).key === " ") void call.pushToTalk(false);
    };
    addEventListener("keydown", press);
    addEventListener("keyup", letGo);
    // Whoever turns to another window has let go, though nobody tells.
    addEventListener("blur", letGo);
    return () => {
      removeEventListener("keydown", press);
      removeEventListener("keyup", letGo);
      removeEventListener("blur", letGo);
    };
  }, [call]);
}

/** Where keys mean letters, and where the space bar presses something. */
const WRITING = "input, textarea, select, [contenteditable]";
const PRESSABLE = "button, summary, a, dialog";

function isTaken({ target }: KeyboardEvent, by: string): boolean {
  return target instanceof Element && target.closest(by) !== null;
}
