"""Microsoft Entra: the token endpoint of one tenant, for a client secret or a federated token, and its discovery."""

from dataclasses import dataclass

from tests.standins.token_endpoints.server import Asked, Reply, Service

HOST = "login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Application:
    """How it proves itself."""

    secret: str | None = None
    federated_token: str | None = None


def refused(status: int, error: str, number: int, message: str) -> Reply:
    """As Entra has it."""
    return status, {
        "error": error,
        "error_description": f"AADSTS{number}: {message} Trace ID: 0 Correlation ID: 1 Timestamp: now",
        "error_codes": [number],
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }


class Entra(Service):
    def __init__(self, tenant: str, applications: dict[str, Application]) -> None:
        super().__init__()
        self.tenant, self.applications = tenant, applications
        self.issued = 0

    def serves(self, host: str, path: str) -> bool:
        return host == HOST

    @property
    def exchanges(self) -> list[Asked]:
        """Without what a library asks to find its way."""
        return [one for one in self.asked if one.method == "POST"]

    def answer(self, asked: Asked) -> Reply:
        if not asked.tls:
            asked.problems.append("not by TLS")
        if asked.path == f"/{self.tenant}/v2.0/.well-known/openid-configuration":
            base = f"https://{HOST}/{self.tenant}"
            return 200, {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        if (asked.method, asked.path) != ("POST", f"/{self.tenant}/oauth2/v2.0/token"):
            return refused(400, "invalid_request", 90002, f"Tenant of {asked.path} not found.")
        form = asked.form
        if (form.get("grant_type"), form.get("scope")) != ("client_credentials", SCOPE):
            asked.problems.append(f"grant {form.get('grant_type')} of scope {form.get('scope')}")
        application = self.applications.get(form.get("client_id", ""))
        if application is None:
            return refused(400, "unauthorized_client", 700016, "Application was not found in the directory.")
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                asked.problems.append(f"assertion of type {form.get('client_assertion_type')}")
            if form["client_assertion"] != application.federated_token:
                return refused(401, "invalid_client", 700213, "No matching federated identity record found.")
        elif application.secret is None or form.get("client_secret") != application.secret:
            return refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        self.issued += 1
        return 200, {
            "token_type": "Bearer",
            "expires_in": int(self.seconds),
            "ext_expires_in": int(self.seconds),
            "access_token": f"entra-token-canary-{self.issued}",
        }
