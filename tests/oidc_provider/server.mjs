// A whole OpenID provider, for the tests: one client, any user name at its development sign-in page.
// node server.mjs '{"issuer": …, "port": …, "client": {…}}'
import { Provider } from "oidc-provider";

const { issuer, port, client, groups } = JSON.parse(process.argv[2]);
const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "offline_access", "email", "groups"],
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  pkce: { required: () => true },
  cookies: { keys: ["kept for the run of one test"] },
  async findAccount(_, id) {
    const claims = { sub: id, email: `${id}@corp.example`, email_verified: true, groups };
    return { accountId: id, claims: async () => claims };
  },
});
provider.listen(port, "127.0.0.1", () => console.log("listening"));
