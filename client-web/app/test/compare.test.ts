import { readFileSync } from "node:fs";
import type { MatrixClient } from "matrix-js-sdk";
import { VerificationPhase, type VerificationRequest } from "matrix-js-sdk/lib/crypto-api/verification";
import { expect, test } from "vitest";
import { DeviceComparison } from "../src/matrix/compare.ts";
import { emojiOf } from "../src/state/compare.ts";

/** A request of somebody else's device, as the crypto has it, which does what a test says. */
function requestOf(otherUserId: string, otherDeviceId: string) {
  let onChange = (): void => {};
  let onSas = (_sas: unknown): void => {};
  const did: string[] = [];
  const sas = {
    sas: { emoji: Array.from({ length: 7 }, () => ["🐶", "Dog"]) },
    confirm: async () => void did.push("confirm"),
    mismatch: () => void did.push("mismatch"),
  };
  const verifier = { getShowSasCallbacks: () => null, on: (_event: string, run: typeof onSas) => (onSas = run), verify: () => new Promise(() => {}) };
  const request = {
    otherUserId,
    otherDeviceId,
    initiatedByMe: false,
    phase: VerificationPhase.Requested,
    pending: true,
    cancellationCode: null as string | null,
    verifier: undefined as unknown,
    chosenMethod: null as string | null,
    on: (_event: string, run: () => void) => (onChange = run),
    off: () => {},
    accept: async () => void did.push("accept"),
    cancel: async () => void did.push("cancel"),
  };
  const become = (change: Partial<typeof request>): void => {
    Object.assign(request, change);
    onChange();
  };
  return {
    did,
    given: request as unknown as VerificationRequest,
    become,
    show(): void {
      become({ phase: VerificationPhase.Started, chosenMethod: "m.sas.v1", verifier });
      onSas(sas);
    },
  };
}

function stage() {
  let receive = (_request: VerificationRequest): void => {};
  const client = { on: (_event: string, run: typeof receive) => (receive = run), off: () => {}, getCrypto: () => undefined };
  let verified = 0;
  const comparison = new DeviceComparison(client as unknown as MatrixClient, (user) => user === "@bob:b.example", () => (verified += 1));
  return { comparison, receive: (request: VerificationRequest) => receive(request), verified: () => verified, step: () => comparison.now.value?.step.at ?? null };
}

test("the seven are shown once both want to, and the device is verified only when both have said that they are the same", async () => {
  const { comparison, receive, verified, step } = stage();
  const bob = requestOf("@bob:b.example", "D");
  receive(bob.given);
  expect(step()).toBe("wanted");
  await comparison.accept();
  bob.become({ phase: VerificationPhase.Ready });
  expect(step()).toBe("exchanging");
  bob.show();
  expect(comparison.now.value?.step).toMatchObject({ at: "emoji", emoji: Array.from({ length: 7 }, () => ({ sign: "🐶", name: "dog" })) });
  await comparison.judge(true);
  expect([step(), verified()]).toEqual(["said", 0]);
  bob.become({ phase: VerificationPhase.Done, pending: false });
  expect([step(), verified()]).toEqual(["same", 1]);
  expect(bob.did).toEqual(["accept", "confirm"]);
});

test("whether oneself or the other says that they are different, it is said what that means, and nobody is verified", async () => {
  const own = stage();
  const bob = requestOf("@bob:b.example", "D");
  own.receive(bob.given);
  bob.show();
  await own.comparison.judge(false);
  bob.become({ phase: VerificationPhase.Cancelled, pending: false, cancellationCode: "m.user" });
  expect([own.step(), own.verified(), bob.did]).toEqual(["different", 0, ["mismatch"]]);

  const theirs = stage();
  const other = requestOf("@bob:b.example", "D");
  theirs.receive(other.given);
  other.show();
  other.become({ phase: VerificationPhase.Cancelled, pending: false, cancellationCode: "m.mismatched_sas" });
  expect([theirs.step(), theirs.verified()]).toEqual(["different", 0]);
});

test("whoever does not answer, or ends it, has found out nothing", () => {
  const { receive, step } = stage();
  const bob = requestOf("@bob:b.example", "D");
  receive(bob.given);
  bob.become({ phase: VerificationPhase.Cancelled, pending: false, cancellationCode: "m.timeout" });
  expect(step()).toBe("ended");
});

test("strangers are not answered, and nobody gets in between while one compares", () => {
  const { comparison, receive, step } = stage();
  receive(requestOf("@mallory:c.example", "D").given);
  expect(step()).toBeNull();
  receive(requestOf("@bob:b.example", "D").given);
  receive(requestOf("@bob:b.example", "OTHER").given);
  expect(comparison.now.value?.deviceId).toBe("D");
});

test("every emoji of the standard has a name in both languages", () => {
  for (const language of ["en", "de"]) {
    const words = readFileSync(new URL(`../src/words/${language}.ftl`, import.meta.url), "utf8");
    const names = [...words.matchAll(/^emoji-([a-z-]+) = \S/gm)].map(([, name]) => name ?? "");
    expect(names.length).toBe(64);
    for (const name of names) expect(emojiOf("", name.replaceAll("-", " ")).name, name).toBe(name);
  }
  expect(emojiOf("🦖", "Tyrannosaurus").name).toBe("");
});
