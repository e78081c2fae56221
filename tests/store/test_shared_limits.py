"""Two whole proxies and one database: together they let a user have what the policy says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.proxy.configurations import ALICE_KEY, UPSTREAM_KEY, configuration, sha256, upstream
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.postgres import PostgresServer
from tests.standins.raw_client import fetch
from tests.standins.requests_seen import Expected

from gateway_config import bundle, contract
from gateway_config.parts import Value

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":1}'
LIMIT = 6


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer, upstream: AnthropicUpstream) -> Iterator[tuple[Gateway, Gateway]]:
    upstream.expected = [Expected.api_key(UPSTREAM_KEY)]
    gateways = Gateway(tmp_path / "one"), Gateway(tmp_path / "two")
    url = postgres.url(postgres.database(), host="127.0.0.1")
    for gateway in gateways:
        gateway.mount_files(_files(url, upstream.url))
        gateway.start()
    yield gateways
    for gateway in gateways:
        gateway.stop()
        gateway.end_test()


def _files(url: str, upstream_url: str) -> dict[str, bytes]:
    compiled = configuration(
        store=contract.Store(type="Postgres", url=Value(name="store", sha256=sha256(url))),
        upstreams=(upstream(base_url=upstream_url),),
        base=contract.Policy(name="claude/everyone", rate_limits=contract.RateLimits(requests_per_minute=LIMIT)),
        egress=contract.Egress(allow_loopback=True),
    )
    return bundle.pack(compiled, credentials={"anthropic": UPSTREAM_KEY, "store": url}, sequence=1)


def let_in(gateway: Gateway) -> int:
    """How many requests a gateway takes of Alice, from now on until it refuses one."""
    headers: framing.Headers = [("authorization", f"Bearer {ALICE_KEY}"), ("content-type", "application/json")]
    for number in range(LIMIT + 1):
        answer = fetch(gateway.port, "POST", "/v1/messages", headers=headers, body=BODY)
        if answer.status == 429:
            return number
        assert answer.status == 200, answer
    raise AssertionError("it refuses nothing")


def pods_seen_by(gateway: Gateway) -> float:
    return gateway.metric("claude_gateway_live_pods")


def test_a_limit_is_shared_by_the_pods_that_live(pair: tuple[Gateway, Gateway]) -> None:
    one, two = pair
    eventually(lambda: pods_seen_by(one) == pods_seen_by(two) == 2, what="two pods that know of each other")
    assert (let_in(one), let_in(two)) == (LIMIT // 2, LIMIT // 2)
    two.signal("SIGINT")
    assert two.wait_for_exit() == 0
    eventually(lambda: pods_seen_by(one) == 1, what="the other one known to be gone")
    assert let_in(one) == LIMIT - LIMIT // 2
