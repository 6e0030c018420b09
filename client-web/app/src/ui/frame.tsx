// What all pages have: a heading that is told, a line for trouble, the other language.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type Announcement, isTold } from "../state/announcements.ts";
import { choose, language, say } from "../words/words.ts";
import { Icon } from "./icons.tsx";

/** A page of its own. Its heading is where a screen reader begins. */
export function Page({ title, children, wide = false }: { title: string; children: ComponentChildren; wide?: boolean }) {
  return (
    <div class="page">
      <main class={wide ? "card wide" : "card"}>
        <Heading>{title}</Heading>
        {children}
      </main>
      <footer>
        <a href={privacyAddress()} target="_blank" rel="noreferrer">
          {say("privacy")}
        </a>
        <button type="button" class="quiet" lang={language.value === "de" ? "en" : "de"} onClick={() => choose(language.value === "de" ? "en" : "de")}>
          {say("other-language")}
        </button>
      </footer>
    </div>
  );
}

/** Where this server says what it does with people's data, in their language. */
export function privacyAddress(): string {
  return `./privacy?lang=${language.value}`;
}

export function Heading({ children }: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${children} · Hanse`;
    heading.current?.focus({ preventScroll: true });
  }, [children]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

/** `kind`: by which somebody may have quietened it; without, it is told always. */
export function Trouble({ children, onClose, kind }: { children: ComponentChildren; onClose?: () => void; kind?: Announcement }) {
  return (
    <div class="trouble" role="alert" {...(kind && !isTold(kind) && { "aria-live": "off" })}>
      <p>{children}</p>
      {onClose && (
        <button type="button" class="quiet" aria-label={say("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

export function Waiting({ children }: { children: string }) {
  return (
    <div class="page">
      <p class="waiting" role="status">
        {children}
      </p>
    </div>
  );
}
