"""An upstream that fails in mid-stream: the client is told so inside the stream (gateway cases 11 and 16)."""

import json
from typing import Any

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Gate, Step, stream
from tests.standins.gateway import Gateway
from tests.standins.manifests import smallest

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events(messages.text("half of the answer was said"))
SAID = EVENTS[:5]
CHUNKS = [framing.chunk(event) for event in SAID]
LENGTH = sum(len(event) for event in EVENTS)

ENDINGS: dict[str, list[Step]] = {
    "closed between events": [framing.stream_head(), *CHUNKS, End.CLOSE],
    "reset between events": [framing.stream_head(), *CHUNKS, End.RESET],
    "closed in mid-event": [framing.stream_head(), *CHUNKS, framing.chunk(EVENTS[5][:20]), End.CLOSE],
    "closed in mid-chunk": [framing.stream_head(), *CHUNKS, framing.chunk(EVENTS[5])[:30], End.CLOSE],
    "closed inside a chunk's size": [framing.stream_head(), *CHUNKS, b"1", End.CLOSE],
    "closed after a chunk's size": [framing.stream_head(), *CHUNKS, b"1f\r\n", End.CLOSE],
    "ended without message_stop": [framing.stream_head(), *CHUNKS, framing.LAST_CHUNK],
    "ended in mid-event": [framing.stream_head(), *CHUNKS, framing.chunk(EVENTS[5][:20]), framing.LAST_CHUNK],
    "length not reached": [
        framing.head(200, [("content-type", "text/event-stream"), ("content-length", str(LENGTH))]),
        *SAID,
        End.CLOSE,
    ],
    "length reached without message_stop": [
        framing.whole(200, b"".join(SAID), [("content-type", "text/event-stream")])
    ],
    "no framing, no message_stop": [framing.head(200, [("content-type", "text/event-stream")]), *SAID, End.CLOSE],
}


def events_of(body: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in body.split(b"\n\n") if part]


def error_of(event: bytes) -> dict[str, Any]:
    name, data = event.strip().split(b"\n")
    assert name == b"event: error"
    value: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
    return value


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_stream_ends_with_an_error_event(gateway: Gateway, upstream: AnthropicUpstream, ending: list[Step]) -> None:
    upstream.script(*ending)
    answer = gateway.messages(STREAMED)
    events = events_of(answer.body)
    assert answer.status == 200
    assert b"".join(events[: len(SAID)]) == b"".join(SAID)
    error = error_of(events[-1])
    assert error["type"] == "error"
    assert error["error"]["type"] == "api_error"
    assert error["request_id"] == answer.header("x-request-id")
    assert b"message_stop" not in answer.body
    assert b"end_turn" not in answer.body
    assert gateway.audit_of(answer)["status"] == 200
    assert gateway.messages(STREAMED).body.endswith(EVENTS[-1]), "the next request is not touched by it"


def test_chunks_that_turn_into_nonsense_end_with_an_error_event(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gate = Gate()
    upstream.script(framing.stream_head(), *CHUNKS, gate, b"xyz\r\nevent: forged\n\n")
    client = gateway.begin(STREAMED)
    client.head()
    assert [client.event() for _ in SAID] == SAID
    gate.open()
    rest = b"".join(client.pieces())
    assert error_of(rest)["error"]["type"] == "api_error"
    client.close()


@pytest.mark.parametrize("end", [End.CLOSE, End.RESET])
def test_a_stream_that_dies_before_its_first_event_is_no_200(
    gateway: Gateway, upstream: AnthropicUpstream, end: End
) -> None:
    """Case 11: no 200 before the first upstream event."""
    upstream.respond = lambda request: [framing.stream_head(), end]
    answer = gateway.messages(STREAMED)
    assert answer.status == 502
    assert answer.error == ("api_error", "all upstreams failed (1 attempted)")


def test_an_error_event_of_the_upstream_passes_as_it_is(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    overloaded = messages.event(
        "error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    )
    upstream.script(*stream([*SAID, overloaded]))
    assert gateway.messages(STREAMED).body == b"".join([*SAID, overloaded]), "no second error event behind it"


def test_an_error_event_comes_first(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    overloaded = messages.event(
        "error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    )
    upstream.script(*stream([overloaded]))
    assert b"overloaded_error" in gateway.messages(STREAMED).body


def test_silence_beyond_the_idle_limit_is_an_error_event(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 16: a limit on silence, none on the whole."""
    gate = Gate()
    manifests = smallest(upstream.url)
    for one in manifests:
        if one["kind"] == "ProviderBinding":
            one["spec"]["timeouts"] = {"idle": "1s"}
    gateway.load(manifests)
    upstream.script(framing.stream_head(), *CHUNKS, gate)
    answer = gateway.messages(STREAMED)
    assert error_of(events_of(answer.body)[-1])["error"]["type"] == "api_error"
    upstream.wait_for(lambda: upstream.last.hung_up_at is not None, what="its stream given up")


def test_a_json_answer_that_is_cut_is_an_error(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    whole = framing.json_answer(messages.message())
    upstream.script(whole[:-10], End.CLOSE)
    answer = gateway.messages(b'{"model":"claude-sonnet-5-5"}')
    assert answer.status == 502
    assert answer.error[0] == "api_error"
