// Scripts of the page that run beside it: workers, and what answers without a network.

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): { createScriptURL(address: string): string };
}

/** Browsers with trusted types run no other address than these as a script (`web/policy.rs`). */
const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy("hanse", { createScriptURL: (own) => own });

/** The address of one of the page's own scripts, so that it may run. */
export function scriptAddress(own: string): string {
  return policy ? policy.createScriptURL(own) : own;
}

/** Has the page installable, and a sentence said where there is no network. Nothing hangs on it. */
export function answerWithoutNetwork(): void {
  void navigator.serviceWorker?.register(scriptAddress("./sw.js")).catch(() => {});
}
