"""Several upstreams: tried by priority until one answers, before the first byte only."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Gate, Script, Step, stream, usual
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import Manifest, binding, deployment, developer_key, policy, secret
from tests.standins.ports import refusing_port
from tests.standins.requests_seen import Received

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'


@pytest.fixture
def second() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server
        assert server.problems == []


def both(first: AnthropicUpstream, second: AnthropicUpstream, *more: Manifest, **first_spec: Any) -> list[Manifest]:
    return [
        deployment(),
        secret(),
        binding("zebra", first.url, priority=10, **first_spec),
        binding("ant", second.url),
        policy("everyone"),
        developer_key(ALICE),
        *more,
    ]


def always(*steps: Step) -> Callable[[Received], Script]:
    return lambda request: steps


def failing(status: int, **more: str) -> Callable[[Received], Script]:
    headers = [(name.replace("_", "-"), value) for name, value in more.items()]
    return lambda request: [framing.error_answer(status, "some_error", f"status {status}", headers=headers)]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 501, 502, 503, 529])
@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_the_next_upstream_answers(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream, status: int, body: bytes
) -> None:
    gateway.load(both(upstream, second))
    upstream.respond = failing(status)
    answer = gateway.messages(body)
    assert answer.status == 200
    assert (len(upstream.requests), len(second.requests)) == (1, 1)
    assert second.last.body == upstream.last.body == body
    line = gateway.audit_of(answer)
    assert line["upstream"] == "claude/ant"


@pytest.mark.parametrize(
    "script",
    {
        "closed": [End.CLOSE],
        "reset": [End.RESET],
        "no HTTP": [b"hello\r\n\r\n", End.CLOSE],
        "a dead stream": [framing.stream_head(), End.CLOSE],
    }.items(),
    ids=lambda named: str(named[0]),
)
def test_a_broken_upstream_is_passed_over(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream, script: tuple[str, list[Step]]
) -> None:
    gateway.load(both(upstream, second))
    upstream.respond = always(*script[1])
    assert gateway.messages(STREAMED).status == 200
    assert len(second.requests) == 1


def test_nobody_listening_is_passed_over(gateway: Gateway, second: AnthropicUpstream) -> None:
    manifests = both(second, second)
    with refusing_port() as port:
        manifests[2]["spec"]["anthropic"]["baseURL"] = f"http://127.0.0.1:{port}"
        gateway.load(manifests)
        assert gateway.messages(BODY).status == 200


def test_no_first_byte_in_time_is_passed_over(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    gateway.load(both(upstream, second, timeouts={"firstByte": "1s"}))
    gate = Gate()
    upstream.script(gate)
    assert gateway.messages(BODY).status == 200
    upstream.wait_for(lambda: upstream.requests[0].hung_up_at is not None, what="its request given up")


@pytest.mark.parametrize("status", [400, 402, 405, 408, 409, 413, 422, 424, 499])
def test_the_request_s_own_fault_is_final(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream, status: int
) -> None:
    gateway.load(both(upstream, second))
    upstream.respond = failing(status)
    assert gateway.messages(BODY).status == status
    assert second.requests == []


def test_nothing_is_tried_again_after_the_first_byte(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    gateway.load(both(upstream, second))
    upstream.respond = always(framing.stream_head(), framing.chunk(messages.events()[0]), End.RESET)
    answer = gateway.messages(STREAMED)
    assert answer.status == 200
    assert b"event: error" in answer.body
    assert second.requests == []


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [(429, 500, 429), (500, 429, 429), (401, 500, 401), (403, 404, 403), (404, 403, 403), (404, 503, 404),
     (501, 500, 501), (501, 404, 404), (429, 401, 429), (500, 400, 400), (429, 400, 400), (500, 502, 502),
     (503, 500, 529)],
)  # fmt: skip
def test_when_all_fail_the_most_telling_status_wins(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream, first: int, last: int, status: int
) -> None:
    gateway.load(both(upstream, second))
    upstream.respond = failing(first, retry_after="21")
    second.respond = failing(last, retry_after="22")
    answer = gateway.messages(BODY)
    assert answer.status == status
    if status == 502:
        assert answer.error == ("api_error", "all upstreams failed (2 attempted)")
    elif status == 529:
        assert answer.error[0] == "overloaded_error"
        assert answer.header("retry-after") == "21"
    else:
        assert answer.error[1] == f"status {status}", "that upstream's own words"
        assert answer.header("retry-after") == ("21" if status == first else "22"), "that upstream's own hint"


def test_the_overflow_words_stay_after_a_failover(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    """Case 10."""
    gateway.load(both(upstream, second))
    upstream.respond = failing(503)
    words = "prompt is too long: 215000 tokens > 200000 maximum"
    second.respond = lambda request: [framing.error_answer(400, "invalid_request_error", words)]
    assert gateway.messages(BODY).error == ("invalid_request_error", words)


def test_each_upstream_gets_its_own_name_for_the_model(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    mapped = [{"id": "claude-sonnet-5-5", "upstreamID": "sonnet-by-another-name"}]
    gateway.load(both(upstream, second, models=mapped))
    upstream.respond = failing(503)
    gateway.messages(BODY)
    assert (upstream.last.json()["model"], second.last.json()["model"]) == (
        "sonnet-by-another-name",
        "claude-sonnet-5-5",
    )


def test_an_upstream_that_lists_other_models_only_is_not_asked(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    gateway.load(both(upstream, second, models=[{"id": "claude-haiku-5-5"}], onlyListedModels=True))
    assert gateway.messages(BODY).status == 200
    assert (len(upstream.requests), len(second.requests)) == (0, 1)


def test_a_policy_may_keep_its_callers_to_some_providers(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    manifests = both(upstream, second)
    manifests[4]["spec"]["providers"] = [{"name": "ant"}]
    gateway.load(manifests)
    second.respond = failing(500)
    assert gateway.messages(BODY).status == 502
    assert upstream.requests == []


def test_the_next_request_begins_at_the_first_again(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    gateway.load(both(upstream, second))
    upstream.script(framing.error_answer(503, "api_error", "down"))
    gateway.messages(BODY)
    upstream.respond = usual
    gateway.messages(BODY)
    assert (len(upstream.requests), len(second.requests)) == (2, 1)


def test_streams_share_nothing_between_upstreams(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    gateway.load(both(upstream, second))
    upstream.script(framing.whole(503, b"x" * 300_000))
    second.script(*stream(messages.events(messages.text("from the second"))))
    body = gateway.messages(STREAMED).body
    assert body == b"".join(messages.events(messages.text("from the second")))


def test_an_event_stream_without_an_event_is_no_answer(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream
) -> None:
    gateway.load(both(upstream, second))
    upstream.respond = always(*stream([]))
    assert b"message_stop" in gateway.messages(STREAMED).body
    assert len(second.requests) == 1
