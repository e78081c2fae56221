"""Token counts come from the upstream or not at all (gateway case 17)."""

import gzip
from collections.abc import Iterator

import pytest
from tests.gateway.bad_answers import (
    ALL_FAILED,
    EVENTS,
    FULL,
    JSON,
    MESSAGE,
    Row,
    envelope,
    error_event,
    events,
    failures,
    packed,
    page,
    two,
)
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream, stream
from tests.standins.gateway import Gateway

BODY = b'{"model":"claude-haiku-4-5","messages":[]}'
PATH = "/v1/messages/count_tokens?beta=true"


@pytest.fixture
def second() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server
        assert server.problems == []


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


NO_COUNTS: dict[str, Row] = {
    "a page": Row([page(200)], *ALL_FAILED, "BadAnswer"),
    "nothing": Row([framing.whole(200, b"", JSON)], *ALL_FAILED, "BadAnswer"),
    "204": Row([framing.head(204)], *ALL_FAILED, "BadAnswer"),
    "an array": Row([framing.whole(200, b'[{"input_tokens":1}]', JSON)], *ALL_FAILED, "BadAnswer"),
    "another object": Row([framing.whole(200, b'{"status":"ok"}', JSON)], *ALL_FAILED, "BadAnswer"),
    "a message": Row([framing.whole(200, MESSAGE, JSON)], *ALL_FAILED, "BadAnswer"),
    "a message's events": Row(stream(EVENTS), *ALL_FAILED, "BadAnswer"),
    "a number in another place": Row(
        [framing.whole(200, b'{"usage":{"input_tokens":1}}', JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "a number below zero": Row([framing.whole(200, b'{"input_tokens":-1}', JSON)], *ALL_FAILED, "BadAnswer"),
    "a part of a number": Row([framing.whole(200, b'{"input_tokens":1.5}', JSON)], *ALL_FAILED, "BadAnswer"),
    "a word": Row([framing.whole(200, b'{"input_tokens":"1190"}', JSON)], *ALL_FAILED, "BadAnswer"),
    "no word and no number": Row([framing.whole(200, b'{"input_tokens":null}', JSON)], *ALL_FAILED, "BadAnswer"),
    "yes": Row([framing.whole(200, b'{"input_tokens":true}', JSON)], *ALL_FAILED, "BadAnswer"),
    "half an object": Row([framing.whole(200, b'{"input_tokens":1190', JSON)], *ALL_FAILED, "BadAnswer"),
    "more than a number is": Row(
        [framing.whole(200, b'{"input_tokens":1190,"x":"' + b"x" * 3_000_000 + b'"}', JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "gzip that is none": Row([packed(b"{}")], *ALL_FAILED, "Protocol"),
    "another object in gzip": Row([packed(gzip.compress(b'{"status":"ok"}'))], *ALL_FAILED, "BadAnswer"),
    "an error": Row([framing.whole(200, envelope("overloaded_error"), JSON)], *FULL, "5xx"),
    "an error as an event": Row(events(error_event("overloaded_error")), *FULL, "5xx"),
}


@pytest.mark.parametrize("asked", ["identity", "gzip"])
@pytest.mark.parametrize("row", NO_COUNTS.values(), ids=NO_COUNTS.keys())
def test_what_is_no_number_of_tokens(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream, row: Row, asked: str
) -> None:
    before = failures(gateway)
    upstream.respond = lambda request: row.script
    given = [("accept-encoding", asked)]
    answer = gateway.messages(BODY, target=PATH, headers=given)
    assert (answer.status, answer.error[0]) == (row.status, row.kind)
    counted = {reason: value - before.get(reason, 0) for reason, value in failures(gateway).items()}
    assert {reason for reason, value in counted.items() if value} == {row.reason}
    gateway.load(two(upstream, second))
    assert gateway.messages(BODY, target=PATH, headers=given).json() == {"input_tokens": 1190}
    assert len(second.requests) == 1


@pytest.mark.parametrize("asked", ["identity", "gzip"])
@pytest.mark.parametrize(
    "number",
    [b'{"input_tokens":0}', b' {"type": "message_tokens_count",\n "input_tokens": 1190, "of_next_year": {"a": [1]}}\n'],
    ids=["none", "more members"],
)
def test_a_number_of_tokens_passes_as_it_came(
    gateway: Gateway, upstream: AnthropicUpstream, number: bytes, asked: str
) -> None:
    whole = packed(gzip.compress(number)) if asked == "gzip" else framing.whole(200, number, JSON)
    upstream.respond = lambda request: [whole]
    answer = gateway.messages(BODY, target=PATH, headers=[("accept-encoding", asked)])
    assert answer.status == 200
    assert (gzip.decompress(answer.body) if asked == "gzip" else answer.body) == number
