"""`safeguards`: passed to the upstream, or refused by name, never dropped (gateway case 6)."""

import json

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.framing import json_answer
from tests.standins.gateway import Gateway
from tests.standins.manifests import smallest

BODY = b'{"model":"claude-sonnet-5-5","safeguards":{"dangerous_tool_use":{"enabled":true}}}'
PLAIN = b'{"model":"claude-sonnet-5-5"}'
BETA = ("anthropic-beta", "claude-code-20250219, dangerous-tool-use-2026-09-03")


def test_by_default_they_pass_and_so_do_their_results(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.script(json_answer({"type": "message", "safeguard_results": {"verdict": "allow"}}))
    answer = gateway.messages(BODY, headers=[BETA])
    assert upstream.last.body == BODY
    assert upstream.last.header("anthropic-beta") == BETA[1]
    assert answer.json()["safeguard_results"] == {"verdict": "allow"}


@pytest.mark.parametrize("target", ["/v1/messages?beta=true", "/v1/messages/count_tokens?beta=true"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, [BETA]),
        (BODY, []),
        (PLAIN, [BETA]),
        (PLAIN[:-1] + b',"safe\\u0067uards":null}', []),
        (PLAIN, [("anthropic-beta", "a-1"), ("Anthropic-Beta", "dangerous-tool-use-2027-01-01")]),
    ],
)
def test_refused_they_are_named(
    gateway: Gateway, upstream: AnthropicUpstream, body: bytes, headers: list[tuple[str, str]], target: str
) -> None:
    gateway.load(smallest(upstream.url, safeguards="Refuse"))
    before = gateway.metric("claude_gateway_refusals_total", reason="SafeguardsRefused")
    answer = gateway.messages(body, headers=headers, target=target)
    kind, message = answer.error
    assert (answer.status, kind) == (400, "invalid_request_error")
    assert message.startswith("safeguards: ")
    assert gateway.audit_of(answer)["reason"] == "SafeguardsRefused"
    assert gateway.metric("claude_gateway_refusals_total", reason="SafeguardsRefused") == before + 1
    assert upstream.requests == []


def test_a_request_without_them_passes_a_gateway_that_refuses_them(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    gateway.load(smallest(upstream.url, safeguards="Refuse"))
    body = json.dumps({"model": "claude-sonnet-5-5", "messages": [{"safeguards": 1}]}).encode()
    assert gateway.messages(body, headers=[("anthropic-beta", "claude-code-20250219")]).status == 200
