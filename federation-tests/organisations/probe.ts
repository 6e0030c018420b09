// What a test puts into every frame of a person's page, before its own scripts: a camera and a microphone whose content tells
// whose they are, a look at what arrives, and at the keys that Element Call is handed by the page around it. Element Call
// itself is untouched, and nothing here knows its code: only the browser's interfaces and the widget API.

import { decodeOpus, decodeVp8 } from "../page/decode.ts";
import { type Picture, read } from "../page/picture.ts";
import { audio, pictureTrack, toneTrack } from "../page/publish.ts";

/** Whose page this is: set by an earlier script. */
export interface Signs {
  mark: number;
  hertz: number;
  width: number;
  height: number;
  fps: number;
  /** Keys of these people do not reach Element Call until they are let through. */
  withholdFrom: string[];
}

/** A message that the widget API hands to a widget (matrix-widget-api, `send_to_device`). */
interface ToDevice {
  type: string;
  sender: string;
  encrypted: boolean;
  content: { keys?: { index: number; key: string } | { index: number; key: string }[] };
}

/** One track that arrives over the network. */
export interface Arriving {
  /** The track's, for as long as its connection lives. */
  id: string;
  kind: "video" | "audio";
  packets: number;
  framesDecoded: number;
  /** When the first frame was shown, as `Date.now()`; 0: none yet. */
  firstFrameAt: number;
  picture: Picture | null;
  width: number;
  /** The strongest tone in Hz; `null` for silence. */
  tone: number | null;
  /** Samples played so far, those invented in place of lost ones, and those of them that are silence. */
  samples: number;
  concealed: number;
  silent: number;
}

const KEY_EVENTS = ["io.element.call.encryption_keys", "org.matrix.msc4143.rtc.encryption_key"];
/** 6 Hz a bin, 170 ms of sound. */
const FFT_SIZE = 8192;
/** Below this level (dB) there is silence. */
const SILENCE_DB = -70;

declare global {
  interface Window {
    hanseSigns: Signs;
    hanseProbe: typeof probe;
  }
}

const signs = window.hanseSigns;
const connections: RTCPeerConnection[] = [];

/** A track that arrives. To listen costs a page time, so nobody does before a test wants to know. */
interface Remote {
  track: MediaStreamTrack;
  firstFrameAt: number;
  firstSoundAt: number;
  analyser?: AnalyserNode;
}

const remote = new Map<string, Remote>();
const keys: ToDevice[] = [];
const withheld: MessageEvent[] = [];
const imported: string[] = [];
let joinClickedAt = 0;

// Element Call says a lot, and each word that a listening program is told costs the page's only thread time: together more than
// a tenth of its first seconds in a call. A person's browser has no listener.
for (const method of ["trace", "debug", "log", "info"] as const) console[method] = () => {};

window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...settings: ConstructorParameters<typeof RTCPeerConnection>) {
    super(...settings);
    connections.push(this);
    this.addEventListener("track", ({ track }) => {
      remote.set(track.id, { track, firstFrameAt: 0, firstSoundAt: 0 });
    });
  }
};

navigator.mediaDevices.getUserMedia = (wish) => {
  const tracks: MediaStreamTrack[] = [];
  if (wish?.video) tracks.push(pictureTrack(signs));
  if (wish?.audio) tracks.push(toneTrack(signs.hertz));
  return Promise.resolve(new MediaStream(tracks));
};

// A page without a widget around it gets keys where nobody sees them; what it does with them goes by the browser.
const importKey = crypto.subtle?.importKey.bind(crypto.subtle) as typeof crypto.subtle.importKey | undefined;
if (importKey) {
  crypto.subtle.importKey = ((format: KeyFormat, material: BufferSource, algorithm: AlgorithmIdentifier, ...more: [boolean, KeyUsage[]]) => {
    const name = typeof algorithm === "string" ? algorithm : algorithm.name;
    if (format === "raw" && name === "HKDF") imported.push(base64(material));
    return (importKey as (...values: unknown[]) => Promise<CryptoKey>)(format, material, algorithm, ...more);
  }) as typeof crypto.subtle.importKey;
}

document.addEventListener(
  "loadeddata",
  ({ target }) => {
    const shown = target instanceof HTMLVideoElement ? remote.get(trackIn(target) ?? "") : undefined;
    if (shown && shown.firstFrameAt === 0) shown.firstFrameAt = Date.now();
  },
  true,
);

document.addEventListener(
  "click",
  ({ target }) => {
    if (target instanceof Element && target.closest('[data-testid="lobby_joinCall"]')) joinClickedAt = Date.now();
  },
  true,
);

// Ahead of the widget's own listener.
window.addEventListener("message", (event: MessageEvent) => {
  const message = event.data as { api?: string; action?: string; data?: ToDevice } | null;
  if (message?.api !== "toWidget" || message.action !== "send_to_device" || !message.data) return;
  if (!KEY_EVENTS.includes(message.data.type)) return;
  if (event.isTrusted && signs.withholdFrom.includes(message.data.sender)) {
    event.stopImmediatePropagation();
    withheld.push(event);
    return;
  }
  keys.push(message.data);
});

const probe = {
  decodeVp8,
  decodeOpus,
  keys: (): ToDevice[] => keys,
  keyMaterial: (): string[] => imported,
  joinClickedAt: (): number => joinClickedAt,
  /** Whose keys were withheld. */
  withheldFrom: (): string[] => [...new Set(withheld.map(({ data }) => (data as { data: ToDevice }).data.sender))],

  /** Hands over the keys that were withheld, and all that come. */
  letKeysThrough(): void {
    signs.withholdFrom = [];
    for (const { data, origin, source } of withheld.splice(0)) {
      window.dispatchEvent(new MessageEvent("message", { data, origin, source }));
    }
  },

  /** What ICE lets the two ends of each connection know each other by: passwords, and names as a STUN message has them. */
  iceCredentials(): string[] {
    return connections.flatMap(({ localDescription, remoteDescription }) => {
      const [here, there] = [localDescription, remoteDescription].map((each) => ({
        name: /^a=ice-ufrag:(\S+)/m.exec(each?.sdp ?? "")?.[1],
        password: /^a=ice-pwd:(\S+)/m.exec(each?.sdp ?? "")?.[1],
      }));
      if (!here?.password || !there?.password) return [];
      return [here.password, there.password, `${here.name}:${there.name}`, `${there.name}:${here.name}`];
    });
  },

  /** Closes every connection, as a client does that begins anew; Element Call is not told. */
  closeConnections(): void {
    for (const each of connections) each.close();
  },

  /** When the first picture of each arriving track was shown. Costs nothing, so one may ask often. */
  firstFrames: (): number[] => [...remote.values()].map((each) => each.firstFrameAt).filter((at) => at > 0),

  /** When each arriving track was heard first, from now on: as `Date.now()`, to 10 ms. */
  listenForFirst(): void {
    setInterval(() => {
      for (const each of remote.values()) {
        if (each.firstSoundAt === 0 && toneOf(each) !== null) each.firstSoundAt = Date.now();
      }
    }, 10);
  },
  firstSounds: (): number[] => [...remote.values()].map((each) => each.firstSoundAt).filter((at) => at > 0),

  /** Kinds of media that have been sent. */
  async sends(): Promise<string[]> {
    const sent = (await entries("outbound-rtp")).filter((entry) => entry.packetsSent > 0);
    return [...new Set(sent.map((entry) => entry.kind as string))].toSorted();
  },

  /** What is counted of every track that arrives on a connection that is not closed. Nobody looks or listens for that. */
  async counts(): Promise<Pick<Arriving, "id" | "kind" | "framesDecoded" | "samples" | "concealed">[]> {
    return (await entries("inbound-rtp")).map((entry) => ({
      id: entry.trackIdentifier,
      kind: entry.kind,
      framesDecoded: entry.framesDecoded ?? 0,
      samples: entry.totalSamplesReceived ?? 0,
      concealed: entry.concealedSamples ?? 0,
    }));
  },

  /** The same, and what is seen and heard. */
  async view(): Promise<Arriving[]> {
    const videos = [...document.querySelectorAll("video")];
    return (await entries("inbound-rtp")).map((entry) => {
      const arriving = remote.get(entry.trackIdentifier);
      const video = videos.find((each) => trackIn(each) === entry.trackIdentifier && each.videoWidth > 0);
      return {
        id: entry.trackIdentifier,
        kind: entry.kind,
        packets: entry.packetsReceived ?? 0,
        framesDecoded: entry.framesDecoded ?? 0,
        firstFrameAt: arriving?.firstFrameAt ?? 0,
        picture: video ? read(video) : null,
        width: entry.frameWidth ?? 0,
        tone: arriving ? toneOf(arriving) : null,
        samples: entry.totalSamplesReceived ?? 0,
        concealed: entry.concealedSamples ?? 0,
        silent: entry.silentConcealedSamples ?? 0,
      };
    });
  },
};
window.hanseProbe = probe;

/** Statistics of one type, of all connections that are not closed. */
async function entries(type: string) {
  const open = connections.filter((each) => each.connectionState !== "closed");
  const reports = await Promise.all(open.map((each) => each.getStats()));
  return reports.flatMap((report) => [...report.values()]).filter((entry) => entry.type === type);
}

function base64(material: BufferSource): string {
  const bytes = ArrayBuffer.isView(material) ? new Uint8Array(material.buffer, material.byteOffset, material.byteLength) : new Uint8Array(material);
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

function trackIn(video: HTMLVideoElement): string | undefined {
  return video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0]?.id : undefined;
}

function analyse(track: MediaStreamTrack): AnalyserNode {
  const analyser = new AnalyserNode(audio(), { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
  new MediaStreamAudioSourceNode(audio(), { mediaStream: new MediaStream([track]) }).connect(analyser);
  return analyser;
}

/** The strongest tone of an arriving track; `null`: it is silent, or has no sound. */
function toneOf(arriving: Remote): number | null {
  if (arriving.track.kind !== "audio") return null;
  arriving.analyser ??= analyse(arriving.track);
  const { analyser } = arriving;
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(spectrum);
  const loudest = spectrum.reduce((best, level, bin) => (level > (spectrum[best] ?? 0) ? bin : best), 0);
  return (spectrum[loudest] ?? -Infinity) > SILENCE_DB ? Math.round((loudest * audio().sampleRate) / FFT_SIZE) : null;
}
