"""Request tags: the billing group is recorded where the caller is a member, and the tags go no further."""

import json
from typing import Any

import pytest
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import ALICE, Gateway, eventually
from tests.standins.manifests import developer_key, smallest

BETAS = "claude-code-20250219,request-tags-2026-08-21,interleaved-thinking-2025-05-14"
WITHOUT = "claude-code-20250219,interleaved-thinking-2025-05-14"
TAGGED = {"spend": {"billingGroupTag": "cost-center"}}


@pytest.fixture
def tagged(gateway: Gateway, upstream: AnthropicUpstream) -> Gateway:
    key = developer_key("carol@corp.example", "cc-4711", "cc-4712")
    gateway.load([*smallest(upstream.url, **TAGGED), key])
    return gateway


def body(tags: Any, **more: Any) -> bytes:
    return json.dumps({"model": "claude-sonnet-5-5", "tags": tags, "messages": []} | more).encode()


@pytest.mark.parametrize("stream", [False, True])
def test_a_group_of_the_caller_is_recorded_and_the_tags_are_taken_out(
    tagged: Gateway, upstream: AnthropicUpstream, stream: bool
) -> None:
    def counts() -> list[float]:
        return [
            tagged.metric("claude_gateway_billing_group_requests_total", billing_group="cc-4711"),
            tagged.metric("claude_gateway_billing_group_tokens_total", billing_group="cc-4711", kind="output"),
            tagged.metric("claude_gateway_billing_group_tokens_total", billing_group="cc-4711", kind="cache_read"),
        ]

    before = counts()
    sent = b'{"model":"claude-sonnet-5-5", "tags" : {"cost-center":"cc-4711","x":"y"} ,"temperature":1.0,"stream":%b}'
    sent %= b"true" if stream else b"false"
    answer = tagged.messages(sent, user="carol@corp.example", headers=[("anthropic-beta", BETAS)])
    assert answer.status == 200
    expected = b'{"model":"claude-sonnet-5-5", "temperature":1.0,"stream":%b}' % (b"true" if stream else b"false")
    assert upstream.last.body == expected
    assert upstream.last.header("anthropic-beta") == WITHOUT
    line = tagged.audit_of(answer)
    assert line["billing_group"] == "cc-4711"
    assert "billing_group_ignored" not in line
    wanted = [before[0] + 1, before[1] + messages.OUTPUT_TOKENS, before[2] + 4000]
    eventually(lambda: counts() == wanted, what="the group's requests and tokens counted")


@pytest.mark.parametrize("tags", [{"cost-center": "cc-9999"}, {"cost-center": 4711}, {"cost-center": ["cc-4711"]}])
def test_another_group_is_not_recorded_and_the_request_passes(
    tagged: Gateway, upstream: AnthropicUpstream, tags: Any
) -> None:
    answer = tagged.messages(body(tags), user="carol@corp.example")
    assert answer.status == 200
    line = tagged.audit_of(answer)
    assert line["billing_group_ignored"] is True
    assert "billing_group" not in line
    assert "tags" not in upstream.last.json()
    assert "cc-9999" not in tagged.metrics_text() + tagged.audit_text()


@pytest.mark.parametrize("tags", [{}, {"team": "cc-4711"}, ["cost-center"], None, "cost-center", 1])
def test_tags_that_name_no_group_are_taken_out_too(tagged: Gateway, upstream: AnthropicUpstream, tags: Any) -> None:
    answer = tagged.messages(body(tags), user="carol@corp.example", target="/v1/messages/count_tokens?beta=true")
    assert answer.status == 200
    assert "tags" not in upstream.last.json()
    assert not [name for name in tagged.audit_of(answer) if name.startswith("billing_group")]


def test_the_beta_alone_is_taken_out(tagged: Gateway, upstream: AnthropicUpstream) -> None:
    sent = b'{"model": "claude-sonnet-5-5"}'
    tagged.messages(sent, user=ALICE, headers=[("anthropic-beta", "request-tags-2026-08-21")])
    assert upstream.last.header("anthropic-beta") is None
    assert upstream.last.body == sent


def test_without_a_configured_tag_the_anthropic_api_gets_what_was_sent(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    sent = body({"cost-center": "engineering"})
    answer = gateway.messages(sent, headers=[("anthropic-beta", BETAS)])
    assert upstream.last.body == sent
    assert upstream.last.header("anthropic-beta") == BETAS
    assert "billing_group" not in gateway.audit_of(answer)
