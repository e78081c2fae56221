"""Metrics: what was asked of us and what it took, with labels that no client can multiply."""

import json

from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.framing import chunk, error_answer, stream_head
from tests.standins.gateway import ADMIN_TOKEN, Gateway, eventually
from tests.standins.raw_client import fetch

BODY = b'{"model":"claude-sonnet-5-5"}'
ROUTE = {"upstream": "claude/anthropic", "model": "claude-sonnet-5-5"}


def test_requests_tokens_and_refusals_are_counted(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    def counts() -> dict[str, float]:
        return {
            "ok": gateway.metric("claude_gateway_requests_total", status="200", **ROUTE),
            "output": gateway.metric("claude_gateway_tokens_total", kind="output", **ROUTE),
            "cache_read": gateway.metric("claude_gateway_tokens_total", kind="cache_read", **ROUTE),
            "refused": gateway.metric("claude_gateway_refusals_total", reason="ModelUnknown"),
            "timed": gateway.metric("claude_gateway_request_duration_seconds_count", upstream="claude/anthropic"),
        }

    before = counts()
    gateway.messages(BODY)
    gateway.messages(b'{"model":"claude-sonnet-5-5","stream":true}')
    gateway.messages(b'{"model":"no-such-model"}')
    wanted = {"ok": 2, "output": 2 * messages.OUTPUT_TOKENS, "cache_read": 8000, "refused": 1, "timed": 2}
    eventually(
        lambda: {name: after - before[name] for name, after in counts().items()} == wanted, what=f"{wanted} counted"
    )


def test_failed_attempts_are_counted_by_reason(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    before = gateway.metric("claude_gateway_upstream_attempts_failed_total", upstream="claude/anthropic")
    upstream.script(error_answer(503, "api_error", "down"))
    gateway.messages(BODY)
    assert gateway.metric("claude_gateway_upstream_attempts_failed_total", upstream="claude/anthropic") == before + 1


def test_clients_cannot_make_series(gateway: Gateway) -> None:
    def series() -> set[str]:
        return {json.dumps([name, labels], sort_keys=True) for name, labels, _ in gateway.samples()}

    def noise(number: int) -> None:
        gateway.messages(b'{"model":"model-%d"}' % number)
        gateway.messages(BODY, user=f"user-{number}")
        gateway.messages(BODY, target=f"/v1/messages/{number}")
        gateway.messages(BODY, headers=[("user-agent", f"agent-{number}"), ("x-claude-code-session-id", str(number))])
        fetch(gateway.port, f"METHOD{number}", "/v1/messages")

    noise(0)
    before = series()
    for number in range(1, 20):
        noise(number)
    assert series() - before == set()


def test_open_streams_are_seen(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gate = Gate()
    upstream.script(stream_head(), chunk(messages.PING), gate)
    client = gateway.begin(b'{"model":"claude-sonnet-5-5","stream":true}')
    client.head()
    client.event()
    assert gateway.metric("claude_gateway_open_streams") == 1
    assert gateway.status()["open_streams"] == 1
    client.close()
    eventually(lambda: gateway.metric("claude_gateway_open_streams") == 0, what="no stream open")


def test_the_status_page_names_the_revision_and_asks_for_its_token(gateway: Gateway) -> None:
    status = gateway.status()
    assert status["revision"].startswith("sha256:")
    assert gateway.metric("claude_gateway_config_info", revision=status["revision"]) == 1
    assert gateway.metric("claude_gateway_config_sequence") == status["sequence"]
    assert fetch(gateway.admin_port, "GET", "/status").status == 401
    wrong = [("authorization", f"Bearer {ADMIN_TOKEN}x")]
    assert fetch(gateway.admin_port, "GET", "/status", headers=wrong).status == 401
    assert gateway.get("/status").status == 404, "not on the public port"
    assert gateway.get("/metrics").status == 404
