// The pictures of the book: Hanse's page in headless Chromium, in a call of two organisations, with drawn people before the cameras.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../harness/until.mjs";
import { openBrowser } from "./people.mjs";
import { openPage, openWebPage } from "./web-person.mjs";

const DESK = { width: 1200, height: 760 };
const TELEPHONE = { width: 390, height: 780 };

/** Five encoders and their decoders share the machine. */
const PATIENCE_MS = 120_000;

/** Of JPEG: letters stay sharp, and a picture is some tens of kilobytes. */
const QUALITY = 88;

/** Who is drawn how: the wall, the clothes, the hair, and how large they sit in the picture. */
const LOOKS = {
  alice: { wall: ["#cfe3dc", "#9fc2b4"], clothes: "#1f6f5c", hair: "#3b2b22", skin: "#e7bd9c", size: 1 },
  bob: { wall: ["#e9dfcd", "#c9b896"], clothes: "#42526e", hair: "#8a8a86", skin: "#d9a884", size: 1.1 },
  carol: { wall: ["#d8dcec", "#a9b3d3"], clothes: "#7a3b52", hair: "#1f1a17", skin: "#8d5a3c", size: 0.95 },
  dave: { wall: ["#ecd9d2", "#d0a899"], clothes: "#33373b", hair: "#b5723a", skin: "#efcdb3", size: 1.05 },
  grace: { wall: ["#dfe8d2", "#b4c79a"], clothes: "#b98a2f", hair: "#5b3a26", skin: "#c98f6b", size: 1 },
};

/** Whose pictures these are beside Alice and Bob. */
export const MORE_PEOPLE = [
  { user: "carol", name: "Carol", organisation: "a" },
  { user: "dave", name: "Dave", organisation: "b" },
];

/** Takes them into `folder`. `link` lets guests in. */
export async function takePictures(organisations, { room, link, folder, say }) {
  await mkdir(folder, { recursive: true });
  const browser = await openBrowser();
  const closers = [];
  const scope = { after: (close) => closers.push(close) };
  const here = { organisations, browser, held: [] };
  const wish = { viewport: DESK, deviceScaleFactor: 1, colorScheme: "light" };
  const shoot = async (page, name) => {
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(folder, `${name}.jpg`), type: "jpeg", quality: QUALITY });
    say(`${name}.jpg`);
  };
  const on = async ({ page }, { size = DESK, dark = false }, name) => {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await shoot(page, name);
    await page.setViewportSize(DESK);
    await page.emulateMedia({ colorScheme: "light" });
  };
  const open = async (user) => {
    const person = await openWebPage(here, scope, user, {}, wish);
    await person.page.evaluate(sitBeforeCamera, LOOKS[user]);
    return person;
  };
  try {
    const alice = await open("alice");
    await on(alice, {}, "page-log-in");
    await alice.logIn();
    await alice.page.getByRole("button", { name: "First call" }).waitFor();
    await alice.openRoom("First call");
    await alice.turnOn("microphone", "camera");
    await on(alice, {}, "page-door");
    await alice.join();
    const others = await Promise.all(
      ["carol", "dave"].map(async (user) => {
        const person = await open(user);
        await person.logIn();
        await person.openRoom("First call");
        await person.turnOn("microphone", "camera");
        await person.join();
        return person;
      }),
    );
    const bob = await browser.open(organisations.site.link("bob", { room }), { mark: 2, hertz: 660 });
    await bob.page.frames().find((frame) => frame.url().includes("/element-call/"))?.evaluate(sitBeforeCamera, LOOKS["bob"]);
    await bob.join();

    const grace = await openPage(here, scope, link, {}, wish);
    await grace.page.evaluate(sitBeforeCamera, LOOKS["grace"]);
    await grace.page.getByLabel("Your name").fill("Grace Guest");
    await on(grace, { size: TELEPHONE }, "page-guest");
    await grace.page.getByRole("button", { name: "Ask to be let in" }).click();
    await grace.page.getByRole("heading", { name: "Somebody will let you in" }).waitFor();
    const letIn = alice.page.getByTestId("lobby").getByRole("button", { name: "Let in Grace Guest" });
    await letIn.waitFor();
    await on(alice, {}, "page-knock");
    await letIn.click();
    await grace.page.getByTestId("join").waitFor();
    await grace.turnOn("microphone", "camera");
    await grace.join();
    const present = [alice, ...others, grace];
    for (const { page } of present) {
      await until("everybody is seen", () => page.evaluate(() => [...document.querySelectorAll("[data-testid=tile] video")].filter((video) => video instanceof HTMLVideoElement && video.videoWidth > 0).length >= 5), PATIENCE_MS);
    }
    await others[0].toggle("hand");
    await alice.page.locator("[data-testid=tile] .hand").waitFor();
    await on(alice, {}, "page-call");
    await on(alice, { size: TELEPHONE, dark: true }, "page-call-telephone");
    await alice.page.getByTestId("panel-open").click();
    await alice.page.getByTestId("panel").waitFor();
    await on(alice, { dark: true }, "page-who-can-read");
  } finally {
    for (const close of closers.toReversed()) await close();
    await browser.close();
  }
}

/** In the page: what the camera shows from now on is somebody drawn, who breathes, and the microphone hears nothing. */
function sitBeforeCamera({ wall, clothes, hair, skin, size }) {
  navigator.mediaDevices.getUserMedia = (wanted) => {
    const stream = new MediaStream();
    if (wanted?.audio) stream.addTrack(new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0]);
    if (!wanted?.video) return Promise.resolve(stream);
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    const brush = canvas.getContext("2d");
    const oval = (x, y, width, height, colour) => {
      brush.fillStyle = colour;
      brush.beginPath();
      brush.ellipse(320 + x * size, y, width * size, height * size, 0, 0, 2 * Math.PI);
      brush.fill();
    };
    const draw = () => {
      const breath = 2 * Math.sin(performance.now() / 900);
      const light = brush.createLinearGradient(0, 0, 640, 360);
      light.addColorStop(0, wall[0]);
      light.addColorStop(1, wall[1]);
      brush.fillStyle = light;
      brush.fillRect(0, 0, 640, 360);
      brush.fillStyle = "#ffffff40";
      brush.fillRect(60, 40, 130, 160);
      brush.fillRect(470, 70, 90, 120);
      oval(0, 385 + breath, 150, 125, clothes);
      oval(0, 268 + breath, 34, 50, skin);
      oval(0, 168 + breath, 74, 86, hair);
      oval(0, 190 + breath, 62, 78, skin);
      oval(0, 128 + breath, 66, 38, hair);
    };
    draw();
    setInterval(draw, 100);
    stream.addTrack(canvas.captureStream(10).getVideoTracks()[0]);
    return Promise.resolve(stream);
  };
}
