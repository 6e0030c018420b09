// Draws a `CallState`. Elements are kept as long as the thing they show, so that videos run on and focus stays.

import type { Call, CallState, Sound, Tile } from "./call.ts";
import { type Child, element, fill, keyed } from "./element.ts";
import { icon } from "./icons.ts";
import type { CallLink } from "./link.ts";
import type { Device } from "./problem.ts";
import { say, type Word } from "./words.ts";

export interface LobbyChoice {
  name: string;
  room: string;
  encrypted: boolean;
}

/** The form before the call. */
export function lobby(link: CallLink, name: string, onJoin: (choice: LobbyChoice) => void) {
  const nameInput = element("input", { id: "name", value: name, required: true, maxLength: 100, autocomplete: "name" });
  const roomInput = element("input", { id: "room", value: link.room, required: true, maxLength: 100, autocomplete: "off" });
  roomInput.setAttribute("aria-describedby", "room-hint");
  const encrypted = element("input", { id: "encrypted", type: "checkbox", checked: link.key !== null });
  encrypted.setAttribute("role", "switch");
  encrypted.setAttribute("aria-describedby", "encrypted-hint");
  const hint = element("p", { id: "encrypted-hint", className: "hint" });
  const explain = () => fill(hint, say(encrypted.checked ? "encryptionHint" : "encryptionOffHint"));
  encrypted.addEventListener("change", explain);
  explain();
  const submit = element("button", { type: "submit", className: "primary" }, say("join"));
  const form = element(
    "form",
    { className: "card" },
    element("h1", {}, say("title")),
    element("p", { className: "lead" }, say("lead")),
    element("label", { htmlFor: "name" }, say("yourName")),
    nameInput,
    element("label", { htmlFor: "room" }, say("room")),
    roomInput,
    element("p", { id: "room-hint", className: "hint" }, say("roomHint")),
    element("div", { className: "switch" }, encrypted, element("label", { htmlFor: "encrypted" }, say("encryption"))),
    hint,
    submit,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onJoin({ name: nameInput.value.trim(), room: roomInput.value.trim(), encrypted: encrypted.checked });
  });
  return {
    root: element("main", { className: "lobby" }, form),
    update(state: CallState) {
      submit.disabled = state.phase === "joining";
      fill(submit, say(state.phase === "joining" ? "joining" : "join"));
    },
    focus: () => (nameInput.value ? submit : nameInput).focus(),
  };
}

/** The call itself. */
export function stage(call: Call, link: CallLink, onCopy: () => void) {
  const heading = element("h1", { tabIndex: -1 }, link.room);
  const sealed = element("p", { className: link.key === null ? "badge open" : "badge" });
  fill(sealed, icon(link.key === null ? "unlocked" : "locked"), say(link.key === null ? "notSealed" : "sealed"));
  const connection = element("p", { className: "connection" });
  connection.setAttribute("role", "status");
  const sound = button("sound", "hearPeople", () => void call.allowSound());
  const screens = keyed<Tile>(list("screens"), (each) => each.key, drawTile);
  const people = keyed<Tile>(list("people"), (each) => each.key, drawTile);
  const sounds = keyed<Sound>(element("div", { hidden: true }), (each) => each.key, drawSound);
  const alone = element("p", { className: "alone" }, say("alone"));
  const switches = (["microphone", "camera", "screen"] as const).map((device) => deviceSwitch(call, device));
  const controls = element(
    "div",
    { className: "controls" },
    ...switches.map((each) => each.root),
    button("leave", "leave", () => void call.leave(), "leave"),
  );
  controls.setAttribute("role", "group");
  controls.setAttribute("aria-label", say("controls"));

  return {
    root: element(
      "main",
      { className: "call" },
      element("header", {}, heading, sealed, connection, element("div", { className: "spring" }), sound, button("link", "copyLink", onCopy)),
      element("div", { className: "pictures" }, screens.root, people.root, alone),
      controls,
      sounds.root,
    ),
    update(state: CallState) {
      fill(connection, say(state.reconnecting ? "reconnecting" : "connected"));
      connection.classList.toggle("lost", state.reconnecting);
      sound.hidden = state.soundAllowed;
      const shown = state.tiles.filter((each) => !each.screen);
      screens.update(state.tiles.filter((each) => each.screen));
      people.update(shown);
      people.root.style.setProperty("--columns", String(Math.ceil(Math.sqrt(shown.length))));
      alone.hidden = shown.length > 1;
      sounds.update(state.sounds);
      for (const each of switches) each.update(state);
    },
    focus: () => heading.focus(),
  };
}

/** The line for what went wrong; empty when nothing did. */
export function problemBar(onDismiss: () => void) {
  const sentence = element("p", {});
  const dismiss = button("close", "dismiss", onDismiss, "quiet");
  const bar = element("div", { className: "problem", hidden: true }, sentence, dismiss);
  // The live region must be in the page before its text comes.
  const root = element("div", {}, bar);
  root.setAttribute("role", "alert");
  return {
    root,
    update(problem: string | null) {
      bar.hidden = problem === null;
      fill(sentence, problem ?? "");
    },
  };
}

function list(name: "screens" | "people"): HTMLUListElement {
  const root = element("ul", { className: name });
  root.setAttribute("aria-label", say(name));
  return root;
}

function button(picture: Parameters<typeof icon>[0], word: Word, onClick: () => void, className = ""): HTMLButtonElement {
  const label = element("span", {}, say(word));
  const root = element("button", { type: "button", className, title: say(word) }, icon(picture), label);
  root.addEventListener("click", onClick);
  return root;
}

function deviceSwitch(call: Call, device: Device) {
  const root = button(device, device, () => void call.switch(device, !call.state.on[device]));
  root.dataset["device"] = device;
  return {
    root,
    update(state: CallState) {
      root.setAttribute("aria-pressed", String(state.on[device]));
      root.setAttribute("aria-busy", String(state.busy[device]));
      root.classList.toggle("off", !state.on[device]);
    },
  };
}

function drawTile(first: Tile) {
  const video = element("video", { autoplay: true, playsInline: true, muted: true });
  const initial = element("span", { className: "initial" });
  initial.setAttribute("aria-hidden", "true");
  const size = element("span", { className: "size" });
  size.setAttribute("aria-hidden", "true");
  // The size of the picture tells which layer arrives.
  video.addEventListener("resize", () => fill(size, video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : ""));
  const name = element("span", { className: "name" });
  const notes = element("span", { className: "notes" });
  const root = element("li", { className: "tile" }, video, initial, size, element("div", { className: "caption" }, name, notes));
  root.dataset["person"] = first.key;
  let shown: Tile["video"] = null;
  return {
    root,
    update(tile: Tile) {
      if (shown !== tile.video) {
        shown?.detach(video);
        tile.video?.attach(video);
        shown = tile.video;
        if (!shown) fill(size, "");
      }
      video.hidden = shown === null;
      initial.hidden = shown !== null;
      fill(initial, [...tile.name][0]?.toUpperCase() ?? "");
      root.classList.toggle("speaking", tile.speaking && !tile.screen);
      root.classList.toggle("own", tile.own && !tile.screen);
      root.classList.toggle("screen", tile.screen);
      fill(name, title(tile));
      fill(notes, ...remarks(tile));
    },
    remove: () => shown?.detach(video),
  };
}

function title(tile: Tile): string {
  if (tile.screen) return tile.own ? say("yourScreen") : say("screenOf", { name: tile.name });
  return tile.own ? say("you", { name: tile.name }) : tile.name;
}

function remarks(tile: Tile): Child[] {
  if (tile.mismatch === "sealed") return [remark("locked", "undecipherable", true)];
  if (tile.mismatch === "open") return [remark("unlocked", "notSealed", true)];
  if (tile.screen) return [];
  return [
    ...(tile.weak ? [remark("weak", "weak")] : []),
    ...(tile.speaking ? [element("span", { className: "unseen" }, say("speaking"))] : []),
    tile.microphone ? remark("microphone", "unmuted") : remark("muted", "muted"),
  ];
}

function remark(picture: Parameters<typeof icon>[0], word: Word, spelled = false): HTMLElement {
  const label = element("span", { className: spelled ? "" : "unseen" }, say(word));
  return element("span", { className: "note", title: say(word) }, icon(picture), label);
}

function drawSound({ name, screen, audio }: Sound) {
  const root = element("audio", { autoplay: true });
  root.dataset["of"] = screen ? say("screenOf", { name }) : name;
  audio.attach(root);
  return { root, update: () => {}, remove: () => audio.detach(root) };
}
