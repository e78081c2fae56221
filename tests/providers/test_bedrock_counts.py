"""Token counts of Bedrock: asked by the foundation model, where AWS counts with it, and never guessed."""

import pytest
from tests.providers.amazon import BODY, access_key, bedrock_binding
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.bedrock import BedrockStandIn, counted, error_answer
from tests.standins.gateway import Gateway
from tests.standins.manifests import Manifest, binding, secret, serving
from tests.standins.raw_client import Response

FAILED = "claude_gateway_upstream_attempts_failed_total"
JSON = [("content-type", "application/json")]
PATH = "/v1/messages/count_tokens?beta=true"


@pytest.fixture
def gateway(own_gateway: Gateway, bedrock: BedrockStandIn) -> Gateway:
    """One for each test: what a binding cannot count is remembered."""
    own_gateway.load(serving(access_key(), bedrock_binding(bedrock)))
    own_gateway.start()
    return own_gateway


def with_another(bedrock: BedrockStandIn, upstream: AnthropicUpstream) -> list[Manifest]:
    first = bedrock_binding(bedrock)
    first["spec"]["priority"] = 10
    return serving(access_key(), first, secret(), binding("anthropic", upstream.url))


def count(gateway: Gateway, model: str = "claude-haiku-4-5-20251001", **headers: str) -> Response:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return gateway.messages(BODY.replace(b"claude-haiku-4-5-20251001", model.encode()), target=PATH, headers=given)


def not_available(answer: Response) -> bool:
    return (answer.status, answer.error[0], answer.header("x-should-retry")) == (501, "not_supported", "false")


def test_the_foundation_model_is_asked_about_what_would_be_invoked(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    answer = count(gateway, anthropic_beta="claude-code-20250219,interleaved-thinking-2025-05-14")
    assert (answer.status, answer.body) == (200, b'{"input_tokens":1190}')
    assert bedrock.last.target == "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/count-tokens"
    inner = counted(bedrock.last)
    assert inner["anthropic_beta"] == ["claude-code-20250219"]
    assert inner["messages"] == [{"role": "user", "content": "hé"}]
    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "The provided model doesn't support counting tokens."),
        (400, "The provided model identifier is invalid."),
        (400, "Operation not allowed"),
        (403, "User arn:aws:iam::123456789012:role/x is not authorized to perform bedrock:CountTokens"),
        (404, "no such thing in arn:aws:iam::123456789012:role/x"),
    ],
)
def test_a_model_that_is_not_counted_is_remembered_and_nothing_is_guessed(
    gateway: Gateway, bedrock: BedrockStandIn, status: int, message: str
) -> None:
    bedrock.respond = lambda request: [error_answer(status, "SomeException", message)]
    first, second = count(gateway), count(gateway)
    assert not_available(first)
    assert not_available(second)
    assert "123456789012" not in first.body.decode()
    assert len(bedrock.requests) == 1, "nobody asks again for ten minutes"
    bedrock.respond = bedrock.usual
    assert count(gateway, "claude-sonnet-5-5").status == 200, "other models are counted"
    assert gateway.messages(BODY).status == 200, "and this one answers"


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "Other"), (408, "Other"), (429, "429"), (500, "5xx"), (503, "5xx")]
)
def test_a_request_that_cannot_be_counted_takes_no_count_from_others(
    gateway: Gateway, bedrock: BedrockStandIn, status: int, reason: str
) -> None:
    bedrock.respond = lambda request: [error_answer(status, "SomeException", "messages.0: arn:aws:iam::123456789012")]
    refused = count(gateway)
    assert not_available(refused)
    assert "123456789012" not in refused.body.decode()
    assert gateway.metric(FAILED, reason=reason) == 1
    bedrock.respond = bedrock.usual
    assert count(gateway).json() == {"input_tokens": 1190}


def test_another_upstream_counts(gateway: Gateway, bedrock: BedrockStandIn, upstream: AnthropicUpstream) -> None:
    gateway.load(with_another(bedrock, upstream))
    bedrock.respond = lambda request: [
        error_answer(400, "ValidationException", "The provided model doesn't support counting tokens.")
    ]
    assert [count(gateway).json(), count(gateway).json()] == [{"input_tokens": 1190}] * 2
    assert (len(bedrock.requests), len(upstream.requests)) == (1, 2)


def test_a_profile_that_names_no_model_is_not_asked(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    assert not_available(count(gateway, "claude-opus-5-5"))
    assert bedrock.requests == []


NO_COUNTS = [
    *(b"", b"{}", b"<html>", b"[1]", b'{"inputTokens":"many"}', b'{"inputTokens":1.5}', b'{"inputTokens":-1}'),
    *(b'{"inputTokens":true}', b'{"inputTokens":null}', b'{"totalTokens":1190}', b'{"type":"message"}'),
]


@pytest.mark.parametrize("body", NO_COUNTS)
def test_an_answer_that_is_no_number_is_no_count(
    gateway: Gateway, bedrock: BedrockStandIn, upstream: AnthropicUpstream, body: bytes
) -> None:
    bedrock.respond = lambda request: [framing.whole(200, body, JSON)]
    assert (count(gateway).status, gateway.metric(FAILED, reason="BadAnswer")) == (502, 1)
    gateway.load(with_another(bedrock, upstream))
    assert count(gateway).json() == {"input_tokens": 1190}
    assert (len(bedrock.requests), len(upstream.requests)) == (2, 1)


def test_none_at_all_is_a_count(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    bedrock.respond = lambda request: [framing.whole(200, b' {"inputTokens": 0}', JSON)]
    assert count(gateway).body == b'{"input_tokens":0}'
