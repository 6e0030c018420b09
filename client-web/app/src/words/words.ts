// Everything the page says, in English and German (Project Fluent).

import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";
import { signal } from "@preact/signals";
import deText from "./de.ftl?raw";
import enText from "./en.ftl?raw";

export type Language = "en" | "de";

const bundles: Record<Language, FluentBundle> = { en: bundle("en", enText), de: bundle("de", deText) };

/** Where the choice is kept. */
const CHOSEN = "hanse.language";

/** German for German browsers, English for all others, until somebody chooses. */
export const language = signal<Language>(chosenLanguage());

export function choose(wanted: Language): void {
  language.value = wanted;
  globalThis.localStorage?.setItem(CHOSEN, wanted);
}

/** The words for `id`. */
export function say(id: string, values?: Record<string, FluentVariable>): string {
  const chosen = bundles[language.value];
  const pattern = chosen.getMessage(id)?.value;
  if (!pattern) throw new Error(`there are no words for ${id}`);
  return chosen.formatPattern(pattern, values, null);
}

function bundle(locale: Language, text: string): FluentBundle {
  const made = new FluentBundle(locale);
  const [problem] = made.addResource(new FluentResource(text));
  if (problem) throw problem;
  return made;
}

function chosenLanguage(): Language {
  const chosen = globalThis.localStorage?.getItem(CHOSEN);
  if (chosen === "en" || chosen === "de") return chosen;
  return globalThis.navigator?.language?.toLowerCase().startsWith("de") ? "de" : "en";
}
