"""Whatever a provider answers, nothing but the errors of this package comes of it."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.proxy.identity.clients import NONCE
from tests.standins.identity_provider import CLIENT_ID, REDIRECT_URI, private_key, signed

from gateway_config.contract import Egress, IdentityProvider, WorkloadIssuer, WorkloadRule
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.authentication import Authentication
from gateway_proxy.identity.oidc.client import IdentityProviderClient
from gateway_proxy.identity.oidc.failures import IdentityProviderError
from gateway_proxy.identity.oidc.keys import IssuerKeys
from gateway_proxy.identity.workloads import WorkloadTokens
from gateway_proxy.outbound.client import Answer, Outbound
from gateway_proxy.upstream.pool import Pools

ISSUER = "https://idp.corp.example"
AUDIENCE = "https://claude.corp.example"

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner), max_leaves=6
)
JUNK = st.binary(max_size=40) | ANY.map(lambda value: body(value))
STATUS = st.sampled_from([200, 200, 200, 400, 401, 404, 429, 503])


class Scripted(Outbound):
    """Answers by the end of the path, without a network."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        super().__init__(Egress(), Pools())
        self.answers = answers

    async def request(self, method: str, url: str, **members: Any) -> Answer:
        status, body = self.answers[url.rpartition("/")[2]]
        return Answer(status, {}, body)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def usual(**changed: tuple[int, bytes]) -> dict[str, tuple[int, bytes]]:
    discovery = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/keys",
        "userinfo_endpoint": f"{ISSUER}/userinfo",
    }
    return {
        "openid-configuration": (200, body(discovery)),
        "keys": (200, body({"keys": [private_key("first").as_dict(private=False)]})),
        "token": (200, body({"id_token": token({}), "access_token": "a"})),
        "userinfo": (200, b"{}"),
        **changed,
    }


def token(claims: dict[str, Any], **header: Any) -> str:
    now = int(time.time())
    usual = {"iss": ISSUER, "sub": "alice", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": NONCE}
    return signed({"alg": "RS256", "kid": "first", **header}, {**usual, **claims}, private_key("first"))


def sign_in(answers: dict[str, tuple[int, bytes]], **members: Any) -> None:
    async def attempt() -> None:
        provider = IdentityProvider(name="okta", issuer=ISSUER, client_id=CLIENT_ID, **members)
        client = IdentityProviderClient(provider, Scripted(answers))
        attempts = (
            client.authorization_url(redirect_uri=REDIRECT_URI, state="s", nonce=NONCE, code_challenge="c"),
            client.exchange(code="code", redirect_uri=REDIRECT_URI, code_verifier="v", nonce=NONCE),
            client.refresh("refresh", subject="alice"),
        )
        for one in attempts:
            with suppress(IdentityProviderError):
                await one

    asyncio.run(attempt())


def test_what_is_usual_signs_in() -> None:
    async def attempt() -> None:
        provider = IdentityProvider(name="okta", issuer=ISSUER, client_id=CLIENT_ID)
        client = IdentityProviderClient(provider, Scripted(usual()))
        signed_in = await client.exchange(code="code", redirect_uri=REDIRECT_URI, code_verifier="v", nonce=NONCE)
        assert signed_in.person.user == "alice"

    asyncio.run(attempt())


@settings(deadline=None, max_examples=40)
@given(STATUS, JUNK)
def test_any_discovery_document(status: int, answer: bytes) -> None:
    sign_in(usual(**{"openid-configuration": (status, answer)}))


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "jwks_uri",
                "token_endpoint",
                "authorization_endpoint",
                "userinfo_endpoint",
                "scopes_supported",
                "token_endpoint_auth_methods_supported",
                "msgraph_host",
                "issuer",
            ]
        ),
        ANY,
    )
)
def test_any_member_of_the_discovery_document(members: dict[str, Any]) -> None:
    discovery = json.loads(usual()["openid-configuration"][1])
    answers = usual(**{"openid-configuration": (200, body({**discovery, **members}))})
    sign_in(answers)


@settings(deadline=None, max_examples=40)
@given(STATUS, JUNK)
def test_any_key_set(status: int, answer: bytes) -> None:
    sign_in(usual(keys=(status, answer)))


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["kty", "n", "e", "crv", "x", "y", "alg", "use", "key_ops", "kid", "k"]),
        ANY | st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "X25519", "AQAB", "sig"]),
    )
)
def test_any_key(key: dict[str, Any]) -> None:
    keys = IssuerKeys({"keys": [key]})
    for kid in ("first", None):
        keys.candidates(kid, "RS256")
        keys.candidates(kid, "EdDSA")


@settings(deadline=None, max_examples=40)
@given(
    STATUS,
    JUNK
    | st.dictionaries(
        st.sampled_from(["error", "error_description", "id_token", "access_token", "refresh_token"]), ANY
    ).map(body),
)
def test_any_answer_of_the_token_endpoint(status: int, answer: bytes) -> None:
    sign_in(usual(token=(status, answer)))


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "iss",
                "aud",
                "azp",
                "exp",
                "nbf",
                "iat",
                "nonce",
                "sub",
                "email",
                "email_verified",
                "groups",
                "hasgroups",
                "_claim_names",
                "nested",
            ]
        ),
        ANY,
    ),
    st.dictionaries(st.sampled_from(["typ", "kid", "crit", "b64", "x5c", "jwk", "jku", "cty"]), ANY),
)
def test_any_claims_and_header(claims: dict[str, Any], header: dict[str, Any]) -> None:
    answer = {"id_token": token(claims, **header), "access_token": "a"}
    sign_in(usual(token=(200, body(answer))), group_claims=("groups", "/nested/0/x"), userinfo_fallback=True)


@settings(deadline=None, max_examples=40)
@given(STATUS, JUNK)
def test_any_userinfo(status: int, answer: bytes) -> None:
    token_answer = body({"access_token": "a", "id_token": token({})})
    sign_in(usual(userinfo=(status, answer), token=(200, token_answer)), userinfo_fallback=True)
    sign_in(usual(userinfo=(status, answer), token=(200, b'{"access_token": "a"}')))


def present(credential: str, answers: dict[str, tuple[int, bytes]] | None = None) -> None:
    async def attempt() -> None:
        rule = WorkloadRule(match={"owner": "corp"}, user="ci:{/a/b}:{sub}")
        issuer = WorkloadIssuer(name="ci", issuer=ISSUER, audience=AUDIENCE, rules=(rule,))
        tokens = WorkloadTokens([issuer], Scripted(answers or usual()))
        authentication = Authentication([tokens], subscription_passthrough=False)
        with suppress(GatewayError):
            await authentication.principal(None, credential)

    asyncio.run(attempt())


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "owner", "a"]), ANY),
    st.dictionaries(st.sampled_from(["typ", "kid", "crit", "b64", "alg"]), ANY),
)
def test_any_workload_token(claims: dict[str, Any], header: dict[str, Any]) -> None:
    given_header = {"kid": "first", **header, "alg": "RS256"}
    present(token({"aud": AUDIENCE, "owner": "corp", "a": {"b": "x"}, **claims}, **given_header))


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda data: f"eyJ{data.hex()}.{data.hex()}.{data.hex()}"))
def test_any_credential(credential: str) -> None:
    present(credential)


@settings(deadline=None, max_examples=40)
@given(STATUS, JUNK, st.sampled_from(["keys", "openid-configuration"]))
def test_any_answer_of_an_issuer(status: int, answer: bytes, where: str) -> None:
    present(token({"aud": AUDIENCE, "owner": "corp"}), usual(**{where: (status, answer)}))
