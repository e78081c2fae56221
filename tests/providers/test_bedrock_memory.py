"""How long it is remembered that AWS would not count tokens with a model."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.proxy.configurations import sha256

from gateway_config.contract import StaticCredential, Timeouts, Upstream
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.body import scan
from gateway_proxy.providers.bedrock import BedrockUpstream
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.messages_api import FixedLine
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool
from gateway_proxy.upstream.route import Origin, Route

HAIKU, OPUS = "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "eu.anthropic.claude-opus-5-5"


class OnePool:
    """Answers every request with one status, and with nothing else."""

    def __init__(self) -> None:
        self.status = 200
        self.route = Route(Origin.of("http://127.0.0.1:1"))

    async def exchange(self, head: bytes, body: bytes, *, timeouts: Timeouts, packed: bool) -> Exchange:
        return cast("Exchange", SimpleNamespace(head=ResponseHead.answered(self.status)))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pool() -> OnePool:
    return OnePool()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(pool: OnePool, clock: Clock) -> BedrockUpstream:
    upstream = Upstream(
        name="claude/bedrock",
        type="Bedrock",
        priority=0,
        base_url="http://127.0.0.1:1",
        region="eu-central-1",
        credential=StaticCredential(kind="BearerToken", name="bedrock", sha256=sha256("token")),
        models={"claude-haiku-4-5-20251001": HAIKU, "claude-opus-5-5": OPUS},
        timeouts=Timeouts(connect_seconds=1, first_byte_seconds=1, idle_seconds=1),
    )
    return BedrockUpstream(
        upstream, cast("Pool", pool), FixedLine(upstream, b"authorization: Bearer ", "token"), clock=clock
    )


def count(**changes: Any) -> Call:
    call = Call(
        target=b"/v1/messages/count_tokens",
        headers=(),
        members=scan(b'{"model":"claude-haiku-4-5"}'),
        principal=cast("Principal", SimpleNamespace(passthrough_authorization=None)),
        model="claude-haiku-4-5",
        canonical="claude-haiku-4-5-20251001",
        stream=False,
        counts=True,
        accept_encoding=None,
        request_id="gw-1",
    )
    return call._replace(**changes)


async def test_a_failure_is_remembered_for_ten_minutes_and_for_its_model(
    client: BedrockUpstream, pool: OnePool, clock: Clock
) -> None:
    pool.status = 400
    await client.send(count(), HAIKU)
    assert (client.counts(HAIKU), client.counts(OPUS)) == (False, True)
    clock.now += 599
    assert not client.counts(HAIKU)
    clock.now += 1
    assert client.counts(HAIKU)
    pool.status = 200
    await client.send(count(), HAIKU)
    assert client.counts(HAIKU)


async def test_what_becomes_of_messages_says_nothing_of_counting(client: BedrockUpstream, pool: OnePool) -> None:
    pool.status = 400
    await client.send(count(counts=False), HAIKU)
    assert client.counts(HAIKU)
