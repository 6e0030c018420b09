// A server that serves TLS itself, on the ports that everybody lets out: 443 for everything, 80 to send on. The ports are those of a
// network of the test's own.
import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openBrowser } from "../harness/browser.mjs";
import { startHanse } from "../harness/hanse.mjs";
import { hears, sees, trackOf } from "../harness/judge.mjs";
import { inOwnNetwork, ip } from "../harness/namespace.mjs";
import { until } from "../harness/until.mjs";
import { people } from "../harness/world.mjs";
import { makeRoot } from "./acme-server.mjs";
import { shown, trickle } from "./secure.mjs";

const NAME = "hanse.test";
/** Browsers send media to port 443 at public addresses only; this one is for examples (RFC 5737), and the machine has it here alone. */
const ADDRESS = "203.0.113.1";
const PORTS = { stream: 443, redirect: 80, media: 443 };
const CAMERA = { width: 640, height: 360, fps: 15 };
const SIGNS = { ada: { mark: 1, hertz: 440 }, cleo: { mark: 2, hertz: 660 }, dora: { mark: 3, hertz: 880 } };
/** Longer than a connection may take to say what it carries, and to complete its handshake. */
const CLOSED_MS = { undecided: 9_000, handshake: 14_000 };
/** Connections of one address that may be undecided at a time. */
const UNDECIDED_MAX = 256;

/** Loopback, and a link that leads nowhere but has the address. */
function furnish() {
  ip("link set lo up");
  ip("link add outside type veth peer name beyond");
  ip("link set beyond up");
  ip(`address add ${ADDRESS}/24 dev outside`);
  ip("link set outside up");
  ip(`route add default via ${ADDRESS.replace(/\d+$/, "254")}`);
}

/** Everybody sees and hears everybody else. */
const meet = async (present) => {
  for (const [viewer, person] of Object.entries(present)) {
    for (const other of Object.keys(present).filter((each) => each !== viewer)) {
      await sees(person, other, "camera", SIGNS[other].mark);
      await hears(person, other, SIGNS[other].hertz);
    }
  }
};

inOwnNetwork(import.meta.filename, tests, furnish);

function tests() {
  let folder, root, files, ca;
  /** @type {Awaited<ReturnType<typeof startHanse>>} */
  let hanse;
  /** @type {import("../harness/browser.mjs").Browser} */
  let browser;
  /** Its network lets no UDP through. @type {import("../harness/browser.mjs").Browser} */
  let walled;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "hanse-direct-"));
    root = await makeRoot(folder);
    ca = await readFile(root.certificate);
    files = { certificate: join(folder, "certificate.pem"), key: join(folder, "key.pem") };
    await root.issue(NAME, files);
    const tls = `certificate_file = "${files.certificate}"\nkey_file = "${files.key}"`;
    hanse = await startHanse({ address: ADDRESS, tls, ports: PORTS });
    const names = { [NAME]: ADDRESS };
    [browser, walled] = await Promise.all([openBrowser({ names }), openBrowser({ names, udp: false })]);
  });
  after(async () => {
    await walled?.close();
    await browser?.close();
    await hanse?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const fingerprint = async () => (await shown({ host: ADDRESS, port: PORTS.stream, name: NAME, ca })).fingerprint;
  const seat = (identity, room) => ({ url: `wss://${NAME}`, token: hanse.seat(identity, room) });
  const enters = async (person, identity, room) => {
    await person.join(seat(identity, room));
    const { mark, hertz } = SIGNS[identity];
    await Promise.all([person.publishPicture("camera", { ...CAMERA, mark }, [320]), person.publishTone(hertz)]);
  };
  /** Somebody without UDP and somebody with it are in a call. */
  const call = async (t, room) => {
    const present = { ...(await people(t, walled, ["ada"])), ...(await people(t, browser, ["cleo"])) };
    for (const [identity, person] of Object.entries(present)) await enters(person, identity, room);
    await meet(present);
    return present;
  };

  test("one port carries the signalling and the media of whoever has no UDP, and 443/udp that of others", async (t) => {
    const present = await call(t, "one-port");
    for (const [identity, other, expected] of [["ada", "cleo", "tcp"], ["cleo", "ada", "udp"]]) {
      const transports = await Promise.all(["camera", "microphone"].map((source) => trackOf(present[identity], other, source)));
      assert.deepEqual(transports.map(({ transport }) => transport), [expected, expected], identity);
    }
    assert.match(hanse.log(), new RegExp(`offered these media addresses: .*${ADDRESS}:443.*${ADDRESS}:443`));
  });

  test("plain HTTP is sent on to HTTPS with its path and its method, whatever is asked for", async () => {
    for (const [method, path] of [["GET", "/rtc/v1?a=b"], ["POST", "/livekit/jwt/sfu/get"], ["GET", "/.well-known/matrix/client"]]) {
      const answer = await new Promise((done, fail) => {
        request({ host: ADDRESS, port: PORTS.redirect, method, path, headers: { host: NAME } }, done).once("error", fail).end();
      });
      answer.resume();
      assert.deepEqual([answer.statusCode, answer.headers.location], [308, `https://${NAME}${path}`]);
    }
  });

  test("certificate files are exchanged under a running call, and one that is broken leaves the old one in force", async (t) => {
    const present = await call(t, "exchanged");
    const first = await fingerprint();
    const next = { certificate: `${files.certificate}.next`, key: `${files.key}.next` };
    const exchange = async () => {
      await root.issue(NAME, next);
      await chmod(next.key, 0o600);
      await rename(next.key, files.key);
      await rename(next.certificate, files.certificate);
    };
    await exchange();
    const second = await until("the new certificate is shown", async () => {
      const now = await fingerprint();
      return now !== first && now;
    });
    await writeFile(files.certificate, "-----BEGIN CERTIFICATE-----\nnothing");
    await until("it is said that the file is broken", () =>
      hanse.log().includes(`stays in force: ${files.certificate} cannot be read`),
    );
    assert.equal(await fingerprint(), second);
    await exchange();
    hanse.reload();
    await until("the third certificate is shown", async () => ![first, second].includes(await fingerprint()));
    await meet(present);
    for (const [identity, person] of Object.entries(present)) {
      const events = (await person.happened()).map(({ event }) => event);
      assert.ok(!events.some((event) => /reconnect|disconnect/.test(event)), `${identity}: ${events}`);
    }
  });

  test("whoever trickles bytes is closed, and costs others nothing", async (t) => {
    const stranger = { host: "127.0.0.1", port: PORTS.stream, localAddress: "127.0.0.2" };
    /** The beginning of a handshake whose end never comes: a record of 512 bytes. */
    const hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    const check = [0, 92, 0, 1, 0, 72, 0x21, 0x12, 0xa4];
    const closing = {
      undecided: Promise.all([trickle({ ...stranger, bytes: [] }), trickle({ ...stranger, bytes: check, everyMs: 2000 })]),
      handshake: trickle({ ...stranger, bytes: hello }).then((closed) => [closed]),
    };
    const neither = await trickle({ ...stranger, bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") });
    assert.ok(neither < CLOSED_MS.undecided / 3, `closed as soon as it is known: ${neither}`);
    // As many as one address may have, and more.
    const crowd = Array.from({ length: UNDECIDED_MAX + 20 }, () => trickle({ ...stranger, bytes: [0x16] }));
    await assert.rejects(shown({ ...stranger, name: NAME, ca }), "this address has no place any more");
    // Everybody else has.
    const { dora } = await people(t, browser, ["dora"]);
    await dora.join(seat("dora", "untroubled"));
    assert.equal((await shown({ host: ADDRESS, port: PORTS.stream, name: NAME, ca })).protocol, "TLSv1.3");
    for (const kind of /** @type {const} */ (["undecided", "handshake"])) {
      const slowest = Math.max(...(await closing[kind]));
      assert.ok(slowest < CLOSED_MS[kind], `${kind}: ${slowest}`);
    }
    await Promise.all(crowd);
    await until("there is a place again", () => shown({ ...stranger, name: NAME, ca }));
    assert.equal(dora.page.isClosed(), false);
    assert.equal((await dora.view()).state, "connected");
  });

  test("TLS 1.2 is spoken, and nothing that is older", async () => {
    const versions = (version) => ({ host: ADDRESS, port: PORTS.stream, name: NAME, ca, minVersion: version, maxVersion: version });
    assert.equal((await shown(versions("TLSv1.2"))).protocol, "TLSv1.2");
    await assert.rejects(shown({ ...versions("TLSv1.1"), ciphers: "DEFAULT@SECLEVEL=0" }));
    await assert.rejects(shown({ host: ADDRESS, port: PORTS.stream, name: NAME, ca, ALPNProtocols: ["h2"] }));
  });
}
