"""Clients of the stand-in identity provider, as a configuration would make them."""

import base64
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.proxy.configurations import sha256
from tests.standins.identity_provider import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, IdentityProvider

from gateway_config.contract import Egress
from gateway_config.contract import IdentityProvider as Configured
from gateway_config.parts import Value
from gateway_proxy.identity.oidc.client import IdentityProviderClient, SignedIn
from gateway_proxy.outbound.client import Answer, Outbound
from gateway_proxy.upstream.pool import Pools

NONCE = "nonce-of-this-sign-in-4f1b"
STATE = "state-of-this-sign-in-77aa"


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Rerouted(Outbound):
    """Hosts on the internet are the stand-in; the rest goes where it says. No test reaches the internet."""

    def __init__(self, egress: Egress, pools: Pools, *, to: str) -> None:
        super().__init__(egress, pools)
        self._to = to
        self.asked_for: list[str] = []
        """Addresses as they were asked for."""

    async def request(self, method: str, url: str, **members: Any) -> Answer:
        self.asked_for.append(url)
        host, slash, path = url.partition("://")[2].partition("/")
        own = host.partition(":")[0] in ("127.0.0.1", "localhost")
        return await super().request(method, url if own else f"{self._to}{slash}{path}", **members)


@contextmanager
def outbound(idp: IdentityProvider) -> Iterator[Rerouted]:
    pools = Pools()
    try:
        yield Rerouted(Egress(allow_loopback=True), pools, to=idp.issuer)
    finally:
        pools.close()


def configured(idp: IdentityProvider, **members: Any) -> Configured:
    secret = idp.client_secret
    given: dict[str, Any] = {
        "name": "okta",
        "issuer": idp.issuer,
        "client_id": CLIENT_ID,
        "client_secret": Value(name="okta", sha256=sha256(secret)) if secret is not None else None,
    }
    return Configured(**given | members)


class Developer:
    """Somebody who signs in through one client."""

    def __init__(self, idp: IdentityProvider, out: Outbound, *, google_key: str | None = None, **members: Any) -> None:
        self.idp = idp
        self.clock = Clock()
        provider = configured(idp, **members)
        secret = CLIENT_SECRET if provider.client_secret is not None else None
        self.client = IdentityProviderClient(provider, out, client_secret=secret, google_key=google_key, now=self.clock)
        self.verifier = secrets.token_urlsafe(48)

    async def url(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return await self.client.authorization_url(
            redirect_uri=REDIRECT_URI, state=STATE, nonce=NONCE, code_challenge=challenge
        )

    async def come_back(self, **members: Any) -> SignedIn:
        """From the browser's way to the provider until the answer to the code; `members` replace what is sent."""
        returned = self.idp.sign_in(await self.url())
        given: dict[str, Any] = {
            "code": returned["code"],
            "redirect_uri": REDIRECT_URI,
            "code_verifier": self.verifier,
            "nonce": NONCE,
            "issuer": returned.get("iss"),
        }
        return await self.client.exchange(**given | members)


MakeDeveloper = Callable[..., Developer]
Attempt = Callable[[], Awaitable[SignedIn]]
