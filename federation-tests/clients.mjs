// What works with which client, by the tests that show it: the source of docs/clients.md.
//
//   node clients.mjs            writes the page
//   node clients.mjs --check    fails when the page is another one
//
// A proof is the title of a test or of a step; the file must have it, so that a claim cannot outlive its test.
import { readFile, writeFile } from "node:fs/promises";

/** The columns. Each client is what `package.json` or `requirements.txt` pins, in a browser that Debian brings. */
const CLIENTS = {
  chromium: "livekit-client, Chromium",
  older: "older livekit-client, Chromium",
  firefox: "livekit-client, Firefox ESR",
  python: "Python SDK",
  node: "SDK for Node.js",
};

const BACKUP = "tests/backup.test.mjs";
const CALL = "tests/call.test.mjs";
const CODECS = "tests/codecs.test.mjs";
const DATA = "tests/data.test.mjs";
const DUAL = "tests/dual.test.mjs";
const FIREFOX = "tests/firefox.test.mjs";
const LAYERS = "tests/layers.test.mjs";
const LINK = "tests/link.test.mjs";
const NODE = "tests/rtc-node.test.mjs";
const PERMISSIONS = "tests/permissions.test.mjs";
const PYTHON = "tests/python.test.mjs";
const PYTHON_LINK = "tests/python-link.test.mjs";
const RATE = "tests/rate.test.mjs";
const REFUSALS = "tests/refusals.test.mjs";
const RESUME = "tests/resume.test.mjs";
const ROAMING = "tests/roaming.test.mjs";
const SOUND = "tests/sound.test.mjs";
const TCP = "tests/tcp.test.mjs";
const VERSIONS = "tests/versions.test.mjs";
const WALLED = "tests/walled.test.mjs";

const PYTHON_BOTH_WAYS = "people with the Python SDK and with browsers see and hear each other, ${encryption}";
const PYTHON_BAD_LINK =
  "the Python SDK hears and sees everything over a link that loses, and over a narrow one a smaller picture, with ${form}";
const NODE_BOTH_WAYS = "people with the Node SDK, with Python and with Chromium see and hear each other, ${encryption}";
const OLDER_BOTH_WAYS =
  "people with older versions of livekit-client, with the present one and with Python hold a call, ${encryption}";
const FIREFOX_IN_CLEAR = "people with Firefox, Chromium and Python see and hear each other, and nobody themselves, without encryption";
const FIREFOX_SEALED =
  "people with Firefox and two peer connections and people with one see and hear each other, with frame encryption";

/** The rows: what a client does, and which test of which file shows it, by client; a third word limits it. */
const FEATURES = [
  {
    what: "Camera and microphone, both ways",
    proofs: {
      chromium: [CALL, "three people see and hear each other, and nobody receives their own media, ${encryption}"],
      older: [VERSIONS, OLDER_BOTH_WAYS],
      firefox: [FIREFOX, FIREFOX_IN_CLEAR],
      python: [PYTHON, PYTHON_BOTH_WAYS],
      node: [NODE, NODE_BOTH_WAYS],
    },
  },
  {
    what: "The same with frame encryption, with a key that everybody has",
    proofs: {
      chromium: [CALL, "three people see and hear each other, and nobody receives their own media, ${encryption}"],
      older: [VERSIONS, OLDER_BOTH_WAYS],
      firefox: [FIREFOX, FIREFOX_SEALED],
      python: [PYTHON, PYTHON_BOTH_WAYS],
      node: [NODE, NODE_BOTH_WAYS],
    },
  },
  {
    what: "Being told whether a track is encrypted",
    proofs: {
      chromium: [CALL, "everybody is told truthfully whether tracks are encrypted"],
      older: [VERSIONS, OLDER_BOTH_WAYS],
      firefox: [FIREFOX, "everybody is told truthfully whether tracks are encrypted"],
      python: [PYTHON, "a browser sees and hears Python, and Python sees and hears the browser"],
      node: [NODE, "Chromium and Python come, and everybody sees and hears everybody who publishes"],
    },
  },
  {
    what: "Showing a screen beside the camera, and ending it",
    proofs: {
      chromium: [CALL, "an unpublished screen goes, the camera stays"],
      firefox: [FIREFOX, "an unpublished screen goes, the camera stays"],
    },
  },
  {
    what: "Seeing the screen of somebody else beside their camera",
    proofs: {
      chromium: [CALL, "a screen arrives beside the camera"],
      firefox: [FIREFOX, "a screen from Firefox arrives beside the camera"],
      python: [FIREFOX, "a screen from Firefox arrives beside the camera"],
    },
  },
  {
    what: "Muting a microphone, and making it heard again",
    proofs: {
      chromium: [CALL, "a muted microphone falls silent for the others, who are told; the rest is heard on"],
      older: [VERSIONS, "microphones that are muted fall silent for everybody else, and are heard again"],
      firefox: [FIREFOX, "a microphone that is muted in Firefox falls silent, and is heard again"],
    },
  },
  {
    what: "Coming and going often: the newcomer and the others see and hear each other every time",
    proofs: {
      chromium: [FIREFOX, "whoever comes into a room with Firefox is seen and heard by everybody, and sees and hears them, with frame encryption"],
      firefox: [FIREFOX, "whoever comes into a room with Firefox is seen and heard by everybody, and sees and hears them, with frame encryption"],
    },
  },
  {
    what: "Leaving: the others are told and go on",
    proofs: {
      chromium: [CALL, "one who leaves is gone for the others at once, and they go on"],
      older: [VERSIONS, "those with older versions leave, which the others are told, and come back"],
      firefox: [FIREFOX, "one who leaves is gone for the others, and may come back"],
      python: [PYTHON, "one who leaves is gone for the others"],
      node: [NODE, "one who leaves is gone for the others, who go on"],
    },
  },
  {
    what: "Publishing a camera in layers (simulcast), of which unwatched ones rest",
    proofs: {
      chromium: [LAYERS, "each subscriber gets the layer that fits their tile, and unwatched layers rest, ${encryption}"],
      firefox: [FIREFOX, "who watches a simulcast from Firefox gets the layer that fits, also after Firefox was told to rest the others"],
    },
  },
  {
    what: "Getting the layer that fits the tile",
    proofs: {
      chromium: [LAYERS, "each subscriber gets the layer that fits their tile, and unwatched layers rest, ${encryption}"],
      firefox: [FIREFOX, "a large tile gets the high layer and a small one the low layer, at the same time"],
    },
  },
  {
    what: "Camera, microphone, muting, leaving and coming back with two peer connections (the older form, `/rtc`), beside people with one",
    proofs: {
      chromium: [DUAL, "people of both forms, with browsers and with Python, see and hear each other, ${encryption}"],
      older: [VERSIONS, OLDER_BOTH_WAYS],
      firefox: [FIREFOX, FIREFOX_SEALED],
      python: [DUAL, "people of both forms, with browsers and with Python, see and hear each other, ${encryption}"],
    },
  },
  {
    what: "Publishing H264, VP9 and AV1 instead of VP8 (AV1 without frame encryption)",
    proofs: { chromium: [CODECS, "${codec} arrives as ${codec}, ${encryption}"] },
  },
  {
    what: "Being shown VP9 and AV1 with layers in one stream (SVC)",
    proofs: {
      chromium: [CODECS, "${codec} arrives as ${codec}, ${encryption}"],
      firefox: [FIREFOX, "Firefox in both forms is shown ${codec} with layers from Chromium, ${encryption}"],
    },
  },
  {
    what: "Getting the layer that fits the tile of H264, VP9 and AV1, too",
    proofs: { chromium: [CODECS, "${codec} arrives as ${codec}, ${encryption}"] },
  },
  {
    what: "H264 and VP9 with two peer connections",
    proofs: { chromium: [CODECS, "${codec} arrives as ${codec} with two peer connections"] },
  },
  {
    what: "A backup codec for whoever cannot decode a camera in VP9 or AV1, made only as long as somebody needs it",
    proofs: { chromium: [BACKUP, "whoever cannot decode ${codec} gets its backup in VP8, everybody else ${codec}, with ${form}"] },
  },
  {
    what: "Everybody moving to the backup codec once somebody needs it, where the publisher wants that",
    proofs: { chromium: [BACKUP, "where the publisher wants one codec for all, everybody gets the backup once somebody needs it"] },
  },
  {
    what: "Hearing sound that goes with copies against loss (RED), which Firefox is given without them",
    proofs: {
      chromium: [SOUND, "sound has copies against loss for whoever knows them, and is plain for everybody else, with ${form}"],
      firefox: [FIREFOX, "Firefox sends and gets sound without copies against loss, Chromium with them unless it is sealed"],
      python: [SOUND, "sound has copies against loss for whoever knows them, and is plain for everybody else, with ${form}"],
    },
  },
  {
    what: "Being heard and seen, and hearing and seeing, over a link that loses every twentieth datagram",
    proofs: {
      chromium: [LINK, "5 % loss on the way of a speaker and of a listener is neither heard nor seen, with ${form}"],
      python: [PYTHON_LINK, PYTHON_BAD_LINK],
    },
  },
  {
    what: "All of the sound and a smaller picture over a link that falls to 300 kbit/s, and the large one again once it is back",
    proofs: {
      chromium: [RATE, "a link that falls to 300 kbit/s carries the sound and a smaller picture, and the large one when it is back, with ${form}"],
      python: [PYTHON_LINK, PYTHON_BAD_LINK],
    },
  },
  {
    what: "Going on with the session, and with all media, when the socket breaks",
    proofs: {
      chromium: [RESUME, "a broken socket goes on with the session, with ${form}"],
      firefox: [RESUME, "a broken socket of Firefox goes on with the session"],
      python: [RESUME, "the Python SDK goes on, too"],
    },
  },
  {
    what: "Going on with the session in another network (Wi-Fi to mobile)",
    proofs: {
      chromium: [ROAMING, "whose network is another one, socket and all, comes again and is in the call there, with ${form}"],
    },
  },
  {
    what: "Calls from a network that lets no UDP through",
    proofs: {
      chromium: [TCP, "people without UDP are in a call with others over TCP, with ${form}"],
      firefox: [WALLED, "people with Firefox and the SDKs whose network stops UDP are in a call with others over TCP, with ${form}"],
      python: [WALLED, "people with Firefox and the SDKs whose network stops UDP are in a call with others over TCP, with ${form}"],
      node: [WALLED, "so does somebody with the SDK for Node.js"],
    },
  },
  {
    what: "Stereo",
    proofs: { chromium: [SOUND, "stereo arrives as stereo, from and to people of both forms"] },
  },
  {
    what: "Silence that costs next to nothing (DTX)",
    proofs: { chromium: [SOUND, "a microphone that hears nothing costs next to nothing, unless its owner wants every moment"] },
  },
  {
    what: "Data: packets to all or to some",
    proofs: {
      chromium: [DATA, "people with browsers and with the Python SDK reach each other by data, ${encryption}"],
      older: [VERSIONS, "people with older versions of livekit-client, with the present one and with Python reach each other by data"],
      firefox: [FIREFOX, "Firefox in both forms, Chromium and Python reach each other by data"],
      python: [DATA, "people with browsers and with the Python SDK reach each other by data, ${encryption}"],
    },
  },
  {
    what: "Data: text streams, calls of each other's methods (RPC), data tracks",
    proofs: {
      chromium: [DATA, "people with browsers and with the Python SDK reach each other by data, ${encryption}"],
      older: [VERSIONS, "long texts and calls of methods work with the version of Element Call as with the present one", "texts and methods, with Element Call's"],
      firefox: [FIREFOX, "Firefox in both forms, Chromium and Python reach each other by data"],
      python: [DATA, "people with browsers and with the Python SDK reach each other by data, ${encryption}"],
    },
  },
  {
    what: "Being told who speaks",
    proofs: { chromium: [CALL, "those who make sound are said to speak"] },
  },
  {
    what: "Being replaced by a newer session of the same person",
    proofs: { chromium: [CALL, "somebody who joins again under the same identity replaces their old session, ${encryption}"] },
  },
  {
    what: "Being held to the rights in the token",
    proofs: { chromium: [PERMISSIONS, "whoever may publish a microphone only is refused a camera, and is heard"] },
  },
  {
    what: "Understanding why a join is refused",
    proofs: { chromium: [REFUSALS, "a token that is expired, forged or without the right grant is not allowed in, and a good one is"] },
  },
];

const PAGE = new URL("../docs/clients.md", import.meta.url);
const read = (name) => readFile(new URL(name, import.meta.url), "utf8");

const row = (cells) => `| ${cells.join(" | ")} |`;
const cell = (proof) => (proof ? `[${proof[2] ?? "yes"}](../federation-tests/${proof[0]})` : "not tested");

async function page() {
  const files = new Map();
  for (const { what, proofs } of FEATURES) {
    for (const [file, title] of Object.values(proofs)) {
      if (!files.has(file)) files.set(file, await read(file));
      const isThere = ["`", '"'].some((quote) => files.get(file).includes(`${quote}${title}${quote}`));
      if (!isThere) throw new Error(`clients.mjs: "${what}" is proved by a test that ${file} has not: ${title}`);
    }
  }
  const { devDependencies: packages } = JSON.parse(await read("package.json"));
  const python = /^livekit==(.*)$/m.exec(await read("requirements.txt"))[1];
  const older = Object.values(packages).flatMap((version) => /^npm:livekit-client@(.*)$/.exec(version)?.[1] ?? []);
  const columns = Object.keys(CLIENTS);
  return `<!-- Written by federation-tests/clients.mjs: change it there, then run \`npm run clients\` in that folder. -->
# What works with which client

Hanse's SFU speaks LiveKit's protocol, so every client of LiveKit should work with it unmodified. This page says what is shown rather
than what should be: each *yes* leads to a test that runs the real client against the real server, and judges by what people see and hear.
A cell without one is not known to fail; nobody has shown that it works. The tests run with every change (\`cargo xtask test\`), and
fail when this page says something else than they do.

| Client | Version |
|---|---|
${row(["livekit-client, in Debian's Chromium and Firefox ESR", packages["livekit-client"]])}
${row(["Older livekit-client: the last of version 1, one from before the newer form of the protocol, and Element Call's", older.join(", ")])}
${row(["LiveKit's SDK for Python", python])}
${row(["LiveKit's SDK for Node.js (`@livekit/rtc-node`)", packages["@livekit/rtc-node"]])}

${row(["", ...columns.map((each) => CLIENTS[each])])}
|---${"|---".repeat(columns.length)}|
${FEATURES.map(({ what, proofs }) => row([what, ...columns.map((each) => cell(proofs[each]))])).join("\n")}

Element Call is livekit-client in a page of its own. Its calls between two organisations are tests, too
([organisations](../federation-tests/organisations/organisations.test.mjs)), and so is what it does when its sockets break
([resume](../federation-tests/organisations/resume.mjs)).

## How Firefox differs

- It offers only once it has joined, and its offers restrict header extensions to one direction. It is answered so.
- It pairs no loopback address with another one: a server that can be reached under a loopback address only is out of its reach,
  which matters for tests alone.
- Over TCP, too, it fails a pair of addresses when the answer to its check names an address on loopback as its own. It is told
  where its stream comes from, not where that is taken apart.
- It cannot switch a layer of its camera off. livekit-client makes an unwatched layer tiny instead, and nobody is given it.
- livekit-client publishes neither VP9 nor AV1 with it, though Firefox decodes both. H264 it gets from a plugin that it fetches from
  elsewhere; Debian's has none, so that only the answer to an offer with H264 is tested.

## How older versions of livekit-client differ

- With frame encryption, versions before that of Element Call, such as 1.15.13 and 2.5.10, may show nothing of a
  track that comes in a media section which carried another track before: in Chromium they keep decrypting for the former one. A
  camera that is switched off and on again can stay dark for them. Without frame encryption it arrives.
- Version 1 derives its key, in 100,000 rounds, once it is connected. It reports the frames that come before as \`MissingKey\` and drops
  them; everything after is opened.

## Recorded offers

How each client's offers are answered is tested without the client, too, from offers that were recorded on the wire
([which](../sfu/signal/tests/offers/README.md)): every answer keeps the rules of offer and answer, and each two of the clients get
everything of each other. A client of which there is a recording alone has no column above.

## Other SDKs

The SDKs for Python and Node.js are bindings of LiveKit's SDK for Rust (\`livekit\`): what is shown of them is shown of its WebRTC and its
signalling, though no program in Rust is tested.

LiveKit's SDK for Go 2.16.0 was tried by hand and is in no test that runs with every change, because Go is nothing that developers
of Hanse need. It speaks the older form. It saw and heard people with Chromium of both forms and was seen and heard by them, muted, was
told of mutes and speakers, exchanged packets, a text stream and calls of methods, and left and came back. Its offers are among
the recorded ones.

Not tested: Safari, and LiveKit's SDKs for Swift, Android, Flutter, React Native and Unity.
`;
}

const text = await page();
if (!process.argv.includes("--check")) await writeFile(PAGE, text);
else if ((await readFile(PAGE, "utf8").catch(() => "")) !== text) {
  console.error("docs/clients.md is not what federation-tests/clients.mjs makes of the tests: run `npm run clients` in federation-tests");
  process.exit(1);
}
