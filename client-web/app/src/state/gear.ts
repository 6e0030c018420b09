// Cameras, microphones and loudspeakers while a call goes on.

import { signal } from "@preact/signals";
import type { DevicePorts } from "./door.ts";
import type { Choice, Gadget, Media } from "./ports.ts";

export class Gear {
  readonly choices = signal<Record<Gadget, Choice[]>>({ microphone: [], camera: [], speaker: [] });
  readonly hasFailed = signal(false);
  private readonly stopListening: () => void;

  constructor(
    private readonly devices: Pick<DevicePorts, "list" | "onChange">,
    private readonly media: Pick<Media, "use" | "inUse">,
  ) {
    this.stopListening = devices.onChange(() => void this.look());
  }

  /** Which one is used; `null`: the one that the system chooses. */
  inUse(gadget: Gadget): string | null {
    return this.media.inUse.value[gadget];
  }

  async look(): Promise<void> {
    this.choices.value = await this.devices.list().catch(() => this.choices.value);
  }

  async choose(gadget: Gadget, id: string): Promise<void> {
    this.hasFailed.value = false;
    try {
      await this.media.use(gadget, id);
    } catch {
      this.hasFailed.value = true;
    }
  }

  close(): void {
    this.stopListening();
  }
}
