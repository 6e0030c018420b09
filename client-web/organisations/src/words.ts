// Everything the page says, in English and German. `{x}` is filled in by `say`. What Element Call says is its own.

const en = {
  title: "Hanse: a call between two organisations",
  lead: "Each organisation has its own homeserver and its own Hanse. Open one person of each in a tab of their own, and let them call each other.",
  joins: "Open as {name}",
  signingIn: "Signing in at {organisation} …",
  loading: "Loading the room …",
  left: "You have left the call.",
  again: "Back to the call",
  others: "Choose another person",
  nobody: "There is nobody called {name} in this demo.",
  noDemo: "The demo’s server does not answer. Is it still running?",
  unreachable: "{organisation}’s homeserver cannot be reached. Is the demo still running?",
  refused: "{organisation}’s homeserver refuses: {detail}",
  retry: "Try again",
};

export type Word = keyof typeof en;

const de: Record<Word, string> = {
  title: "Hanse: ein Anruf zwischen zwei Organisationen",
  lead: "Jede Organisation hat ihren eigenen Homeserver und ihre eigene Hanse. Öffnen Sie aus jeder eine Person in einem eigenen Tab und lassen Sie die beiden einander anrufen.",
  joins: "Als {name} öffnen",
  signingIn: "Anmeldung bei {organisation} …",
  loading: "Der Raum wird geladen …",
  left: "Sie haben den Anruf verlassen.",
  again: "Zurück zum Anruf",
  others: "Andere Person wählen",
  nobody: "In dieser Vorführung gibt es niemanden namens {name}.",
  noDemo: "Der Server der Vorführung antwortet nicht. Läuft er noch?",
  unreachable: "Der Homeserver von {organisation} ist nicht erreichbar. Läuft die Vorführung noch?",
  refused: "Der Homeserver von {organisation} lehnt ab: {detail}",
  retry: "Noch einmal versuchen",
};

/** The page's language: German for German browsers, English for all others. */
export const language: "de" | "en" = navigator.language.toLowerCase().startsWith("de") ? "de" : "en";

const dictionary = language === "de" ? de : en;

/** The words for `word`, with `{x}` replaced by `values.x`. */
export function say(word: Word, values: Record<string, string> = {}): string {
  return dictionary[word].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
