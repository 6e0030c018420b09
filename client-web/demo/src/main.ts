// The page: a lobby, then a call, then the lobby again. What the call is lives in call.ts, how it looks in view.ts.

import { Call, type CallState, type Seat } from "./call.ts";
import { element, fill } from "./element.ts";
import { type CallLink, newKey, readLink, writeLink } from "./link.ts";
import { lobby, type LobbyChoice, problemBar, stage } from "./view.ts";
import { language, say } from "./words.ts";

const NAME = "hanse-demo-name";

document.documentElement.lang = language;
document.title = say("title");

const app = document.getElementById("app");
if (!app) throw new Error("the page has no #app");

const call = new Call();
const problem = problemBar(() => call.dismissProblem());
const news = element("p", { className: "unseen" });
news.setAttribute("role", "status");
const place = element("div", { className: "place" });
app.append(problem.root, place, news);

let link = readLink(new URL(location.href));
let shown: { root: HTMLElement; update(state: CallState): void; focus(): void };
showLobby();

call.onPerson = (name, change) => fill(news, say(change === "joined" ? "personJoined" : "personLeft", { name }));
call.onChange = (state) => {
  const inCall = shown.root.classList.contains("call");
  if (state.phase === "call" && !inCall) show(stage(call, link, () => void copyLink()));
  if (state.phase !== "call" && inCall) showLobby();
  shown.update(state);
  problem.update(state.problem);
};

function show(next: typeof shown): void {
  shown = next;
  place.replaceChildren(next.root);
  next.focus();
}

function showLobby(): void {
  show(lobby(link, sessionStorage.getItem(NAME) ?? "", (choice) => void join(choice)));
}

async function join({ name, room, encrypted }: LobbyChoice): Promise<void> {
  sessionStorage.setItem(NAME, name);
  link = { room, key: encrypted ? (link.key ?? newKey()) : null };
  history.replaceState(null, "", writeLink(new URL(location.href), link));
  await call.join(() => takeSeat(name, link));
}

async function takeSeat(name: string, { room, key }: CallLink): Promise<Seat> {
  const reply = await fetch(`token?${new URLSearchParams({ room, name })}`);
  if (!reply.ok) throw new Error(await reply.text());
  const { sfu, token } = (await reply.json()) as { sfu: string; token: string };
  return { sfu, token, key };
}

async function copyLink(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    fill(news, say("linkCopied"));
  } catch {
    fill(news, say("linkNotCopied"));
  }
  // Shown for those who see, too; it goes by itself with the next news.
  news.classList.remove("unseen");
  setTimeout(() => news.classList.add("unseen"), 4000);
}
