// Cameras, microphones and loudspeakers of this machine, and how loud a microphone is.

import { signal } from "@preact/signals";
import type { DevicePorts, Preview } from "../state/door.ts";
import { type Choice, DeviceRefusal } from "../state/ports.ts";
import type { Blur } from "./blur/blur.ts";
import { deviceProblemOf } from "./refusal.ts";

/** How often the level is looked at. */
const LEVEL_MS = 50;

/** Loudness, in dB below full scale, at which the meter begins and ends. */
const QUIET_DB = -60;
const LOUD_DB = -10;

/** What blurs; it is large, and comes once somebody wants it. @throws {DeviceRefusal} */
export async function openBlur(onFailure: () => void): Promise<Blur> {
  try {
    const { Blur } = await import("./blur/blur.ts");
    return await Blur.open(onFailure);
  } catch {
    throw new DeviceRefusal("unblurred");
  }
}

export const devices: DevicePorts = {
  async list() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const of = (kind: MediaDeviceKind): Choice[] =>
      all.flatMap((each) => (each.kind === kind && each.deviceId !== "" ? [{ id: each.deviceId, label: each.label }] : []));
    return { microphone: of("audioinput"), camera: of("videoinput"), speaker: of("audiooutput") };
  },
  onChange(listener) {
    navigator.mediaDevices.addEventListener("devicechange", listener);
    return () => navigator.mediaDevices.removeEventListener("devicechange", listener);
  },
  async preview(kind, id, onBlurFailure): Promise<Preview> {
    const wish = id ? { deviceId: { ideal: id } } : true;
    // Before the camera comes on: without it, it does not.
    const blur = onBlurFailure && (await openBlur(onBlurFailure));
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(kind === "camera" ? { video: wish } : { audio: wish });
    } catch (error) {
      blur?.end();
      throw new DeviceRefusal(deviceProblemOf(error));
    }
    const [picture] = stream.getVideoTracks();
    const shown = blur && picture ? new MediaStream([blur.through(picture)]) : stream;
    const level = signal(0);
    const stopMeter = kind === "microphone" ? meter(stream, (now) => (level.value = now)) : () => {};
    return {
      level,
      picture: {
        attach: (element) => (element.srcObject = shown),
        detach: (element) => (element.srcObject = null),
      },
      stop() {
        stopMeter();
        blur?.end();
        for (const track of stream.getTracks()) track.stop();
      },
    };
  },
};

/** Tells how loud it is, from 0 to 1. */
function meter(stream: MediaStream, tell: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    tell(levelOf(samples));
  }, LEVEL_MS);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}

function levelOf(samples: Float32Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const loudness = 10 * Math.log10(power || Number.EPSILON);
  return Math.min(1, Math.max(0, (loudness - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}
