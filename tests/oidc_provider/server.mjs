// A whole OpenID provider, for the tests: one client, any user name at its development sign-in page. A line on standard
// input names a user who is removed: unknown from then on.
// node server.mjs '{"issuer": …, "host": …, "port": …, "client": {…}, "groups": […], "certificate": PEM file or null}'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const { issuer, host, port, client, groups, certificate } = JSON.parse(process.argv[2]);
const removed = new Set();
const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "offline_access", "email", "groups"],
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  pkce: { required: () => true },
  cookies: { keys: ["kept for the run of one test"] },
  async findAccount(_, id) {
    if (removed.has(id)) return undefined;
    const claims = { sub: id, email: `${id}@corp.example`, email_verified: true, groups };
    return { accountId: id, claims: async () => claims };
  },
});
createInterface({ input: process.stdin }).on("line", (user) => {
  removed.add(user);
  console.log(`removed ${user}`);
});
const pem = certificate && readFileSync(certificate);
const server = pem ? createSecureServer({ key: pem, cert: pem }, provider.callback()) : createServer(provider.callback());
server.listen(port, host, () => console.log("listening"));
