// The page: without a person in its address a list of people, with one that person's call.

import { type Demo, type DemoPerson, readDemo, readWish, type Wish } from "./demo.ts";
import { refusal, roomOf, signIn } from "./session.ts";
import { openElementCall } from "./widget.ts";
import { language, say } from "./words.ts";

document.documentElement.lang = language;
document.title = say("title");

const app = document.getElementById("app");
if (!app) throw new Error("the page has no #app");
void start(app, readWish(new URL(location.href)));

async function start(root: HTMLElement, wish: Wish): Promise<void> {
  let demo: Demo;
  try {
    demo = await readDemo();
  } catch {
    return void root.replaceChildren(make("main", { className: "place" }, trouble(say("noDemo"), again())));
  }
  if (wish.person === null) return void root.replaceChildren(choice(demo));
  const person = demo.people.find((each) => each.user === wish.person);
  const room = wish.room ?? demo.room;
  if (!person || room === null) {
    const sentence = trouble(say("nobody", { name: wish.person }), make("a", { href: "./" }, say("others")));
    return void root.replaceChildren(make("main", { className: "place" }, sentence));
  }
  await showCall(root, person, room, wish.mode);
}

/** Everybody, by organisation; each opens in a tab of their own. */
function choice({ people }: Demo): HTMLElement {
  const titles = [...new Set(people.map((each) => each.organisation))];
  const organisations = titles.map((title) => {
    const list = make("ul", {});
    for (const { user, name } of people.filter((each) => each.organisation === title)) {
      const link = make("a", { href: `?${new URLSearchParams({ person: user })}`, target: "_blank", rel: "noopener" }, say("joins", { name }));
      list.append(make("li", {}, link));
    }
    return make("section", { className: "organisation" }, make("h2", {}, title), list);
  });
  const heading = make("h1", {}, say("title"));
  const lead = make("p", { className: "lead" }, say("lead"));
  const all = make("div", { className: "organisations" }, ...organisations);
  return make("main", { className: "choice" }, make("div", {}, heading, lead, all));
}

async function showCall(root: HTMLElement, person: DemoPerson, roomId: string, mode: string): Promise<void> {
  const { name, organisation } = person;
  document.title = `${name} · ${organisation}`;
  const roomName = make("span", { className: "room" });
  const others = make("a", { href: "./" }, say("others"));
  const bar = make("header", { className: "bar" }, make("h1", {}, `${name} · ${organisation}`), roomName, others);
  const place = make("main", { className: "place" });
  root.replaceChildren(bar, place);
  try {
    place.replaceChildren(notice(say("signingIn", { organisation })));
    const client = await signIn(person);
    place.replaceChildren(notice(say("loading")));
    const room = await roomOf(client, roomId);
    roomName.textContent = room.name;
    const open = (): void => openElementCall(client, room, mode, place, left);
    const left = (): void => place.replaceChildren(notice(say("left"), button(say("again"), open)));
    open();
  } catch (error) {
    const detail = refusal(error);
    const sentence = detail === null ? say("unreachable", { organisation }) : say("refused", { organisation, detail });
    place.replaceChildren(trouble(sentence, again()));
    // Whoever looks closer finds the rest here.
    console.error(error);
  }
}

function notice(text: string, ...more: HTMLElement[]): HTMLElement {
  const shown = make("div", { className: "notice" }, make("p", {}, text), ...more);
  shown.setAttribute("role", "status");
  return shown;
}

function trouble(text: string, way: HTMLElement): HTMLElement {
  const shown = make("div", { className: "notice trouble" }, make("p", {}, text), way);
  shown.setAttribute("role", "alert");
  return shown;
}

function again(): HTMLElement {
  return button(say("retry"), () => location.reload());
}

function button(text: string, onClick: () => void): HTMLElement {
  const made = make("button", { type: "button" }, text);
  made.addEventListener("click", onClick);
  return made;
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
