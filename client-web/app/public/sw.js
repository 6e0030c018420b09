// Keeps nothing. It is there so that the page can be installed, and says a sentence where a browser would say that there is no network.

const SENTENCES = {
  en: ["Hanse is not reached", "There is no network, or your organisation’s server does not answer. Check your network, then load this page again."],
  de: ["Hanse ist nicht erreichbar", "Es gibt kein Netz, oder der Server Ihrer Organisation antwortet nicht. Prüfen Sie Ihr Netz und laden Sie diese Seite dann neu."],
};

addEventListener("install", () => self.skipWaiting());
addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
addEventListener("fetch", (event) => {
  // Everything else goes its way without us.
  if (event.request.mode === "navigate") event.respondWith(fetch(event.request).catch(sentence));
});

function sentence() {
  const language = navigator.language.toLowerCase().startsWith("de") ? "de" : "en";
  const [title, text] = SENTENCES[language];
  const body = `<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${title}</title></head><body><main><h1>${title}</h1><p>${text}</p></main></body></html>`;
  const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'", "cache-control": "no-store" };
  return new Response(body, { status: 503, headers });
}
