"""The token endpoint of the Anthropic API, where workload identities are federated, and the API for those who were."""

from dataclasses import dataclass

from tests.standins import messages
from tests.standins.token_endpoints.server import Asked, Reply, Service

BETAS = {"oauth-2025-04-20", "oidc-federation-2026-04-01"}
TOKEN = "sk-ant-oat01-federated-canary-{}"
"""What is handed out, by its number."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Rule:
    """A federation rule: what it takes, and for whom."""

    organization: str
    service_account: str
    assertion: str
    workspace: str | None = None


class AnthropicTokens(Service):
    def __init__(self, rules: dict[str, Rule], *, host: str = "api.anthropic.com") -> None:
        super().__init__()
        self.rules, self.host = rules, host
        self.issued = 0

    def serves(self, host: str, path: str) -> bool:
        return host == self.host and path == "/v1/oauth/token"

    def answer(self, asked: Asked) -> Reply:
        form = asked.json()
        betas = {each.strip() for each in (asked.header("anthropic-beta") or "").split(",")}
        if asked.method != "POST" or betas != BETAS or asked.header("content-type") != "application/json":
            asked.problems.append(f"{asked.method} of {asked.header('content-type')} with betas {betas}")
        if form.get("grant_type") != _GRANT:
            return 400, {"error": "unsupported_grant_type"}
        allowed = {
            *("grant_type", "assertion", "federation_rule_id", "organization_id", "service_account_id", "workspace_id")
        }
        asked.problems += [f"member {name}" for name in form.keys() - allowed]
        rule = self.rules.get(form.get("federation_rule_id", ""))
        found = (form.get("organization_id"), form.get("service_account_id"), form.get("assertion"))
        if rule is None or found != (rule.organization, rule.service_account, rule.assertion):
            return 401, {"error": "invalid_grant", "error_description": "The assertion does not match the rule."}
        if form.get("workspace_id") != rule.workspace:
            return 403, {"error": "access_denied", "error_description": "Not of this workspace."}
        self.issued += 1
        return 200, {"access_token": TOKEN.format(self.issued), "expires_in": int(self.seconds), "token_type": "Bearer"}


class FederatedMessages(Service):
    """The API itself, for whoever has a token of the exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN.format(1)

    def serves(self, host: str, path: str) -> bool:
        return host == "api.anthropic.com" and path.startswith("/v1/messages")

    def answer(self, asked: Asked) -> Reply:
        if asked.header("authorization") != f"Bearer {self.token}" or asked.header("x-api-key") is not None:
            error = {"type": "authentication_error", "message": "invalid bearer token"}
            return 401, {"type": "error", "error": error}
        if "oauth-2025-04-20" not in (asked.header("anthropic-beta") or "").split(","):
            asked.problems.append("no beta of OAuth")
        if asked.path.endswith("/count_tokens"):
            return 200, {"input_tokens": 8}
        if asked.json().get("stream"):
            return 200, b"".join(messages.events()), {"content-type": "text/event-stream"}
        return 200, messages.message()
