import { useEffect, useRef } from "preact/hooks";
import { isTold } from "../state/announcements.ts";
import type { Call } from "../state/call.ts";
import { type Chat, type Message, TEXT_MAX } from "../state/chat.ts";
import { language, say } from "../words/words.ts";
import { Trouble } from "./frame.tsx";
import { Icon } from "./icons.tsx";
import { Side } from "./side.tsx";

/** What is written to everybody, and to single people; one of it is shown. */
export function ChatPanel({ call, onClose }: { call: Call; onClose: () => void }) {
  const { current, shown, failed } = call.private;
  const other = shown.value.find(({ userId }) => userId === current.value) ?? null;
  const chat = other ? call.private.chatWith(other.userId) : call.chat;
  const entry = (userId: string | null, text: string, unread: number) => (
    <li key={userId ?? ""}>
      <button type="button" aria-pressed={userId === (other?.userId ?? null)} onClick={() => (current.value = userId)}>
        <bdi>{text}</bdi>
        {unread > 0 && <Unread count={unread} />}
      </button>
    </li>
  );
  return (
    <Side title={say("chat-title")} name="chat" onClose={onClose}>
      {shown.value.length > 0 && (
        <ul class="conversations" aria-label={say("private-conversations")}>
          {entry(null, say("private-everybody"), call.chat.unread.value)}
          {shown.value.map(({ userId, name, unread }) => entry(userId, name, unread))}
        </ul>
      )}
      <p class={other ? "marked" : "hint"} data-testid="chat-readers">
        {other && <Icon name="lock" />}
        {other ? say("private-readers", { name: other.name }) : say(call.session.encrypted ? "chat-sealed" : "chat-unsealed")}
      </p>
      {other && <p class="hint">{say(call.private.onlyAnswers ? "private-room-guest" : "private-room")}</p>}
      {other && failed.value === other.userId && <Trouble onClose={() => (failed.value = null)}>{say(call.private.onlyAnswers ? "private-failed-guest" : "private-failed", { name: other.name })}</Trouble>}
      <Writing key={other?.userId ?? ""} chat={chat} label={other ? say("private-to", { name: other.name }) : say("chat-write")} />
    </Side>
  );
}

function Unread({ count }: { count: number }) {
  return (
    <>
      <span class="count" aria-hidden="true">
        {count}
      </span>
      <span class="unseen">{say("chat-unread", { count })}</span>
    </>
  );
}

function Writing({ chat, label }: { chat: Chat; label: string }) {
  const messages = chat.messages.value;
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => {
    chat.isOpen.value = true;
    return () => void (chat.isOpen.value = false);
  }, [chat]);
  useEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [messages.length]);
  const send = (event: Event): void => {
    event.preventDefault();
    void chat.send();
  };
  return (
    <>
      <div class="log" role="log" aria-live={isTold("chat") ? "polite" : "off"} ref={log}>
        <ol class="messages">
          {messages.map((message) => (
            <MessageView key={message.id} message={message} onAgain={() => void chat.again(message.id)} />
          ))}
        </ol>
      </div>
      {messages.length === 0 && <p class="hint">{say("chat-empty")}</p>}
      <form onSubmit={send}>
        <label>
          {label}
          <textarea
            data-first
            rows={2}
            value={chat.draft.value}
            aria-invalid={chat.isTooLong.value}
            onInput={({ currentTarget }) => (chat.draft.value = currentTarget.value)}
            onKeyDown={(event) => {
              // A line of its own is made with Shift; and Enter that ends a composition sends nothing.
              if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
            }}
          />
        </label>
        {chat.isTooLong.value && <p role="status">{say("chat-too-long", { most: TEXT_MAX })}</p>}
        <button type="submit">{say("chat-send")}</button>
      </form>
    </>
  );
}

function MessageView({ message, onAgain }: { message: Message; onAgain: () => void }) {
  const { name, text, at, isOwn, state } = message;
  const time = new Intl.DateTimeFormat(language.value, { timeStyle: "short" }).format(at);
  return (
    <li class={isOwn ? "message own" : "message"}>
      <span class="hint">
        <bdi>{isOwn ? say("call-you") : name}</bdi> · <time dateTime={new Date(at).toISOString()}>{time}</time>
      </span>
      {state === "sealed" ? <p class="hint">{say("chat-closed")}</p> : <p dir="auto">{text}</p>}
      {state === "sending" && <span class="hint">{say("chat-sending")}</span>}
      {state === "failed" && (
        <button type="button" onClick={onAgain}>
          {say("chat-failed")}
        </button>
      )}
    </li>
  );
}
