"""Finding a provider's endpoints and keys, keeping them, and noticing that they changed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.proxy.identity.clients import MakeDeveloper
from tests.standins.identity_provider import IdentityProvider, private_key

from gateway_proxy.identity.oidc.calls import secure
from gateway_proxy.identity.oidc.failures import ProviderUnavailableError, SignInRefusedError, unreachable
from gateway_proxy.identity.oidc.fetched import FRESH_SECONDS, PAUSE_SECONDS, RETRY_SECONDS, STALE_SECONDS, Fetched
from gateway_proxy.identity.oidc.keys import IssuerKeys

DISCOVERY = "/.well-known/openid-configuration"


async def test_one_fetch_serves_many(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    await asyncio.gather(*(one.url() for _ in range(20)))
    await one.come_back()
    await one.come_back()
    assert (idp.asked(DISCOVERY), idp.asked("/keys")) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"issuer": "https://other.example"}, "names the issuer"),
        ({"issuer": None}, "names the issuer"),
        ({"authorization_endpoint": None}, "no authorization_endpoint"),
        ({"token_endpoint": None}, "no token_endpoint"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"token_endpoint": "http://idp.corp.example/token"}, "not an https address"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not an https address"),
        ({"authorization_endpoint": "https://user:pw@idp.example/"}, "not an https address"),
        ({"jwks_uri": "file:///etc/passwd"}, "not an https address"),
        ({"userinfo_endpoint": 7}, "not an https address"),
    ],
)
async def test_a_document_that_cannot_be_right_is_refused(
    idp: IdentityProvider, developer: MakeDeveloper, changed: dict[str, Any], problem: str
) -> None:
    idp.discovery |= changed
    with pytest.raises(ProviderUnavailableError, match=problem) as caught:
        await developer().url()
    assert caught.value.reason == "IdentityProviderMisconfigured"
    assert caught.value.sentence == "The identity provider does not answer as it should. Try again in a minute."


async def test_a_slash_more_is_another_issuer(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    with pytest.raises(ProviderUnavailableError, match="names the issuer"):
        await developer(issuer=idp.issuer + "/").url()


async def test_a_document_that_lies_elsewhere(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.answers["/elsewhere"] = lambda _: (200, idp.discovery)
    assert await developer(discovery_url=f"{idp.issuer}/elsewhere").come_back()
    assert idp.asked(DISCOVERY) == 0


@pytest.mark.parametrize(("status", "body"), [(404, b""), (500, b""), (302, b""), (200, b"<html>"), (200, b'"text"')])
async def test_no_document(idp: IdentityProvider, developer: MakeDeveloper, status: int, body: bytes) -> None:
    idp.answers[DISCOVERY] = lambda _: (status, body)
    one = developer()
    for call in (one.url, one.client.authorization_origins):
        with pytest.raises(ProviderUnavailableError):
            await call()
    assert idp.asked(DISCOVERY) == 1, "the failure is remembered for a moment"


async def test_nobody_there(developer: MakeDeveloper) -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        await developer(issuer="http://127.0.0.1:1").url()
    assert caught.value.reason == "IdentityProviderUnavailable"


async def test_a_new_key_is_found_at_once(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    await one.come_back()
    one.client._keys._fetched_at -= PAUSE_SECONDS
    idp.kids.append("second")
    assert await one.come_back()
    assert idp.asked("/keys") == 2


async def test_made_up_keys_cost_one_look_in_ten_seconds(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    await one.come_back()
    one.client._keys._fetched_at -= PAUSE_SECONDS
    idp.alter_token = lambda header, claims: header.update(kid="made-up")
    for _ in range(5):
        with pytest.raises(SignInRefusedError, match="no such key"):
            await one.come_back()
    assert idp.asked("/keys") == 2


async def test_keys_that_cannot_be_fetched_refuse_nobody(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.answers["/keys"] = lambda _: (503, {})
    with pytest.raises(ProviderUnavailableError):
        await developer().come_back()


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "first"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "first"},
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 7, "y": []},
        {"kty": "EC", "crv": [], "x": "AA", "y": "AA"},
        {"kty": "RSA", "n": "A" * 400, "e": {}},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": 7},
        "text",
        None,
    ],
)
def test_a_key_that_is_of_no_use_is_left_out(key: Any) -> None:
    good = private_key("first").as_dict(private=False)
    assert len(IssuerKeys({"keys": [key, good]})) == 1
    assert len(IssuerKeys({"keys": [key]})) == 0


@pytest.mark.parametrize(
    "changed", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "PS256"}, {"kid": "other"}, {"kty": "EC"}]
)
def test_a_key_for_something_else_verifies_nothing(changed: dict[str, Any]) -> None:
    key = {**private_key("first").as_dict(private=False), **changed}
    assert IssuerKeys({"keys": [key]}).candidates("first", "RS256") == []


@pytest.mark.parametrize("members", [{}, {"keys": {}}, {"keys": "x"}, {"keys": []}])
def test_a_set_without_keys(members: dict[str, Any]) -> None:
    assert len(IssuerKeys(members)) == 0


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://idp.example/keys", True),
        ("https://idp.example:8443/keys?version=2", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]:8080/keys", True),
        ("http://localhost/keys", True),
        ("http://localhost.evil.example/keys", False),
        ("http://idp.example/keys", False),
        ("//idp.example/keys", False),
        ("https:///keys", False),
        ("https://idp.example:x/", False),
        ("https://idp.example/\nkeys", False),
        ("https://idp.example/ keys", False),
        ("https://idp.example/#keys", False),
        ("ftp://idp.example/", False),
        ("", False),
        (None, False),
        (["https://idp.example/"], False),
    ],
)
def test_addresses_that_a_document_may_name(url: Any, taken: bool) -> None:
    assert secure(url) is taken


# --- keeping ---


class Source:
    """Something to fetch, and the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fetches = 0
        self.fails = False
        self.gate: asyncio.Event | None = None
        self.document = Fetched("a document", self.fetch, now=self.clock)

    def clock(self) -> float:
        return self.now

    async def fetch(self) -> int:
        self.fetches += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise unreachable("it is away")
        return self.fetches


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_an_old_document_is_fetched_behind_the_request() -> None:
    source = Source()
    assert await source.document.get() == 1
    source.now += FRESH_SECONDS
    assert await source.document.get() == 1
    await until(lambda: source.document.at_hand() == 2)


async def test_it_serves_on_while_the_issuer_is_away_but_not_for_ever() -> None:
    source = Source()
    await source.document.get()
    source.fails = True
    source.now += STALE_SECONDS - 1
    assert await source.document.get() == 1
    await until(lambda: source.fetches == 2)
    source.now += 1
    assert source.document.at_hand() is None
    with pytest.raises(ProviderUnavailableError):
        await source.document.get()


async def test_a_failure_is_not_repeated_for_everybody_who_asks() -> None:
    source = Source()
    source.fails = True
    for _ in range(3):
        with pytest.raises(ProviderUnavailableError):
            await source.document.get()
    assert source.fetches == 1
    source.now += RETRY_SECONDS
    source.fails = False
    assert await source.document.get() == 2


async def test_whoever_leaves_does_not_end_the_fetch_of_the_others() -> None:
    source = Source()
    source.gate = asyncio.Event()
    leaving, staying = asyncio.create_task(source.document.get()), asyncio.create_task(source.document.get())
    await until(lambda: source.fetches == 1)
    leaving.cancel()
    await until(leaving.done)
    source.gate.set()
    assert await staying == 1


async def test_a_newer_one_is_asked_for_at_most_every_ten_seconds() -> None:
    source = Source()
    assert await source.document.newer() == 1
    assert await source.document.newer() == 1
    source.now += PAUSE_SECONDS
    assert await source.document.newer() == 2
