"""How long it is remembered that AWS would not count tokens with a model."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.proxy.configurations import sha256

from gateway_config.contract import Timeouts, Upstream
from gateway_config.upstream_credentials import StaticCredential
from gateway_proxy.identity.principal import Principal
from gateway_proxy.messages.body import scan
from gateway_proxy.providers.bedrock import BedrockUpstream
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.messages_api import FixedLine
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool
from gateway_proxy.upstream.route import Origin, Route

HAIKU, OPUS = "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "eu.anthropic.claude-opus-5-5"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> BedrockUpstream:
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
    pool = cast("Pool", SimpleNamespace(route=Route(Origin.of("http://127.0.0.1:1"))))
    return BedrockUpstream(upstream, pool, FixedLine(upstream, b"authorization: Bearer ", "token"), clock=clock)


def count(**changes: Any) -> Call:
    call = Call(
        target=b"/v1/messages/count_tokens",
        headers=(),
        betas=(),
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


REFUSED = ResponseHead.answered(400)
NEVER = b'{"message":"The provided model doesn\'t support counting tokens."}'
NOW = b'{"message":"messages: at least one message is required"}'


def test_a_refusal_is_remembered_for_ten_minutes_and_for_its_model(client: BedrockUpstream, clock: Clock) -> None:
    client.translated(count(), REFUSED, NEVER)
    assert (client.counts(HAIKU), client.counts(OPUS)) == (False, True)
    clock.now += 599
    assert not client.counts(HAIKU)
    clock.now += 1
    assert client.counts(HAIKU)


def test_an_answer_and_what_is_wrong_with_one_request_are_not_remembered(client: BedrockUpstream) -> None:
    client.translated(count(), REFUSED, NOW)
    client.translated(count(), ResponseHead.answered(429), NEVER)
    client.translated_count(ResponseHead.answered(200), b'{"inputTokens":1}')
    assert client.counts(HAIKU)


def test_what_becomes_of_messages_says_nothing_of_counting(client: BedrockUpstream) -> None:
    client.translated(count(counts=False), REFUSED, NEVER)
    assert client.counts(HAIKU)
