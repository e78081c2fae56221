"""Tokens that are forged, borrowed, late, or in the wrong place."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from tests.standins.raw_client import fetch
from tests.standins.sign_in import SignInWorld, Tokens, signing_secret


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def claims_of(tokens: Tokens) -> dict[str, Any]:
    payload = tokens.access.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def forged(claims: dict[str, Any], *, secret: bytes, kid: str = "k1", digest: str = "sha256", **header: Any) -> str:
    head = {"alg": "HS256", "kid": kid, "typ": "JWT"} | header
    text = f"{segment(head)}.{segment(claims)}"
    signature = hmac.digest(secret, text.encode(), digest)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def our_secret(kid: str = "k1") -> bytes:
    return base64.urlsafe_b64decode(signing_secret(kid) + "=")


def refused(world: SignInWorld, token: str) -> str:
    answer = world.models(token)
    assert answer.status == 401, token
    assert answer.header("x-should-retry") == "false"
    line = world.gateway.audit_of(answer)
    assert line["event"] == "auth.denied"
    return str(line["reason"])


def test_the_forgers_tools_make_what_the_gateway_makes(world: SignInWorld) -> None:
    """Or the tests below would prove nothing."""
    claims = claims_of(world.sign_in())
    assert world.models(forged(claims | {"groups": ["engineering"]}, secret=our_secret())).status == 200


def test_no_algorithm_but_ours(world: SignInWorld) -> None:
    claims = claims_of(world.sign_in())
    for algorithm in ("none", "None", "NONE", "nOnE", "RS256", "ES256", "HS384", "HS512", "EdDSA", ""):
        token = forged(claims, secret=our_secret(), alg=algorithm)
        refused(world, token)
        refused(world, token.rpartition(".")[0] + ".")
    refused(world, forged(claims, secret=our_secret(), digest="sha512", alg="HS512"))


def test_a_public_key_is_no_secret(world: SignInWorld) -> None:
    """Algorithm confusion: the provider's public key, taken for an HMAC key."""
    claims = claims_of(world.sign_in())
    public = json.dumps(world.idp.keys()["keys"][0]).encode()
    for secret in (public, world.idp.issuer.encode(), b"", b"secret", hashlib.sha256(b"k1").digest()):
        assert refused(world, forged(claims, secret=secret)) == "SessionUnreadable"


@pytest.mark.parametrize("kid", ["k2", "", "../../../../dev/null", "k1' OR '1'='1", "signing.keys/k1", "K1", "k1\x00"])
def test_a_key_of_somebody_else(world: SignInWorld, kid: str) -> None:
    claims = claims_of(world.sign_in())
    assert refused(world, forged(claims, secret=our_secret(), kid=kid)) == "SessionUnreadable"
    assert refused(world, forged(claims, secret=our_secret("k2"), kid="k2")) == "SessionUnreadable"


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"crit": ["exp"]},
        {"b64": False},
        {"zip": "DEF"},
    ],
)
def test_a_header_does_not_bring_its_own_key(world: SignInWorld, header: dict[str, Any]) -> None:
    assert refused(world, forged(claims_of(world.sign_in()), secret=our_secret(), **header)) == "SessionUnreadable"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aud": "another"}, "SessionUnreadable"),
        ({"aud": "claude-gateway2"}, "SessionUnreadable"),
        ({"iss": "https://claude.other.example"}, "SessionUnreadable"),
        ({"exp": 1_700_000_000}, "SessionExpired"),
        ({"exp": 10**400}, "SessionUnreadable"),
        ({"nbf": 4_000_000_000}, "SessionUnreadable"),
        ({"provider": "another"}, "SessionProviderGone"),
    ],
)
def test_a_token_of_another_gateway_time_or_provider(world: SignInWorld, change: dict[str, Any], reason: str) -> None:
    assert refused(world, forged(claims_of(world.sign_in()) | change, secret=our_secret())) == reason


def test_a_providers_own_token_is_no_session(world: SignInWorld) -> None:
    now = int(time.time())
    claims = {"iss": world.idp.issuer, "aud": "claude-gateway", "sub": "00u-alice", "iat": now, "exp": now + 300}
    refused(world, world.idp.token(claims))
    refused(world, world.idp.token(claims_of(world.sign_in())))


def test_a_token_in_an_address_counts_for_nothing(world: SignInWorld) -> None:
    """Addresses end up in logs."""
    token = world.sign_in().access
    for name in ("access_token", "token", "authorization", "x-api-key", "key"):
        answer = fetch(world.gateway.port, "GET", f"/v1/models?{name}={token}")
        assert answer.status == 401
        assert world.gateway.audit_of(answer)["reason"] == "MissingCredential"
    body = f"access_token={token}".encode()
    headers = [("content-type", "application/x-www-form-urlencoded")]
    assert fetch(world.gateway.port, "POST", "/v1/messages", headers=headers, body=body).status == 401
    assert token not in world.gateway.audit_text() + world.gateway.log_text()


def test_a_token_in_the_address_of_the_token_endpoint_counts_for_nothing(world: SignInWorld) -> None:
    tokens = world.sign_in()
    answer = world.post(f"/oauth/token?grant_type=refresh_token&refresh_token={tokens.refresh}", {})
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert world.refresh(tokens.refresh).status == 200


def test_a_stolen_refresh_token_is_worth_one_use_at_the_most(world: SignInWorld) -> None:
    """Whoever of thief and owner comes second, later than the grace, ends it for both: test_refresh.py."""
    stolen = world.sign_in().refresh
    by_thief = world.refresh(stolen).json()
    newest = world.refresh(by_thief["refresh_token"]).json()
    assert world.refresh(stolen).status == 401, "the owner comes"
    assert world.refresh(newest["refresh_token"]).status == 401
    assert world.models(newest["access_token"]).status == 401
