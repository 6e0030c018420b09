// A homeserver that vouches for everybody, for tests of what only people of Matrix have: who asks the focus for a token gives an
// OpenID token, which here is the user's name. (Tests of what homeservers decide have real ones: organisations/.)
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { join } from "node:path";

const HERE = "127.0.0.1";

/** What `openssl` is asked for: a certificate that vouches for nothing but this address. */
const REQUEST = `
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = homeserver
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:${HERE}
`;

/** @typedef {Awaited<ReturnType<typeof startHomeserver>>} Homeserver */

/** Starts one. Its certificate, which nobody else vouches for, is written into the folder. */
export async function startHomeserver(folder) {
  const [key, certificate, request] = ["homeserver.key", "homeserver.pem", "homeserver.cnf"].map((name) => join(folder, name));
  await writeFile(request, REQUEST);
  const options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-config", request];
  execFileSync("openssl", ["req", ...options, "-keyout", key, "-out", certificate], { stdio: ["ignore", "ignore", "pipe"] });
  const tls = { key: await readFile(key), cert: await readFile(certificate) };
  const server = createServer(tls, ({ url }, response) => {
    const { searchParams } = new URL(url, `https://${HERE}`);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ sub: `@${searchParams.get("access_token")}:${name}` }));
  });
  await new Promise((done) => server.listen(0, HERE, () => done(undefined)));
  const name = `${HERE}:${server.address().port}`;
  return {
    /** Its name, in which its users' ids end. */
    name,
    certificate,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
