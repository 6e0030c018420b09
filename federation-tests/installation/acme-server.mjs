// A small authority that speaks ACME (RFC 8555), for tests: accounts, orders, authorizations by TLS-ALPN-01 (RFC 8737) that it really
// checks, certificates signed by a root of its own. Every request has to be signed with a fresh nonce, for this URL, by a known key. It
// can be told to refuse, and for how long certificates shall hold.
import { execFile, execFileSync } from "node:child_process";
import { createHash, createPublicKey, randomBytes, verify, X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";
import { connect } from "node:tls";
import { promisify } from "node:util";

const DAY_S = 86_400;
/** OID of the extension that answers a challenge (RFC 8737, section 3), critical, with a SHA-256 in it. */
const ACME_IDENTIFIER = Buffer.from("06082b0601050507011f0101ff04220420", "hex");

/** @typedef {Awaited<ReturnType<typeof startAcmeServer>>} AcmeServer */

/** What the program says on its standard output. */
const openssl = async (...options) => (await promisify(execFile)("openssl", options)).stdout;

/** A root in a folder: `certificate` is the file with it. */
export async function makeRoot(folder) {
  const [key, certificate, config] = ["root.key", "root.pem", "root.cnf"].map((name) => join(folder, name));
  await writeFile(config, rootConfiguration(folder));
  await Promise.all([writeFile(join(folder, "index.txt"), ""), mkdir(join(folder, "issued"), { recursive: true })]);
  const options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-config", config];
  execFileSync("openssl", ["req", ...options, "-keyout", key, "-out", certificate], { stdio: ["ignore", "ignore", "pipe"] });
  let last = Promise.resolve("");
  return {
    certificate,
    /** Signs a request (PEM) for a name; it held `age` seconds already, and ends in `rest` seconds. One after the other: openssl's
     * list of what it has signed is a file. */
    sign(request, name, { age = 60, rest = DAY_S } = {}) {
      last = last.catch(() => "").then(async () => {
        const file = join(folder, `request-${randomBytes(4).toString("hex")}.pem`);
        await writeFile(file, request);
        const ends = [stamp(Date.now() - age * 1000), stamp(Date.now() + rest * 1000)];
        const when = ["-startdate", ends[0], "-enddate", ends[1]];
        return openssl("ca", "-batch", "-notext", "-config", config, "-subj", `/CN=${name}`, ...when, "-in", file);
      });
      return last;
    },
    /** A key and a certificate for a name, as files. */
    async issue(name, files, validity) {
      const request = join(folder, `${randomBytes(4).toString("hex")}.pem`);
      const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`];
      const names = ["-addext", `subjectAltName=DNS:${name}`];
      await openssl("req", "-new", ...kind, ...names, "-config", config, "-keyout", files.key, "-out", request);
      await writeFile(files.certificate, await this.sign(await readFile(request, "utf8"), name, validity));
    },
  };
}

function rootConfiguration(folder) {
  return `
[req]
distinguished_name = name
x509_extensions = root
prompt = no
[name]
CN = Authority of a test
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ca]
default_ca = authority
[authority]
database = ${join(folder, "index.txt")}
new_certs_dir = ${join(folder, "issued")}
certificate = ${join(folder, "root.pem")}
private_key = ${join(folder, "root.key")}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
x509_extensions = leaf
[any]
commonName = optional
[leaf]
basicConstraints = critical, CA:FALSE
`;
}

/** A time as certificates have it. */
const stamp = (ms) => new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");

const json = (bytes) => JSON.parse(Buffer.from(bytes, "base64url").toString());

/** The fingerprint of a key (RFC 7638). */
const thumbprint = ({ crv, kty, x, y }) => createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");

/** A refusal, as RFC 8555 has it in section 6.7. */
class Refusal extends Error {
  constructor(status, type, detail) {
    super(detail);
    this.status = status;
    this.problem = { type: `urn:ietf:params:acme:error:${type}`, detail };
  }
}

const refuse = (status, type, detail) => {
  throw new Refusal(status, type, detail);
};

/**
 * Starts one. `validationPort`: where it looks whether a name leads to whoever asks (443 in life), at 127.0.0.1 for all names.
 */
export async function startAcmeServer({ folder, root, validationPort }) {
  const own = { key: join(folder, "acme.key"), certificate: join(folder, "acme.pem") };
  await root.issue("localhost", own);
  const state = {
    accounts: new Map(),
    orders: [],
    nonces: new Set(),
    validationPort,
    /** How long the next certificates hold. */
    validity: { age: 60, rest: DAY_S },
    /** What the next orders are refused with; null: nothing. */
    refusal: null,
    /** What happened, in order: kind, and when in ms. */
    happened: [],
  };
  const note = (what) => state.happened.push({ what, at: Date.now() });
  const tls = { key: await readFile(own.key), cert: await readFile(own.certificate) };
  const server = createServer(tls, async (request, response) => {
    const nonce = randomBytes(16).toString("base64url");
    state.nonces.add(nonce);
    response.setHeader("replay-nonce", nonce);
    try {
      const path = request.url ?? "";
      const answer = request.method === "POST" ? await post(path, await signed(request, path)) : get(path);
      response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
      response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body ?? {}));
    } catch (error) {
      const [status, problem] = error instanceof Refusal ? [error.status, error.problem] : [500, { type: "about:blank", detail: String(error) }];
      note(`refused ${status}: ${problem.detail}`);
      response.writeHead(status, { "content-type": "application/problem+json" });
      response.end(JSON.stringify(problem));
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
  const base = `https://localhost:${server.address().port}`;

  function get(path) {
    if (path === "/directory") {
      note("directory");
      return { body: { newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/order` } };
    }
    if (path === "/nonce") return {};
    return refuse(404, "malformed", "there is nothing at this path");
  }

  /** Who asks, and for what: whoever has not signed this, for this URL, with a nonce of ours that is used the first time, is refused. */
  async function signed(request, path) {
    if (request.headers["content-type"] !== "application/jose+json") refuse(415, "malformed", "application/jose+json is expected");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const jws = JSON.parse(Buffer.concat(chunks).toString());
    const head = json(jws.protected);
    if (!state.nonces.delete(head.nonce)) refuse(400, "badNonce", "this nonce is not ours or was used");
    if (head.url !== base + path) refuse(401, "unauthorized", "this was signed for another URL");
    if (head.alg !== "ES256" || !head.jwk === !head.kid) refuse(400, "malformed", "ES256 and either jwk or kid are expected");
    const account = head.kid ? state.accounts.get(head.kid) : { jwk: head.jwk };
    if (!account) refuse(400, "accountDoesNotExist", "nobody has this account");
    const key = createPublicKey({ key: account.jwk, format: "jwk" });
    const text = Buffer.from(`${jws.protected}.${jws.payload}`);
    const is = verify("sha256", text, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(jws.signature, "base64url"));
    if (!is) refuse(400, "malformed", "the signature is not that of the key");
    return { account, isNew: !head.kid, payload: jws.payload === "" ? null : json(jws.payload) };
  }

  async function post(path, { account, isNew, payload }) {
    if (path === "/account") {
      const known = [...state.accounts.values()].find(({ jwk }) => thumbprint(jwk) === thumbprint(account.jwk));
      if (!known && payload.termsOfServiceAgreed !== true) refuse(400, "userActionRequired", "nobody agreed to the terms");
      const made = known ?? { kid: `${base}/account/${state.accounts.size}`, jwk: account.jwk, contact: payload.contact };
      if (!known) note("account");
      state.accounts.set(made.kid, made);
      return { status: known ? 200 : 201, headers: { location: made.kid }, body: { status: "valid", contact: made.contact } };
    }
    if (isNew) refuse(401, "unauthorized", "only an account may ask for this");
    if (path === "/order") {
      note("order");
      if (state.refusal) refuse(state.refusal.status, state.refusal.type, state.refusal.detail);
      const id = state.orders.length;
      const order = {
        id,
        kid: account.kid,
        status: "pending",
        certificate: "",
        names: payload.identifiers.map(({ value }) => ({ value, token: randomBytes(16).toString("base64url"), status: "pending", error: undefined })),
      };
      state.orders.push(order);
      return { status: 201, headers: { location: `${base}/order/${id}` }, body: orderBody(order) };
    }
    const [, kind, id, index] = /^\/(order|auth|challenge|finalize|certificate)\/(\d+)(?:\/(\d+))?$/.exec(path) ?? [];
    const order = state.orders[Number(id)];
    const name = order?.names[Number(index)];
    if (!order || order.kid !== account.kid) return refuse(404, "malformed", "there is nothing at this path");
    if (kind === "order") return { headers: { location: `${base}/order/${id}` }, body: orderBody(order) };
    if (kind === "auth" && name) return { body: authBody(order, name) };
    if (kind === "challenge" && name) {
      if (name.status === "pending" && payload) {
        name.error = await validate(name, account).catch((error) => String(error.message));
        name.status = name.error ? "invalid" : "valid";
        note(`${name.value} is ${name.status}`);
        if (name.error) order.status = "invalid";
        else if (order.names.every(({ status }) => status === "valid")) order.status = "ready";
      }
      return { body: challengeBody(order, name) };
    }
    if (kind === "finalize") {
      if (order.status !== "ready") refuse(403, "orderNotReady", `the order is ${order.status}`);
      order.certificate = await certify(order, payload.csr);
      order.status = "valid";
      note("certificate");
      return { body: orderBody(order) };
    }
    if (kind === "certificate" && order.certificate) {
      return { headers: { "content-type": "application/pem-certificate-chain" }, body: order.certificate };
    }
    return refuse(404, "malformed", "there is nothing at this path");
  }

  const orderBody = (order) => ({
    status: order.status,
    identifiers: order.names.map(({ value }) => ({ type: "dns", value })),
    authorizations: order.names.map((_, index) => `${base}/auth/${order.id}/${index}`),
    finalize: `${base}/finalize/${order.id}`,
    ...(order.certificate && { certificate: `${base}/certificate/${order.id}` }),
  });

  const challengeBody = (order, name) => ({
    type: "tls-alpn-01",
    url: `${base}/challenge/${order.id}/${order.names.indexOf(name)}`,
    token: name.token,
    status: name.status,
    ...(name.error && { error: { type: "urn:ietf:params:acme:error:unauthorized", detail: name.error } }),
  });

  const authBody = (order, name) => ({
    status: name.status,
    identifier: { type: "dns", value: name.value },
    challenges: [challengeBody(order, name)],
  });

  /** Looks whether the name leads to whoever has this account (RFC 8737, section 3). */
  async function validate(name, account) {
    const socket = connect({ host: "127.0.0.1", port: state.validationPort, servername: name.value, ALPNProtocols: ["acme-tls/1"], rejectUnauthorized: false });
    try {
      await new Promise((done, fail) => {
        socket.setTimeout(5000, () => fail(new Error("nothing answers")));
        socket.once("secureConnect", () => done(undefined));
        socket.once("error", fail);
      });
      if (socket.alpnProtocol !== "acme-tls/1") throw new Error("acme-tls/1 is not spoken there");
      const shown = new X509Certificate(socket.getPeerCertificate().raw);
      if (shown.subjectAltName !== `DNS:${name.value}`) throw new Error(`the certificate there is for ${shown.subjectAltName}`);
      const expected = createHash("sha256").update(`${name.token}.${thumbprint(account.jwk)}`).digest();
      if (!shown.raw.includes(Buffer.concat([ACME_IDENTIFIER, expected]))) throw new Error("the answer there is another account's");
      return undefined;
    } finally {
      socket.destroy();
    }
  }

  /** A chain for the key that the request is signed with, if it is for the names of the order and no others. */
  async function certify(order, csr) {
    const request = `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(csr, "base64url").toString("base64").replaceAll(/.{64}(?!$)/g, "$&\n")}\n-----END CERTIFICATE REQUEST-----\n`;
    const file = join(folder, `csr-${order.id}.pem`);
    await writeFile(file, request);
    const text = await openssl("req", "-in", file, "-noout", "-text", "-verify").catch(() => refuse(400, "badCSR", "the request is not signed by its key"));
    const names = [...text.matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name).toSorted();
    const ordered = order.names.map(({ value }) => value).toSorted();
    if (JSON.stringify(names) !== JSON.stringify(ordered)) refuse(400, "badCSR", `the request is for ${names}`);
    const leaf = await root.sign(request, ordered[0], state.validity);
    return leaf + (await readFile(root.certificate, "utf8"));
  }

  return {
    directory: `${base}/directory`,
    state,
    /** When each of these happened, in ms. */
    times: (what) => state.happened.filter((each) => each.what === what).map(({ at }) => at),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
