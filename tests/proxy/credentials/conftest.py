"""The token endpoints of the clouds stand in, and the gateway's way out leads to them."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.proxy.waiting import until
from tests.standins.token_endpoints.server import TokenServer

from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.pool import Pools


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No identity of the machine that runs the tests."""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "GCE_", "GCLOUD_", "ANTHROPIC_", "HTTP_", "HTTPS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
async def outbound(tokens: TokenServer) -> AsyncIterator[Outbound]:
    pools = Pools()
    yield Outbound(tokens.egress, pools)
    pools.close()
    await until(lambda: not tokens.connections)  # TLS takes leave in several steps
