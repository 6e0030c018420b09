// What arrives, judged by its content: pictures are read, tones are measured.

import { RemoteTrack, Track } from "livekit-client";
import { type Picture, read } from "./picture.ts";
import { audio } from "./publish.ts";

/** Length of the spectrum's window: 6 Hz a bin, 170 ms of sound. */
const FFT_SIZE = 8192;
/** Below this level (dB) there is silence. */
const SILENCE_DB = -70;

export interface Received {
  /** Of a picture. */
  width?: number;
  height?: number;
  picture?: Picture | null;
  framesDecoded?: number;
  keyFramesDecoded?: number;
  framesDropped?: number;
  /** Seconds in which it stood still. */
  frozen?: number;
  /** How often it has become another size. */
  resized?: number;
  /** Of a sound: the strongest tone in Hz, `null` for silence. */
  tone?: number | null;
  /** The same of the left side and of the right one. */
  sides?: (number | null)[];
  /** Samples of a sound, and how many of them were made up because nothing came in time. */
  samples?: number;
  concealed?: number;
  packets: number;
  /** Bytes of the packets' payloads. */
  bytes?: number;
  lost: number;
  /** As the receiver names it: "video/VP8". */
  codec: string;
  /** Over which it came: `udp` or `tcp`. */
  transport: string;
  /** The own address to which it came, where the browser tells. */
  address: string;
  /** The whole way, where the browser tells. */
  path: Path;
}

/** The way of media between a client and the server. */
export interface Path {
  /** The type of the own candidate: `host`, `srflx`, `prflx` or `relay`. */
  from: string;
  /** How the relay is reached, if there is one: `udp`, `tcp` or `tls`. */
  relay: string;
  /** `udp` or `tcp`. */
  transport: string;
  /** The server's address and port. */
  to: string;
}

/** Watches one subscribed track until `stop`. */
export interface Watch {
  look(): Promise<Received>;
  stop(): void;
  /** The element in which a video is shown: its size is what an adaptive client asks for. */
  element: HTMLMediaElement;
}

export function watch(track: RemoteTrack): Watch {
  return track.kind === Track.Kind.Video ? watchVideo(track) : watchAudio(track);
}

function watchVideo(track: RemoteTrack): Watch {
  const video = track.attach() as HTMLVideoElement;
  video.muted = true;
  Object.assign(video.style, { width: "160px", height: "90px" });
  document.body.append(video);
  let resized = 0;
  video.addEventListener("resize", () => (resized += 1));
  return {
    element: video,
    async look() {
      const { stats, codec, transport, address, path } = await statistics(track);
      return {
        width: video.videoWidth,
        height: video.videoHeight,
        picture: video.videoWidth === 0 ? null : read(video),
        framesDecoded: stats["framesDecoded"] ?? 0,
        keyFramesDecoded: stats["keyFramesDecoded"] ?? 0,
        framesDropped: stats["framesDropped"] ?? 0,
        frozen: stats["totalFreezesDuration"] ?? 0,
        resized,
        packets: stats["packetsReceived"] ?? 0,
        lost: stats["packetsLost"] ?? 0,
        codec,
        transport,
        address,
        path,
      };
    },
    stop() {
      track.detach(video);
      video.remove();
    },
  };
}

function watchAudio(track: RemoteTrack): Watch {
  // Chromium hands remote sound to Web Audio only while an element plays it, too.
  const element = track.attach();
  element.muted = true;
  const source = new MediaStreamAudioSourceNode(audio(), { mediaStream: new MediaStream([track.mediaStreamTrack]) });
  const [all, left, right] = Array.from({ length: 3 }, () => {
    return new AnalyserNode(audio(), { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
  }) as [AnalyserNode, AnalyserNode, AnalyserNode];
  source.connect(all);
  const splitter = new ChannelSplitterNode(audio(), { numberOfOutputs: 2 });
  source.connect(splitter);
  [left, right].forEach((analyser, side) => splitter.connect(analyser, side));
  return {
    element,
    async look() {
      const { stats, codec, transport, address, path } = await statistics(track);
      return {
        tone: loudest(all),
        sides: [left, right].map(loudest),
        samples: stats["totalSamplesReceived"] ?? 0,
        concealed: (stats["concealedSamples"] ?? 0) - (stats["silentConcealedSamples"] ?? 0),
        packets: stats["packetsReceived"] ?? 0,
        bytes: stats["bytesReceived"] ?? 0,
        lost: stats["packetsLost"] ?? 0,
        codec,
        transport,
        address,
        path,
      };
    },
    stop() {
      source.disconnect();
      track.detach(element);
    },
  };
}

/** The strongest tone in Hz, `null` for silence. */
function loudest(analyser: AnalyserNode): number | null {
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(spectrum);
  const peak = spectrum.reduce((best, level, bin) => (level > (spectrum[best] ?? 0) ? bin : best), 0);
  const tone = (peak * audio().sampleRate) / FFT_SIZE;
  return (spectrum[peak] ?? -Infinity) > SILENCE_DB ? Math.round(tone) : null;
}

interface Statistics {
  stats: Record<string, number>;
  codec: string;
  transport: string;
  address: string;
  path: Path;
}

const NO_PATH: Path = { from: "", relay: "", transport: "", to: "" };

/** The pair of candidates over which a stream comes. Firefox has no statistics of transports, and marks the pair itself. */
function selectedPair(report: RTCStatsReport | undefined, { transportId }: { transportId?: string }) {
  const transport = transportId === undefined ? undefined : report?.get(transportId);
  if (transport) return report?.get(transport.selectedCandidatePairId);
  return [...(report?.values() ?? [])].find(({ type, selected }) => type === "candidate-pair" && selected);
}

async function statistics(track: RemoteTrack): Promise<Statistics> {
  const report = await track.receiver?.getStats();
  for (const entry of report?.values() ?? []) {
    if (entry.type !== "inbound-rtp") continue;
    const pair = selectedPair(report, entry);
    const [near, far] = [report?.get(pair?.localCandidateId), report?.get(pair?.remoteCandidateId)];
    const transport = far?.protocol ?? "";
    const address = near?.address ?? "";
    const to = far ? `${far.address}:${far.port}` : "";
    const path = { from: near?.candidateType ?? "", relay: near?.relayProtocol ?? "", transport, to };
    return { stats: entry, codec: report?.get(entry.codecId)?.mimeType ?? "", transport, address, path };
  }
  return { stats: {}, codec: "", transport: "", address: "", path: NO_PATH };
}
