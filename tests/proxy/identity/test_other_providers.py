"""The client against OpenID providers that are not of our making."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.oidc_provider import provider as node_provider
from tests.oidc_provider.provider import openid_provider
from tests.proxy.configurations import sha256
from tests.proxy.identity.clients import NONCE, STATE
from tests.standins.web_person import WebPerson

from gateway_config.contract import Egress, IdentityProvider
from gateway_config.parts import Value
from gateway_proxy.identity.oidc.client import IdentityProviderClient, SignedIn
from gateway_proxy.identity.oidc.failures import ProviderRefusedError, SignInRefusedError
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.pool import Pools

VERIFIER = "verifier-of-this-sign-in-" + "v" * 40
CHALLENGE = "hrUXuVYGCyl6HaYoIkhNkBibZYORR9TUokROad4G7Z0"

pytestmark = pytest.mark.timeout(300)
"""The first test may have to install a provider."""


class Callback:
    """The address that a browser is sent back to."""

    def __init__(self) -> None:
        self.returned: list[dict[str, str]] = []
        returned = self.returned

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                returned.append(dict(parse_qsl(self.path.partition("?")[2])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/oauth/callback"


@pytest.fixture
def callback() -> Iterator[Callback]:
    found = Callback()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join(10)


@contextmanager
def client(issuer: str, **members: Any) -> Iterator[IdentityProviderClient]:
    secret = node_provider.CLIENT_SECRET
    provider = IdentityProvider(
        name="corp",
        issuer=issuer,
        client_id=node_provider.CLIENT_ID,
        client_secret=Value(name="corp", sha256=sha256(secret)),
        **members,
    )
    pools = Pools()
    try:
        yield IdentityProviderClient(provider, Outbound(Egress(allow_loopback=True), pools), client_secret=secret)
    finally:
        pools.close()


async def url(one: IdentityProviderClient, callback: Callback) -> str:
    return await one.authorization_url(redirect_uri=callback.url, state=STATE, nonce=NONCE, code_challenge=CHALLENGE)


async def came_back(one: IdentityProviderClient, callback: Callback) -> SignedIn:
    returned = callback.returned[-1]
    assert returned["state"] == STATE
    return await one.exchange(
        code=returned["code"],
        redirect_uri=callback.url,
        code_verifier=VERIFIER,
        nonce=NONCE,
        issuer=returned.get("iss"),
    )


async def test_a_whole_provider(callback: Callback) -> None:
    """node-oidc-provider: its pages, PKCE, the issuer in its answer, rotating refresh tokens, somebody who leaves."""
    scopes = ("openid", "email", "groups", "offline_access")
    with (
        openid_provider(redirect_uri=callback.url, groups=["engineering"]) as provider,
        client(provider.issuer, scopes=scopes, extra_auth_params={"prompt": "consent"}) as one,
    ):
        assert await one.authorization_origins() == (provider.issuer,)
        provider.sign_in(WebPerson().open(await url(one, callback)), "alice")
        assert callback.returned[-1]["iss"] == provider.issuer
        signed_in = await came_back(one, callback)
        person = signed_in.person
        assert (person.subject, person.email, person.groups) == ("alice", "alice@corp.example", ("engineering",))

        with pytest.raises(SignInRefusedError):
            await came_back(one, callback)  # the code is used up, and what it gave is revoked with it

        provider.sign_in(WebPerson().open(await url(one, callback)), "alice")
        signed_in = await came_back(one, callback)
        again = await one.refresh(signed_in.refresh_token or "", subject="alice")
        assert again.person == person
        provider.remove("alice")
        with pytest.raises(ProviderRefusedError) as caught:
            await one.refresh(again.refresh_token or "", subject="alice")
        assert caught.value.reason == "IdentityProviderRefused"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_provider_of_another_make(callback: Callback) -> None:
    """oidc-provider-mock, upon an authlib that warns of its own future, at the import too."""
    with warnings.catch_warnings(record=True):
        import oidc_provider_mock

    alice = oidc_provider_mock.User(
        sub="alice", claims={"email": "alice@corp.example", "groups": ["engineering"], "realm": {"roles": ["admin"]}}
    )
    with oidc_provider_mock.run_server_in_thread(user_claims=[alice], require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        with client(issuer, group_claims=("groups", "/realm/roles"), userinfo_fallback=True) as one:
            WebPerson().send("post", await url(one, callback), {"sub": "alice"}, issuer)
            signed_in = await came_back(one, callback)
            assert signed_in.person.email == "alice@corp.example"
            assert signed_in.person.groups == ("engineering", "admin")
            again = await one.refresh(signed_in.refresh_token or "", subject="alice")
            assert again.person == signed_in.person
            WebPerson().send("post", f"{issuer}/users/alice/revoke-tokens", {}, issuer)
            with pytest.raises(ProviderRefusedError):
                await one.refresh(again.refresh_token or "", subject="alice")
