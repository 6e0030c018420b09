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
  /** Of a sound: the strongest tone in Hz, `null` for silence. */
  tone?: number | null;
  packets: number;
  lost: number;
  /** As the receiver names it: "video/VP8". */
  codec: string;
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
  return {
    element: video,
    async look() {
      const { stats, codec } = await statistics(track);
      return {
        width: video.videoWidth,
        height: video.videoHeight,
        picture: video.videoWidth === 0 ? null : read(video),
        framesDecoded: stats["framesDecoded"] ?? 0,
        keyFramesDecoded: stats["keyFramesDecoded"] ?? 0,
        packets: stats["packetsReceived"] ?? 0,
        lost: stats["packetsLost"] ?? 0,
        codec,
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
  const analyser = new AnalyserNode(audio(), { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
  source.connect(analyser);
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  return {
    element,
    async look() {
      const { stats, codec } = await statistics(track);
      analyser.getFloatFrequencyData(spectrum);
      const loudest = spectrum.reduce((best, level, bin) => (level > (spectrum[best] ?? 0) ? bin : best), 0);
      const tone = (loudest * audio().sampleRate) / FFT_SIZE;
      return {
        tone: (spectrum[loudest] ?? -Infinity) > SILENCE_DB ? Math.round(tone) : null,
        packets: stats["packetsReceived"] ?? 0,
        lost: stats["packetsLost"] ?? 0,
        codec,
      };
    },
    stop() {
      source.disconnect();
      track.detach(element);
    },
  };
}

async function statistics(track: RemoteTrack): Promise<{ stats: Record<string, number>; codec: string }> {
  const report = await track.receiver?.getStats();
  for (const entry of report?.values() ?? []) {
    if (entry.type === "inbound-rtp") return { stats: entry, codec: report?.get(entry.codecId)?.mimeType ?? "" };
  }
  return { stats: {}, codec: "" };
}
