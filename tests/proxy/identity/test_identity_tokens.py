"""Identity tokens that a provider never gave, or not to us, or not now."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.proxy.identity.clients import MakeDeveloper
from tests.standins.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, private_key, signed

from gateway_proxy.identity.oidc.failures import SignInRefusedError

Alter = Callable[[dict[str, Any], dict[str, Any]], str | None]


@dataclass(frozen=True)
class FromNow:
    """A time so many seconds from when the token is made: a list of cases is made long before."""

    seconds: int


def claims(**changed: Any) -> Alter:
    """Replaces claims; one that is Missing is left out."""

    def alter(header: dict[str, Any], given: dict[str, Any]) -> None:
        _replace(given, changed)

    return alter


class Missing:
    pass


def header(**changed: Any) -> Alter:
    def alter(given: dict[str, Any], claims: dict[str, Any]) -> None:
        _replace(given, changed)

    return alter


def _replace(given: dict[str, Any], changed: dict[str, Any]) -> None:
    now = int(time.time())
    given.update(
        {name: now + value.seconds if isinstance(value, FromNow) else value for name, value in changed.items()}
    )
    for name in [name for name, value in changed.items() if value is Missing]:
        del given[name]


def forged(make: Callable[[dict[str, Any], dict[str, Any]], str]) -> Alter:
    return make


def by_public_key(header: dict[str, Any], given: dict[str, Any]) -> str:
    """The old trick: the public key, which everybody knows, as the secret of an HMAC."""
    public = private_key("first").as_pem(private=False)
    return signed({"alg": "HS256", "kid": "first"}, given, public)


def by_client_secret(header: dict[str, Any], given: dict[str, Any]) -> str:
    return signed({"alg": "HS256", "kid": "first"}, given, CLIENT_SECRET.encode())


def by_own_key(header: dict[str, Any], given: dict[str, Any]) -> str:
    key = private_key("mallory")
    return signed({**header, "jwk": key.as_dict(private=False)}, given, key)


def by_linked_key(header: dict[str, Any], given: dict[str, Any]) -> str:
    linked = {**header, "kid": "mallory", "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/c"}
    return signed(linked, given, private_key("mallory"))


def with_other_claims(header: dict[str, Any], given: dict[str, Any]) -> str:
    first, _, last = signed(header, given, private_key("first")).split(".")
    other = signed(header, {**given, "sub": "00u-root"}, private_key("first")).split(".")[1]
    return f"{first}.{other}.{last}"


ATTACKS: dict[str, tuple[Alter, str]] = {
    "no algorithm": (forged(lambda header, given: signed({"alg": "none"}, given, None)), "no signed token|algorithm"),
    "none with a signature": (
        forged(lambda header, given: signed({**header, "alg": "none"}, given, private_key("first"))),
        "algorithm",
    ),
    "the public key as a secret": (by_public_key, "algorithm"),
    "the client's secret": (by_client_secret, "algorithm"),
    "a key of the bearer's": (by_own_key, "signature"),
    "a key behind a link": (by_linked_key, "no such key"),
    "claims put in later": (with_other_claims, "signature"),
    "another algorithm of the same key": (
        forged(lambda header, given: signed({**header, "alg": "RS512"}, given, private_key("first"))),
        "algorithm",
    ),
    "an unknown key": (header(kid="unknown"), "no such key"),
    "a key id that is no text": (header(kid=["first"]), "header"),
    "an extension": (header(crit=["exp"]), "extensions"),
    "a payload that is not encoded": (header(b64=True), "extensions"),
    "an access token": (header(typ="at+jwt"), "another type"),
    "a logout token": (header(typ="logout+jwt"), "another type"),
    "another issuer": (claims(iss="https://other.example"), "another issuer"),
    "an issuer with a slash more": (lambda _, given: given.update(iss=given["iss"] + "/"), "another issuer"),
    "no issuer": (claims(iss=Missing), "another issuer"),
    "another audience": (claims(aud="another-client"), "audience"),
    "no audience": (claims(aud=Missing), "audience"),
    "an empty audience": (claims(aud=[]), "audience"),
    "an audience that holds ours": (claims(aud=f"{CLIENT_ID}-admin"), "audience"),
    "a further audience": (claims(aud=[CLIENT_ID, "another-client"], azp=CLIENT_ID), "audience"),
    "two audiences and no party": (claims(aud=[CLIENT_ID, CLIENT_ID]), "azp"),
    "another authorized party": (claims(azp="another-client"), "azp"),
    "expired": (claims(exp=FromNow(-3600)), "expired"),
    "never expires": (claims(exp=Missing), "exp"),
    "an expiry that is no number": (claims(exp="tomorrow"), "exp"),
    "an expiry that is a truth": (claims(exp=True), "exp"),
    "not valid yet": (claims(nbf=FromNow(3600)), "not valid yet"),
    "issued in the future": (claims(iat=FromNow(3600)), "future"),
    "no time of issue": (claims(iat=Missing), "iat"),
    "no nonce": (claims(nonce=Missing), "nonce"),
    "a nonce that is no text": (claims(nonce=7), "nonce"),
    "no subject": (claims(sub=Missing), "subject"),
    "a subject that is no text": (claims(sub=["00u-alice"]), "subject"),
    "two parts": (lambda header, given: signed(header, given, private_key("first")).rpartition(".")[0], "three parts"),
    "five parts": (lambda header, given: signed(header, given, private_key("first")) + ".x.y", "three parts"),
    "no JSON": (lambda header, given: signed(header, b"hello", private_key("first")), "three parts"),
    "a list": (lambda header, given: signed(header, b"[1]", private_key("first")), "JSON objects"),
    "infinity": (
        lambda header, given: signed(header, json.dumps({**given, "exp": 1e999}).encode(), private_key("first")),
        "three parts|exp",
    ),
    "too long": (claims(padding="x" * 40_000), "at most 32768"),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_it_is_refused(idp: IdentityProvider, developer: MakeDeveloper, attack: str) -> None:
    alter, problem = ATTACKS[attack]
    idp.alter_token = alter
    with pytest.raises(SignInRefusedError, match=problem) as caught:
        await developer().come_back()
    assert caught.value.reason == "IdentityTokenInvalid"
    assert "Start the sign-in again" in caught.value.sentence
    for secret in ("00u-alice", "mallory", CLIENT_SECRET):
        assert secret not in caught.value.detail


@pytest.mark.parametrize(
    ("alter", "members"),
    [
        (claims(aud=[CLIENT_ID]), {}),
        (claims(azp=CLIENT_ID), {}),
        (claims(aud=[CLIENT_ID, "portal"], azp=CLIENT_ID), {"additional_authorized_parties": ("portal",)}),
        (claims(azp="portal"), {"additional_authorized_parties": ("portal",)}),
        (claims(exp=FromNow(-20)), {}),
        (claims(exp=FromNow(-300)), {"clock_skew_seconds": 600}),
        (claims(nbf=FromNow(30), iat=FromNow(30)), {}),
        (header(typ="JWT"), {}),
        (header(typ="jwt", x5t="abc", jku="https://elsewhere.example"), {}),
        (header(kid=Missing), {}),
    ],
)
async def test_what_is_in_order(
    idp: IdentityProvider, developer: MakeDeveloper, alter: Alter, members: dict[str, Any]
) -> None:
    idp.alter_token = alter
    assert (await developer(**members).come_back()).person.user == "00u-alice"


async def test_a_clock_that_must_be_right(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.alter_token = claims(exp=FromNow(-1))
    with pytest.raises(SignInRefusedError, match="expired"):
        await developer(clock_skew_seconds=0).come_back()


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
)
async def test_every_algorithm_that_may_be_configured(
    idp: IdentityProvider, developer: MakeDeveloper, algorithm: str
) -> None:
    idp.algorithm = algorithm
    assert await developer(signing_algorithms=(algorithm,)).come_back()
    others = tuple({"RS256", "ES256", "PS256"} - {algorithm})
    with pytest.raises(SignInRefusedError, match="algorithm"):
        await developer(signing_algorithms=others).come_back()


async def test_a_symmetric_algorithm_is_not_taken_even_where_it_is_configured(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    idp.alter_token = by_client_secret
    for configured in (("HS256",), ("none",), ()):
        with pytest.raises(SignInRefusedError, match="algorithm"):
            await developer(signing_algorithms=configured).come_back()
