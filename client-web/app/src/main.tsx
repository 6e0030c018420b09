// The page begins here: the world, where somebody is in it, and what is drawn of that.

import "@preact/signals";
import { render } from "preact";
import { answerWithoutNetwork } from "./script.ts";
import { App } from "./state/app.ts";
import { AppView } from "./ui/app.tsx";
import { keepFocus } from "./ui/focus.ts";
import { world } from "./world.ts";

const root = document.getElementById("app");
if (!root) throw new Error("the page has no #app");
const app = new App(world);
render(<AppView app={app} />, root);
keepFocus(root);
void app.start();
answerWithoutNetwork();
