"""A gateway's own keys, and tokens made with them that the gateway never makes."""

import base64
import hmac
import json
from typing import Any

from tests.proxy.configurations import configuration, sha256

from gateway_config.contract import Configuration, IdentityProvider, Policy, SigningKey
from gateway_proxy.identity.person import Person

PUBLIC_URL = "https://claude.corp.example"
SECRETS = {kid: base64.urlsafe_b64encode(kid.encode() * 16).decode() for kid in ("k1", "k2", "k3")}
CREDENTIALS = {f"signing.keys/{kid}": secret for kid, secret in SECRETS.items()}
ALICE = Person("corporate", "00u1", "alice", "alice@corp.example", ("engineering", "everyone"))


def signing_key(kid: str, use: str = "Sign") -> SigningKey:
    return SigningKey.model_validate(
        {"kid": kid, "name": f"signing.keys/{kid}", "sha256": sha256(SECRETS[kid]), "use": use}
    )


def provider(name: str = "corporate", **members: Any) -> IdentityProvider:
    return IdentityProvider(name=name, issuer=f"https://{name}.example", client_id="claude-gateway", **members)


def with_sign_in(**members: Any) -> Configuration:
    given: dict[str, Any] = {
        "signing_keys": (signing_key("k1"), signing_key("k2", "Verify")),
        "identity_providers": (provider(),),
        "base": Policy(name="claude/everyone"),
    }
    return configuration(**given | members)


def segment(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: Any, *, kid: str = "k1", header: dict[str, Any] | None = None, digest: str = "sha256") -> str:
    """A token as any holder of the key could make it."""
    text = f"{segment(header or {'alg': 'HS256', 'kid': kid, 'typ': 'JWT'})}.{segment(claims)}"
    key = base64.urlsafe_b64decode(SECRETS[kid] + "==")
    return f"{text}.{segment(hmac.digest(key, text.encode(), digest))}"


def opened(token: str) -> dict[str, Any]:
    """What anybody reads in a token without its key, as clients do."""
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found
