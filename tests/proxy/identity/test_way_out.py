"""How the provider is reached: its own certificates, the forward proxy or none, and never a forbidden address."""

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from tests.proxy.identity.clients import Developer
from tests.standins.identity_provider import IdentityProvider

from gateway_config.contract import Egress
from gateway_proxy.identity.oidc.failures import ProviderUnavailableError
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.pool import Pools

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(authority: trustme.CA) -> Iterator[IdentityProvider]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with IdentityProvider(tls=context) as server:
        yield server


@pytest.fixture
async def pools() -> Iterator[Pools]:
    found = Pools()
    yield found
    found.close()


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def developer(idp: IdentityProvider, pools: Pools, egress: dict[str, Any], **members: Any) -> Developer:
    return Developer(idp, Outbound(Egress(**{"allow_loopback": True} | egress), pools), **members)


async def test_a_provider_with_a_certificate_of_the_house(
    secured: IdentityProvider, authority: trustme.CA, pools: Pools
) -> None:
    secured.begin_test()
    assert await developer(secured, pools, {}, ca_pem=pem(authority)).come_back()
    assert await developer(secured, pools, {"ca_pem": pem(authority)}).come_back()
    with pytest.raises(ProviderUnavailableError, match="certificate"):
        await developer(secured, pools, {}).url()


async def test_the_forward_proxy_is_used_where_it_is_to_be(idp: IdentityProvider, pools: Pools) -> None:
    assert await developer(idp, pools, {"proxy_url": NOBODY}, use_proxy=False).come_back()
    with pytest.raises(ProviderUnavailableError):
        await developer(idp, pools, {"proxy_url": NOBODY}).url()


async def test_a_forbidden_address_is_not_called(idp: IdentityProvider, pools: Pools) -> None:
    with pytest.raises(ProviderUnavailableError, match="allowLoopback"):
        await developer(idp, pools, {"allow_loopback": False}).url()
    assert idp.requests == []


async def test_nor_where_a_document_leads_to_it(idp: IdentityProvider, pools: Pools) -> None:
    idp.discovery["token_endpoint"] = "https://169.254.169.254/token"
    with pytest.raises(ProviderUnavailableError, match=r"169\.254\.169\.254"):
        await developer(idp, pools, {}).come_back()
