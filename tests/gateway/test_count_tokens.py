"""Token counts come from the upstream or not at all (gateway case 17)."""

from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway

BODY = b'{"model":"claude-haiku-4-5","messages":[]}'
PATH = "/v1/messages/count_tokens?beta=true"


def test_the_upstream_is_asked_under_its_name_for_the_model(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    answer = gateway.messages(BODY, target=PATH)
    assert answer.json() == {"input_tokens": 1190}
    assert upstream.last.target == PATH
    assert upstream.last.body == BODY.replace(b"claude-haiku-4-5", b"claude-haiku-4-5-20251001")


def test_its_errors_are_relayed(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.respond = lambda request: [framing.error_answer(400, "invalid_request_error", "messages: too few")]
    assert gateway.messages(BODY, target=PATH).error == ("invalid_request_error", "messages: too few")


def test_an_upstream_that_cannot_count_is_501(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    headers = [("x-should-retry", "false")]
    upstream.respond = lambda request: [framing.error_answer(501, "not_supported", "no counting here", headers=headers)]
    answer = gateway.messages(BODY, target=PATH)
    assert (answer.status, answer.error[0]) == (501, "not_supported")
    assert answer.header("x-should-retry") == "false"


def test_a_count_is_not_counted_as_usage(gateway: Gateway) -> None:
    before = gateway.metric("claude_gateway_tokens_total")
    answer = gateway.messages(BODY, target=PATH)
    assert gateway.audit_of(answer)["path"] == "/v1/messages/count_tokens"
    assert gateway.metric("claude_gateway_tokens_total") == before
