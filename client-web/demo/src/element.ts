// Three small helpers in place of a view library.

export type Child = Node | string;

/** A new element with properties and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Replaces what is in an element. Text that stays the same is left alone, so that screen readers do not repeat it. */
export function fill(target: HTMLElement, ...children: Child[]): void {
  const only = children[0];
  if (children.length === 1 && typeof only === "string" && target.textContent === only) return;
  target.replaceChildren(...children);
}

export interface Drawn<T> {
  root: HTMLElement;
  update(item: T): void;
  /** Called when the item is gone. */
  remove(): void;
}

/** Keeps the children of `root` in step with a list: an item with the same key keeps its element. */
export function keyed<T>(root: HTMLElement, keyOf: (item: T) => string, draw: (item: T) => Drawn<T>) {
  let drawn = new Map<string, Drawn<T>>();
  return {
    root,
    update(items: T[]) {
      const next = new Map<string, Drawn<T>>();
      for (const item of items) {
        const key = keyOf(item);
        const each = drawn.get(key) ?? draw(item);
        each.update(item);
        next.set(key, each);
      }
      for (const [key, each] of drawn) {
        if (next.has(key)) continue;
        each.remove();
        each.root.remove();
      }
      let position = root.firstElementChild;
      for (const each of next.values()) {
        if (each.root === position) position = position.nextElementSibling;
        else root.insertBefore(each.root, position);
      }
      root.hidden = next.size === 0 && root.tagName === "UL";
      drawn = next;
    },
  };
}
