// Signs on buttons; what they mean is always said beside them.

import type { ComponentChildren } from "preact";

const SIGNS: Record<string, ComponentChildren> = {
  microphone: <path d="M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3" />,
  "microphone-off": <path d="M9 9v3a3 3 0 0 0 5 2.2M15 11V6a3 3 0 0 0-5.8-1.1M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.6 2.8M12 18v3M3 3l18 18" />,
  camera: <path d="M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.500zM15 10.500l6-3.500v10l-6-3.5" />,
  "camera-off": <path d="M10 6h3.500A1.5 1.5 0 0 1 15 7.500V11l6-4v10M15 15v1.500a1.5 1.5 0 0 1-1.5 1.500h-9A1.5 1.5 0 0 1 3 16.500v-9A1.5 1.5 0 0 1 4.5 6M3 3l18 18" />,
  screen: <path d="M3 5h18v11H3zM8 20h8M12 16v4M12 8v5M9.5 10.5 12 8l2.5 2.5" />,
  "screen-off": <path d="M3 5h18v11H3zM8 20h8M12 16v4M9.5 8.500l5 5M14.5 8.500l-5 5" />,
  hand: <path d="M8 12V5.500a1.5 1.5 0 0 1 3 0V11M11 10V4.500a1.5 1.5 0 0 1 3 0V11M14 11V6.500a1.5 1.5 0 0 1 3 0V14c0 4-2 7-5.5 7-3 0-4.3-1.5-6-4.500L4 14a1.5 1.5 0 0 1 2.5-1.500L8 14" />,
  leave: <path d="M4 15c0-5 16-5 16 0v1.500a1 1 0 0 1-1 1h-3a1 1 0 0 1-1-1V14.500a9 9 0 0 0-6 0v2a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1z" />,
  lock: <path d="M6 11h12v9H6zM8.5 11V7.500a3.5 3.5 0 0 1 7 0V11" />,
  open: <path d="M6 11h12v9H6zM8.5 11V7.500a3.5 3.5 0 0 1 6.8-1.2" />,
  door: <path d="M6 21V4h12v17M3 21h18M14.5 12h.01" />,
  more: <path d="M5 12h.01M12 12h.01M19 12h.01" />,
  chat: <path d="M4 5h16v11H10l-4 4v-4H4z" />,
  react: <path d="M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM9 10h.01M15 10h.01M8.5 14.500c2 2.3 5 2.3 7 0" />,
  layout: <path d="M3 5h18v14H3zM15 5v14M15 12h6" />,
  verified: <path d="M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM8.5 12l2.500 2.500 4.500-5" />,
  pin: <path d="M9 3h6l-1 6 3 4H7l3-4zM12 13v8" />,
  close: <path d="M6 6l12 12M18 6 6 18" />,
  weak: <path d="M5 19v-3M10 19v-6" />,
};

export function Icon({ name }: { name: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      {SIGNS[name]}
    </svg>
  );
}
