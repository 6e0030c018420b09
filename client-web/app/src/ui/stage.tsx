// Where tiles stand. The interpreter's place is its own, so that nothing else moves it.

import { useEffect } from "preact/hooks";
import type { Call } from "../state/call.ts";
import { type Layout, LAYOUTS } from "../state/layout.ts";
import { say } from "../words/words.ts";
import { live } from "./announcements.tsx";
import { Menu } from "./menu.tsx";
import { TileView } from "./tile.tsx";

/** Screens with room for few tiles only. */
const SMALL = "(max-width: 44rem)";

/** With so many columns tiles are narrow on larger screens, too. */
const NARROW_FROM = 5;

export function Stage({ call }: { call: Call }) {
  const { arrangement } = call;
  useEffect(() => {
    const query = matchMedia(SMALL);
    const look = (): void => void (arrangement.isSmall.value = query.matches);
    look();
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, [arrangement]);
  const { interpreter, big, others, page, pages, unseen } = arrangement.view.value;
  const columns = columnsFor(others.length);
  // Beside their menu names would be cut: it stands above them.
  const isNarrow = arrangement.isSmall.value || columns >= NARROW_FROM;
  const isAlone = call.people.value === 1;
  return (
    <main class="tiles" aria-label={say("call-people")}>
      <div class={big.length > 0 ? "stage shared" : "stage"}>
        {big.length > 0 && (
          <div class="big" data-testid="big">
            {big.map((tile) => (
              <TileView key={tile.key} tile={tile} call={call} />
            ))}
          </div>
        )}
        <ul class={`people c${columns}${isNarrow ? " narrow" : ""}`} data-testid="others">
          {others.map((tile) => (
            <li key={tile.key}>
              <TileView tile={tile} call={call} />
            </li>
          ))}
        </ul>
        {pages > 1 && (
          <nav class="pages" aria-label={say("layout-pages")}>
            <button type="button" disabled={page === 0} data-testid="page-before" onClick={() => arrangement.turnPage(-1)}>
              {say("layout-before")}
            </button>
            <span role="status">{say("layout-page", { page: page + 1, pages })}</span>
            <button type="button" disabled={page === pages - 1} data-testid="page-after" onClick={() => arrangement.turnPage(1)}>
              {say("layout-after")}
            </button>
            {unseen.length > 0 && <span class="hint">{say("layout-unseen", { names: unseen.map(({ name }) => name).join(", ") })}</span>}
          </nav>
        )}
      </div>
      {interpreter && (
        <section class="interpreter" aria-label={say("layout-interpreter")} data-testid="interpreter">
          <TileView tile={interpreter} call={call} />
        </section>
      )}
      {isAlone && (
        <p class="alone" {...live("people")}>
          {say("call-alone")}
        </p>
      )}
    </main>
  );
}

/** The choice of a layout; what is chosen is announced, by whatever it was chosen. */
export function LayoutMenu({ call }: { call: Call }) {
  const { arrangement } = call;
  const now = arrangement.layout.value;
  const entries = LAYOUTS.map((layout: Layout) => ({
    text: say(`layout-${layout}`),
    isChosen: layout === now,
    run: () => arrangement.choose(layout),
  }));
  return (
    <>
      <Menu label={say("layout-title")} icon="layout" entries={entries} />
      <span class="unseen" role="status" data-testid="layout-now">
        {say("layout-now", { layout: say(`layout-${now}`) })}
      </span>
    </>
  );
}

/** Of tiles, about as many columns as rows. */
function columnsFor(count: number): number {
  return Math.max(1, Math.ceil(Math.sqrt(count)));
}

/** Keys of the arrangement; whether one was taken. */
export function arrangeByKey(call: Call, key: string): boolean {
  const { arrangement } = call;
  if (key === "l") arrangement.cycle();
  else if (key === "pageup") arrangement.turnPage(-1);
  else if (key === "pagedown") arrangement.turnPage(1);
  else return false;
  return true;
}

