// Comparing emoji with somebody in the call: whoever sees the same seven has each other's true keys, with nobody in between
// (Matrix, short authentication string, `m.sas.v1`).

/** One of the seven, with the name that the standard gives it, as a word of this page. */
export interface Emoji {
  sign: string;
  name: string;
}

/** How far it is. */
export type Step =
  /** They have not answered yet. */
  | { at: "asked" }
  /** They want to, and wait for us. */
  | { at: "wanted" }
  /** Both want to, and keys are on their way; or the other has yet to say what they see. */
  | { at: "exchanging" | "said" }
  | { at: "emoji"; emoji: Emoji[] }
  | { at: "same" }
  /** What the two saw was different: somebody is in between, or one of them looked wrongly. */
  | { at: "different" }
  | { at: "ended" };

export interface Comparison {
  userId: string;
  deviceId: string;
  step: Step;
}

/** Comparing, as the session of a call does it; one at a time. */
export interface ComparePort {
  readonly now: { readonly value: Comparison | null };
  /** Asks somebody's device. */
  ask(userId: string, deviceId: string): Promise<void>;
  accept(): Promise<void>;
  /** Says whether they are the same. */
  judge(isSame: boolean): Promise<void>;
  /** Ends it, or puts away what became of it. */
  end(): Promise<void>;
}

/** The 64 of the standard, in its order. */
const NAMES = `dog cat lion horse unicorn pig elephant rabbit panda rooster penguin turtle fish octopus butterfly flower tree cactus
mushroom globe moon cloud fire banana apple strawberry corn pizza cake heart smiley robot hat glasses spanner santa thumbs-up umbrella
hourglass clock gift light-bulb book pencil paperclip scissors lock key hammer telephone flag train bicycle aeroplane rocket trophy ball
guitar trumpet bell anchor headphones folder pin`;
const KNOWN: ReadonlySet<string> = new Set(NAMES.split(/\s+/));

/** An emoji as the crypto names it; without one that we have, its sign has to do. */
export function emojiOf(sign: string, description: string): Emoji {
  const name = description.toLowerCase().replace(/\s+/g, "-");
  return { sign, name: KNOWN.has(name) ? name : "" };
}
