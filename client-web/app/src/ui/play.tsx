// Pictures and sounds in elements of the page.

import { useEffect, useRef } from "preact/hooks";
import type { Playable } from "../state/ports.ts";

export function Picture({ of, mirrored = false, label }: { of: Playable; mirrored?: boolean; label: string }) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video) return undefined;
    of.attach(video);
    return () => void of.detach(video);
  }, [of]);
  return <video ref={element} class={mirrored ? "mirrored" : undefined} autoplay playsInline muted aria-label={label} />;
}

export function Sound({ of }: { of: Playable }) {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (!audio) return undefined;
    of.attach(audio);
    return () => void of.detach(audio);
  }, [of]);
  return <audio ref={element} autoplay />;
}
