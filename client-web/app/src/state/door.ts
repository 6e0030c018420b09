// Before the call: a name to check, devices to choose and try. Camera and microphone are off until somebody switches them on.

import { effect, signal, untracked, type ReadonlySignal } from "@preact/signals";
import { isBlurred, wishBlur } from "./blur.ts";
import { type Choice, type DeviceProblem, DeviceRefusal, type Playable } from "./ports.ts";
import type { Rules } from "./rules.ts";

export type Kind = "microphone" | "camera";

/** Something that is being tried. */
export interface Preview {
  /** Of a microphone, from 0 to 1. */
  level: ReadonlySignal<number>;
  picture: Playable;
  stop(): void;
}

export interface DevicePorts {
  list(): Promise<Record<Kind | "speaker", Choice[]>>;
  onChange(listener: () => void): () => void;
  /** With `blur` a camera's picture is blurred behind people; it is told when that stops working. @throws {DeviceRefusal} */
  preview(kind: Kind, id: string | null, blur: (() => void) | null): Promise<Preview>;
}

/** With what somebody goes in. */
export interface Wish {
  on: Record<Kind, boolean>;
  chosen: Record<Kind, string | null>;
  /** Whether no pictures of others are to come. */
  savesData: boolean;
}

export class Door {
  readonly choices = signal<Record<Kind | "speaker", Choice[]>>({ microphone: [], camera: [], speaker: [] });
  readonly chosen = signal<Record<Kind, string | null>>({ microphone: null, camera: null });
  readonly previews = signal<Record<Kind, Preview | null>>({ microphone: null, camera: null });
  readonly busy = signal<Record<Kind, boolean>>({ microphone: false, camera: false });
  readonly problems = signal<Record<Kind, DeviceProblem | null>>({ microphone: null, camera: null });
  /** Whether one wants no pictures of others. */
  readonly savesData = signal(false);
  private readonly stopListening: () => void;

  /** `rules`: of the room, by which a meeting may go without cameras, or without both. */
  constructor(
    private readonly devices: DevicePorts,
    private readonly rules: ReadonlySignal<Pick<Rules, "without">>,
  ) {
    const stopHearing = devices.onChange(() => void this.look());
    const stopObeying = effect(() => {
      const { without } = rules.value;
      untracked(() => {
        for (const kind of ["microphone", "camera"] as const) if (without.has(kind)) void this.turn(kind, false);
      });
    });
    this.stopListening = () => {
      stopHearing();
      stopObeying();
    };
    void this.look();
  }

  /** What to go in with. */
  get wish(): Wish {
    const { microphone, camera } = this.previews.value;
    return { on: { microphone: microphone !== null, camera: camera !== null }, chosen: this.chosen.value, savesData: this.savesData.value };
  }

  /** Whether the meeting has a place for it. */
  offers(kind: Kind): boolean {
    return !this.rules.value.without.has(kind);
  }

  async turn(kind: Kind, on: boolean): Promise<void> {
    if (on && !this.offers(kind)) return;
    if (this.busy.value[kind]) return;
    this.previews.value[kind]?.stop();
    this.set(this.previews, kind, null);
    this.set(this.problems, kind, null);
    if (!on) return;
    this.set(this.busy, kind, true);
    try {
      const blur = kind === "camera" && isBlurred.value ? () => this.stopUnblurred() : null;
      this.set(this.previews, kind, await this.devices.preview(kind, this.chosen.value[kind], blur));
      // Only now the browser tells the names of devices.
      await this.look();
    } catch (error) {
      this.set(this.problems, kind, error instanceof DeviceRefusal ? error.problem : "failed");
    } finally {
      this.set(this.busy, kind, false);
    }
  }

  async choose(kind: Kind, id: string): Promise<void> {
    this.set(this.chosen, kind, id);
    if (this.previews.value[kind]) await this.turn(kind, true);
  }

  /** Whether what is behind somebody is blurred, from now on. */
  async blur(on: boolean): Promise<void> {
    wishBlur(on);
    if (this.previews.value.camera || this.problems.value.camera === "unblurred") await this.turn("camera", true);
  }

  private stopUnblurred(): void {
    void this.turn("camera", false);
    this.set(this.problems, "camera", "unblurred");
  }

  /** Lets go of all devices. */
  close(): void {
    this.stopListening();
    for (const preview of Object.values(this.previews.value)) preview?.stop();
    this.previews.value = { microphone: null, camera: null };
  }

  private async look(): Promise<void> {
    this.choices.value = await this.devices.list().catch(() => this.choices.value);
  }

  private set<Value>(of: { value: Record<Kind, Value> }, kind: Kind, value: Value): void {
    of.value = { ...of.value, [kind]: value };
  }
}
