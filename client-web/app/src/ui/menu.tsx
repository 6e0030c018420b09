// A button with a few things to do behind it. What cannot be taken back is asked about first.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { say } from "../words/words.ts";
import { Icon } from "./icons.tsx";

/** Between a list and its button, in pixels. */
const GAP = 5;

export interface Entry {
  text: string;
  /** The question that comes first, if one does. */
  ask?: string;
  /** Of entries of which one holds: whether this is the one. */
  isChosen?: boolean;
  run: () => void;
}

/** A page that opens in a tab of its own: whoever is in a call stays in it. */
export interface Elsewhere {
  text: string;
  address: string;
}

interface Props {
  label: string;
  entries: (Entry | Elsewhere)[];
  /** With an icon of its own it is one of the controls, and says what it is. */
  icon?: string;
  isBusy?: boolean;
}

export function Menu({ label, entries, icon, isBusy = false }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  const asking = useSignal<Entry | null>(null);
  const close = (): void => {
    if (menu.current) menu.current.open = false;
  };
  const choose = (entry: Entry): void => {
    close();
    // Before what it was on is hidden: a panel or a question gives it back to here.
    menu.current?.querySelector("summary")?.focus();
    if (entry.ask === undefined) entry.run();
    else asking.value = entry;
  };
  useEffect(() => {
    // As a menu of the system: it goes away by a click elsewhere, and by Escape.
    const elsewhere = ({ target }: Event): void => {
      if (target instanceof Node && !menu.current?.contains(target)) close();
    };
    const escape = ({ key }: KeyboardEvent): void => {
      if (key === "Escape" && menu.current?.open) {
        close();
        menu.current.querySelector("summary")?.focus();
      }
    };
    addEventListener("pointerdown", elsewhere);
    addEventListener("focusin", elsewhere);
    addEventListener("keydown", escape);
    // It stands where its button is, which moves on.
    const moved = ({ target }: Event): void => {
      if (target instanceof Node && !menu.current?.contains(target)) close();
    };
    addEventListener("scroll", moved, true);
    const resized = (): void => void (menu.current?.open && place(menu.current));
    addEventListener("resize", resized);
    return () => {
      removeEventListener("resize", resized);
      removeEventListener("scroll", moved, true);
      removeEventListener("pointerdown", elsewhere);
      removeEventListener("focusin", elsewhere);
      removeEventListener("keydown", escape);
    };
  }, []);
  return (
    <>
      <details class="menu" ref={menu} onToggle={({ currentTarget }) => currentTarget.open && place(currentTarget)}>
        <summary class={icon ? "control off" : undefined} aria-label={label} title={label} aria-busy={isBusy}>
          <Icon name={icon ?? "more"} />
          {icon && <span>{label}</span>}
        </summary>
        <ul>
          {entries.map((entry) => (
            <li key={entry.text}>
              {"address" in entry ? (
                <a href={entry.address} target="_blank" rel="noreferrer" onClick={close}>
                  {entry.text}
                </a>
              ) : (
                <button type="button" onClick={() => choose(entry)} {...(entry.isChosen !== undefined && { "aria-pressed": entry.isChosen })}>
                  {entry.text}
                </button>
              )}
            </li>
          ))}
        </ul>
      </details>
      {asking.value && <Question entry={asking.value} onDone={() => (asking.value = null)} />}
    </>
  );
}

/** Puts the list where it is seen whole: above its button if there is room, and never cut by what is around it. */
function place(menu: HTMLElement): void {
  const [button, list] = [menu.querySelector("summary"), menu.querySelector("ul")];
  if (!button || !list) return;
  const from = button.getBoundingClientRect();
  const { width, height } = list.getBoundingClientRect();
  const top = from.top - height - GAP >= 0 ? from.top - height - GAP : Math.min(from.bottom + GAP, innerHeight - height - GAP);
  list.style.top = `${Math.max(GAP, top)}px`;
  list.style.left = `${Math.max(GAP, Math.min(from.right - width, innerWidth - width - GAP))}px`;
}

function Question({ entry, onDone }: { entry: Entry; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onDone} aria-label={entry.ask} data-testid="question">
      <p>{entry.ask}</p>
      <div class="row">
        <button
          type="button"
          class="primary"
          onClick={() => {
            dialog.current?.close();
            entry.run();
          }}
        >
          {say("confirm")}
        </button>
        <button type="button" onClick={() => dialog.current?.close()}>
          {say("refuse")}
        </button>
      </div>
    </dialog>
  );
}
