// Where tiles stand: all alike, who speaks big, or one that somebody has chosen. What is not shown is not received as a picture; everybody
// is heard, shown or not.

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { type Clock, Floor } from "./floor.ts";
import type { Tile } from "./tiles.ts";

/** All alike; who speaks is big; what one has chosen is big. */
export type Layout = "grid" | "speaker" | "spotlight";

export const LAYOUTS: readonly Layout[] = ["grid", "speaker", "spotlight"];

/** Tiles at once at most, and beside something big, and on a small screen. */
export const TILES_MAX = 25;
export const STRIP_MAX = 8;
export const SMALL_MAX = 8;

/** Tiles that can be pinned. */
export const PINS_MAX = 6;

/** What is shown now. No tile is in it twice. */
export interface View {
  /** Always there, and always at the same place. */
  interpreter: Tile | null;
  big: Tile[];
  /** One page of all others; pinned ones are first on every page. */
  others: Tile[];
  /** From 0. */
  page: number;
  pages: number;
  /** People who speak and are not shown. */
  unseen: Tile[];
}

export class Arrangement {
  readonly layout = signal<Layout>("grid");
  /** Whether the screen has room for few tiles only. */
  readonly isSmall = signal(false);
  private readonly spotlight = signal<string | null>(null);
  private readonly pins = signal<readonly string[]>([]);
  private readonly interpreter = signal<string | null>(null);
  private readonly wantedPage = signal(0);
  private readonly floor: Floor;
  private readonly stopHearing: () => void;
  readonly view: ReadonlySignal<View>;

  constructor(
    private readonly tiles: ReadonlySignal<Tile[]>,
    clock: Clock,
  ) {
    this.floor = new Floor(clock);
    this.view = computed(() => this.arrange());
    this.stopHearing = effect(() => {
      const people = this.tiles.value.filter(({ isOwn, isScreen }) => !isOwn && !isScreen);
      const speaking = people.filter(({ isSpeaking }) => isSpeaking);
      untracked(() => this.floor.hear(keysOf(people), keysOf(speaking)));
    });
  }

  choose(layout: Layout): void {
    this.layout.value = layout;
    this.wantedPage.value = 0;
  }

  /** The next layout. */
  cycle(): void {
    this.choose(LAYOUTS[(LAYOUTS.indexOf(this.layout.value) + 1) % LAYOUTS.length] ?? "grid");
  }

  /** Has one tile be big, or, if it is the one that was chosen, none any more. */
  light(key: string): void {
    const isLit = this.isLit(key);
    this.spotlight.value = isLit ? null : key;
    this.choose(isLit ? "grid" : "spotlight");
  }

  /** Has a tile be the first on every page, or takes that back. */
  pin(key: string): void {
    const pins = this.pins.value;
    this.pins.value = pins.includes(key) ? pins.filter((each) => each !== key) : [...pins, key].slice(-PINS_MAX);
  }

  /** Has the tile of whoever interprets stand where it always stands, or takes that back. There is one. */
  interpret(key: string): void {
    this.interpreter.value = this.isInterpreter(key) ? null : key;
  }

  isLit(key: string): boolean {
    return this.layout.value === "spotlight" && this.spotlight.value === key;
  }

  isPinned(key: string): boolean {
    return this.pins.value.includes(key);
  }

  isInterpreter(key: string): boolean {
    return this.interpreter.value === key;
  }

  turnPage(by: 1 | -1): void {
    const { page, pages } = this.view.value;
    this.wantedPage.value = Math.min(pages - 1, Math.max(0, page + by));
  }

  close(): void {
    this.stopHearing();
  }

  private arrange(): View {
    const tiles = this.tiles.value;
    const interpreter = tiles.find(({ key }) => key === this.interpreter.value) ?? null;
    const free = tiles.filter((tile) => tile !== interpreter);
    const big = this.bigOf(free);
    const rest = free.filter((tile) => !big.includes(tile));
    const pinned = rest.filter(({ key }) => this.isPinned(key));
    const paged = rest.filter(({ key }) => !this.isPinned(key));
    const most = big.length > 0 ? STRIP_MAX : this.isSmall.value ? SMALL_MAX : TILES_MAX - (interpreter ? 1 : 0);
    const size = Math.max(1, most - pinned.length);
    const pages = Math.max(1, Math.ceil(paged.length / size));
    const page = Math.min(this.wantedPage.value, pages - 1);
    const others = [...pinned, ...paged.slice(page * size, (page + 1) * size)];
    const shown = keysOf([...big, ...others, ...(interpreter ? [interpreter] : [])]);
    return { interpreter, big, others, page, pages, unseen: free.filter(({ key, isSpeaking }) => isSpeaking && !shown.has(key)) };
  }

  /** A shared screen is always big, unless one has chosen something else. */
  private bigOf(tiles: Tile[]): Tile[] {
    const screens = tiles.filter(({ isScreen }) => isScreen);
    if (this.layout.value === "grid") return screens;
    const chosen = tiles.find(({ key }) => key === this.spotlight.value);
    if (this.layout.value === "spotlight" && chosen) return [chosen];
    if (this.layout.value === "spotlight" && screens.length > 0) return screens;
    const people = tiles.filter(({ isScreen }) => !isScreen);
    // Until somebody speaks it is whoever came first, others before oneself.
    const speaker = people.find(({ key }) => key === this.floor.of.value) ?? people[0];
    return people.length > 1 && speaker ? [...screens, speaker] : screens;
  }
}

function keysOf(tiles: Tile[]): Set<string> {
  return new Set(tiles.map(({ key }) => key));
}
