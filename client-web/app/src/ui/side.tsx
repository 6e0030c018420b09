// What opens beside a call: it takes the focus, to its heading or to what is marked with `data-first`, and gives it back where it came
// from.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { say } from "../words/words.ts";
import { Icon } from "./icons.tsx";

interface Props {
  title: string;
  /** By which tests find it. */
  name: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Side({ title, name, onClose, children }: Props) {
  const panel = useRef<HTMLElement>(null);
  // Before anything is painted: whoever types on is in it already.
  useLayoutEffect(() => {
    const { current } = panel;
    const opener = document.activeElement;
    const first = current?.querySelector("[data-first]") ?? current?.querySelector("h2");
    if (first instanceof HTMLElement) first.focus({ preventScroll: true });
    return () => {
      // Whoever has gone elsewhere meanwhile stays there.
      if (current?.contains(document.activeElement) && opener instanceof HTMLElement) opener.focus({ preventScroll: true });
    };
  }, []);
  return (
    <aside
      class={`panel ${name}`}
      aria-label={title}
      data-testid={name}
      ref={panel}
      onKeyDown={({ key, target }) => {
        // A menu in it closes first.
        if (key === "Escape" && !(target instanceof Element && target.closest("details[open], dialog"))) onClose();
      }}
    >
      <div class="bar">
        <h2 tabIndex={-1}>{title}</h2>
        <button type="button" class="quiet" aria-label={say("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </aside>
  );
}
