import type { MeetingKind } from "../state/kind.ts";
import { say } from "../words/words.ts";
import { live } from "./announcements.tsx";
import { Icon } from "./icons.tsx";

const ICONS: Record<Exclude<MeetingKind, "pictures">, string> = { sound: "camera-off", text: "chat" };

/** What a meeting is without, for everybody in it and at its door. */
export function KindBar({ kind }: { kind: MeetingKind }) {
  if (kind === "pictures") return null;
  return (
    <p class="marked calm" {...live("meeting")} data-testid="kind">
      <Icon name={ICONS[kind]} />
      {say(`kind-is-${kind}`)}
    </p>
  );
}
