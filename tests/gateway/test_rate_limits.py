"""Limits for each user, over real connections."""

import json
from typing import Any

from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.framing import chunk, error_answer, json_answer, stream_head
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import developer_key, policy, smallest
from tests.standins.raw_client import Response, fetch
from tests.standins.requests_seen import Expected

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":1,"messages":[]}'
STREAMED = BODY[:-1] + b',"stream":true}'
USED = 25 + 300 + messages.OUTPUT_TOKENS
"""Tokens of an answer that count: input, what was written to the cache, output."""


def load(gateway: Gateway, upstream: AnthropicUpstream, *users: str, **limits: int) -> None:
    """Limits for everyone. Counts outlive a reload, so each test has users of its own."""
    others = [one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"]
    keys = [developer_key(user) for user in users]
    gateway.load([*others, *keys, policy("everyone", rateLimits=limits)])


def assert_limited(gateway: Gateway, answer: Response, reason: str) -> None:
    kind, message = answer.error
    assert (answer.status, kind) == (429, "rate_limit_error"), answer
    wait = answer.header("retry-after")
    assert wait is not None
    assert 1 <= int(wait) <= 63
    assert f"try again in {wait} s" in message
    line = gateway.audit_of(answer)
    assert (line["event"], line["reason"], line["status"]) == ("access.denied", reason, 429)


def test_requests_a_minute(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "r1", "r2", requestsPerMinute=3)
    before = gateway.metric("claude_gateway_refusals_total", reason="RequestRateLimit")
    assert [gateway.messages(BODY, user="r1").status for _ in range(3)] == [200, 200, 200]
    answer = gateway.messages(BODY, user="r1")
    assert_limited(gateway, answer, "RequestRateLimit")
    assert "3 requests a minute for each user" in answer.error[1]
    assert gateway.audit_of(answer)["sub"] == "r1"
    assert gateway.metric("claude_gateway_refusals_total", reason="RequestRateLimit") == before + 1
    assert gateway.messages(BODY, user="r2").status == 200, "another user is not concerned"
    assert len(upstream.requests) == 4


def test_every_inference_path_counts_and_the_small_ones_do_not(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "p1", requestsPerMinute=2)
    assert gateway.messages(BODY, user="p1", target="/v1/messages/count_tokens").status == 200
    for _ in range(5):
        assert fetch(gateway.port, "GET", "/v1/models", headers=gateway.headers("p1")).status == 200
    assert gateway.messages(BODY, user="p1").status == 200
    assert gateway.messages(BODY, user="p1", target="/v1/messages/count_tokens").status == 429


def test_what_was_refused_for_another_reason_does_not_count(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "n1", requestsPerMinute=1)
    for body in (b"{", b'{"model":"no-such-model"}', b"{}"):
        assert gateway.messages(body, user="n1").status == 400
    assert gateway.messages(BODY, user="n1").status == 200


def test_open_streams(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "s1", openStreams=1)
    gate = Gate()
    events = messages.events()
    upstream.script(stream_head(), chunk(events[0]), gate, *map(chunk, events[1:]), b"0\r\n\r\n")
    client = gateway.begin(STREAMED, user="s1")
    client.head()
    assert_limited(gateway, gateway.messages(BODY, user="s1"), "OpenStreamsLimit")
    gate.open()
    assert b"message_stop" in b"".join(client.pieces())
    assert eventually(lambda: gateway.messages(BODY, user="s1").status == 200, what="room for another")


def test_a_client_that_leaves_makes_room(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "s2", openStreams=1)
    gate = Gate()
    upstream.script(stream_head(), chunk(messages.PING), gate)
    client = gateway.begin(STREAMED, user="s2")
    client.head()
    client.close()
    assert eventually(lambda: gateway.messages(BODY, user="s2").status == 200, what="room for another")


def test_a_client_that_leaves_before_the_answer_makes_room(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "s3", openStreams=1)
    gate = Gate()
    upstream.script(gate)
    client = gateway.begin(STREAMED, user="s3")
    gate.wait_until_reached()
    client.close()
    assert eventually(lambda: gateway.messages(BODY, user="s3").status == 200, what="room for another")


def test_tokens_a_minute(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "t1", "t2", tokensPerMinute=USED)
    assert gateway.messages(BODY, user="t1").status == 200
    answer = eventually(
        lambda: one if (one := gateway.messages(BODY, user="t1")).status == 429 else None, what="the limit reached"
    )
    assert_limited(gateway, answer, "TokenRateLimit")
    assert gateway.messages(STREAMED, user="t2").status == 200
    answer = eventually(
        lambda: one if (one := gateway.messages(STREAMED, user="t2")).status == 429 else None, what="the limit reached"
    )
    assert_limited(gateway, answer, "TokenRateLimit")


def test_what_comes_from_the_prompt_cache_is_free(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "t3", tokensPerMinute=500)
    usage: dict[str, Any] = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 100_000}
    cached = json_answer({**messages.message(), "usage": usage})
    for _ in range(5):
        upstream.script(cached)
        assert gateway.messages(BODY, user="t3").status == 200


def test_an_upstream_s_error_costs_no_tokens(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "t4", tokensPerMinute=200)
    body = json.dumps({"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": "x" * 500}]}).encode()
    for status in (400, 500, 529):
        upstream.script(error_answer(status, "api_error", "no"))
        assert gateway.messages(body, user="t4").status >= 400
        assert gateway.messages(BODY, user="t4", target="/v1/messages/count_tokens").status == 200
    assert gateway.messages(BODY, user="t4").status == 200


def test_a_reload_gives_nobody_a_new_minute(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, "l1", requestsPerMinute=1)
    assert gateway.messages(BODY, user="l1").status == 200
    load(gateway, upstream, "l1", requestsPerMinute=1, openStreams=5)
    assert gateway.messages(BODY, user="l1").status == 429
    load(gateway, upstream, "l1", requestsPerMinute=2)
    assert gateway.messages(BODY, user="l1").status == 200


def test_a_subscription_login_is_limited_by_itself(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    others = [
        one
        for one in smallest(upstream.url, identity={"subscriptionPassthrough": True})
        if one["kind"] != "GatewayPolicy"
    ]
    gateway.load([*others, policy("everyone", rateLimits={"requestsPerMinute": 1})])
    upstream.expected = [Expected.oauth(f"sk-ant-oat01-{number}") for number in (1, 2)]

    def ask(number: int) -> int:
        headers = [
            ("authorization", f"Bearer sk-ant-oat01-{number}"),
            ("anthropic-beta", "oauth-2025-04-20"),
            ("content-type", "application/json"),
        ]
        return fetch(gateway.port, "POST", "/v1/messages", headers=headers, body=BODY).status

    assert [ask(1), ask(1), ask(2)] == [200, 429, 200]
