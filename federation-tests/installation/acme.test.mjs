// Certificates by ACME, from an authority that really looks (acme-server.mjs).
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startHanse } from "../harness/hanse.mjs";
import { until } from "../harness/until.mjs";
import { makeRoot, startAcmeServer } from "./acme-server.mjs";
import { shown } from "./secure.mjs";

const NAMES = ["hanse.test", "calls.hanse.test"];
const DAY_S = 86_400;
/** An authority is asked again after 5 s, then 15 s. */
const PAUSES_S = [5, 15];

let folder;
/** @type {import("./acme-server.mjs").AcmeServer} */
let authority;
/** @type {Awaited<ReturnType<typeof startHanse>>} */
let hanse;
let ca;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "hanse-acme-"));
  const root = await makeRoot(folder);
  ca = await readFile(root.certificate);
  // Nobody is there who could prove anything.
  authority = await startAcmeServer({ folder, root, validationPort: 1 });
  const tls = `
names = ${JSON.stringify(NAMES)}
acme_directory = "${authority.directory}"
acme_contact = "admin@hanse.test"
acme_folder = "${join(folder, "kept")}"
acme_ca_file = "${root.certificate}"
bind_addresses = ["127.0.0.1"]
`;
  hanse = await startHanse({ tls });
});
after(async () => {
  await hanse?.stop();
  authority?.close();
  await rm(folder, { recursive: true, force: true });
});

const certificate = (name = NAMES[0]) => shown({ port: hanse.streamPort, name, ca });
const said = (sentence) => until(`the log says: ${sentence}`, () => hanse.log().includes(sentence));

test("an authority that refuses is said in a sentence, and asked again after growing pauses", async () => {
  await said(`no new certificate for ${NAMES.join(", ")}: the authority could not see that the name leads here`);
  await said(`asked again in ${PAUSES_S[0]} s`);
  await assert.rejects(certificate(), "there is no certificate yet");
  authority.state.refusal = { status: 403, type: "rejectedIdentifier", detail: "this name is on a list" };
  await said("the authority answers 403: this name is on a list. The authority is asked again in 15 s");
  authority.state.refusal = null;
  authority.state.validationPort = hanse.streamPort;
  // This one is short, so that its renewal is due soon: when a third of its life is left.
  authority.state.validity = { age: 10, rest: 20 };
  await until("there is a certificate", () => certificate());
  const asked = authority.times("directory");
  assert.equal(asked.length, 3, "it was asked as often as it was said, and not in a loop");
  for (const [index, pause] of PAUSES_S.entries()) {
    assert.ok(asked[index + 1] - asked[index] >= pause * 1000, `${asked}`);
  }
});

test("the first certificate is for all names, and holds for whoever believes the authority", async () => {
  authority.state.validity = { age: 60, rest: DAY_S };
  for (const name of NAMES) {
    const { protocol, alpn } = await certificate(name);
    assert.deepEqual([protocol, alpn], ["TLSv1.3", "http/1.1"]);
  }
  await assert.rejects(certificate("other.test"));
  assert.equal(authority.times("account").length, 1);
  assert.deepEqual([...authority.state.accounts.values()][0].contact, ["mailto:admin@hanse.test"]);
});

test("it is renewed before it ends, with the same account", async () => {
  const first = await certificate();
  const next = await until("there is another certificate", async () => {
    const now = await certificate();
    return now.fingerprint !== first.fingerprint && now;
  });
  assert.ok(Date.now() < Date.parse(first.until), "the first one still held");
  assert.ok(Date.parse(next.until) - Date.now() > (DAY_S * 1000) / 2);
  assert.equal(authority.times("account").length, 1);
});

test("a restart uses what is kept, which only its owner may read, and asks for nothing", async () => {
  const earlier = await certificate();
  const kept = join(folder, "kept");
  const files = await until("both are kept", async () => {
    const names = await readdir(kept);
    return names.length === 2 && names;
  });
  for (const name of files) assert.equal((await stat(join(kept, name))).mode & 0o777, 0o600, name);
  const asked = authority.state.happened.length;
  await hanse.restart();
  const later = await until("there is a certificate", () => certificate());
  assert.equal(later.fingerprint, earlier.fingerprint);
  assert.equal(authority.state.happened.length, asked);
});
