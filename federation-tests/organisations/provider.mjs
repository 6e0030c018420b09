// An OpenID provider (OpenID Connect Core 1.0), as organisations have one beside their homeserver: people prove there who they are.
// It believes any name with any password.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

/** Where Synapse takes back whoever has been there. */
const CALLBACK = "/_synapse/client/oidc/callback";

/** @typedef {Awaited<ReturnType<typeof startProvider>>} OpenIdProvider */

/** Starts one on a port of this machine, for the homeserver that has `clientPort` for clients. */
export async function startProvider({ port, clientPort }) {
  const client = { client_id: "homeserver", client_secret: randomBytes(24).toString("base64url") };
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ ...client, redirect_uris: [`http://127.0.0.1:${clientPort}${CALLBACK}`] }],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" }] },
    cookies: { keys: [randomBytes(24).toString("base64url")] },
    claims: { openid: ["sub"], profile: ["name"] },
    // What is needed here is over within seconds.
    ttl: { Session: 3600, Interaction: 3600, Grant: 3600, AccessToken: 3600, IdToken: 3600 },
    // Its pages ask for a name, a password, and whether the homeserver may know the name.
    features: { devInteractions: { enabled: true } },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, name: nameOf(id) }) }),
  });
  const server = createServer(provider.callback());
  await new Promise((done, fail) => server.once("error", fail).listen(port, "127.0.0.1", () => done(undefined)));

  return {
    issuer,
    /** What it calls somebody. */
    nameOf,
    /** For `oidc_providers` of Synapse. */
    forSynapse: {
      idp_id: "oidc",
      idp_name: "The organisation's own log-in",
      issuer,
      ...client,
      scopes: ["openid", "profile"],
      // What somebody is called stands there, and not in the token.
      user_profile_method: "userinfo_endpoint",
      user_mapping_provider: { config: { localpart_template: "{{ user.sub }}", display_name_template: "{{ user.name }}" } },
      // Synapse wants TLS of providers, and this one is on this machine.
      skip_verification: true,
    },
    stop() {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

function nameOf(id) {
  return `${id.slice(0, 1).toUpperCase()}${id.slice(1)} by OpenID`;
}
