"""Usage read from a stream as it passes."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_proxy.spend.meter import MAX_LINE_BYTES, StreamMeter
from gateway_proxy.spend.usage import MAX_COUNT, Usage


def event(value: dict[str, Any], *, separators: tuple[str, str] = (",", ":")) -> bytes:
    return f"event: {value['type']}\ndata: {json.dumps(value, separators=separators)}\n\n".encode()


def started(**usage: Any) -> bytes:
    return event({"type": "message_start", "message": {"id": "msg_1", "usage": usage}})


def delta(text: str, *, kind: str = "text_delta", member: str = "text", **how: Any) -> bytes:
    value = {"type": "content_block_delta", "index": 0, "delta": {"type": kind, member: text}}
    return event(value, **how)


def ended(**usage: Any) -> bytes:
    return event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})


STOP = event({"type": "message_stop"})


def metered(*portions: bytes) -> Usage:
    meter = StreamMeter()
    for portion in portions:
        meter.feed(portion)
    return meter.usage()


def test_a_whole_stream() -> None:
    usage = metered(
        started(
            input_tokens=25,
            output_tokens=1,
            cache_read_input_tokens=4000,
            cache_creation_input_tokens=300,
            cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            speed="fast",
        ),
        delta("Hello"),
        ended(output_tokens=37, server_tool_use={"web_search_requests": 2}),
        STOP,
    )
    assert usage == Usage(
        input_tokens=25,
        output_tokens=37,
        cache_read_input_tokens=4000,
        cache_creation_5m_input_tokens=100,
        cache_creation_1h_input_tokens=200,
        web_search_requests=2,
        speed="fast",
    )


def test_the_larger_input_of_start_and_end_counts() -> None:
    usage = metered(started(input_tokens=10, cache_read_input_tokens=5), ended(output_tokens=3, input_tokens=70))
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (70, 5, 3)


def test_the_last_output_count_wins() -> None:
    assert metered(started(output_tokens=1), ended(output_tokens=50), ended(output_tokens=40)).output_tokens == 40


@pytest.mark.parametrize(
    ("kind", "member"), [("text_delta", "text"), ("thinking_delta", "thinking"), ("input_json_delta", "partial_json")]
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_an_aborted_stream_is_estimated_from_its_text(kind: str, member: str, separators: tuple[str, str]) -> None:
    portions = [delta("x" * 40, kind=kind, member=member, separators=separators) for _ in range(10)]
    usage = metered(started(input_tokens=9, output_tokens=1), *portions)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (9, 100, True)


def test_blanks_that_pad_an_event_are_not_text() -> None:
    padded = delta("abcd").replace(b'"}}\n', b'"}' + b" " * 80 + b"}\n")
    assert metered(started(), padded).output_tokens == 1


def test_a_line_behind_the_text_is_not_text() -> None:
    longer = delta("abcd").replace(b"}}\n\n", b'}}\nid: "not a word of it"\n\n')
    assert metered(started(), longer).output_tokens == 1


def test_a_signature_or_a_citation_is_not_text() -> None:
    quoting = {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "x" * 400}}
    usage = metered(
        started(output_tokens=1),
        delta("s" * 4000, kind="signature_delta", member="signature"),
        event({"type": "content_block_delta", "index": 0, "delta": quoting}),
    )
    assert (usage.output_tokens, usage.estimated) == (1, False)


def test_text_that_speaks_of_usage_is_only_text() -> None:
    usage = metered(started(output_tokens=1), delta('{"usage": {"output_tokens": 999}}'))
    assert usage.output_tokens < 20


def test_nothing_was_sent() -> None:
    assert metered() == Usage()
    assert metered(started(input_tokens=5, output_tokens=1)) == Usage(input_tokens=5, output_tokens=1)


@pytest.mark.parametrize("damaged", [-1, 1.5, "7", None, True, [], {}, 10**30])
def test_a_damaged_count(damaged: Any) -> None:
    usage = metered(started(input_tokens=damaged, cache_creation=damaged, server_tool_use=damaged))
    assert usage.input_tokens in (0, MAX_COUNT)


def test_a_line_without_end_is_not_kept() -> None:
    meter = StreamMeter()
    meter.feed(started(input_tokens=3))
    for _ in range(40):
        meter.feed(b"data: " + b"x" * (MAX_LINE_BYTES // 8))
    assert meter._held <= MAX_LINE_BYTES
    meter.feed(b"\n\n" + ended(output_tokens=8))
    assert meter.usage() == Usage(input_tokens=3, output_tokens=8)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200)))
def test_arbitrary_bytes_never_raise(portions: list[bytes]) -> None:
    metered(*portions)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
USAGE_MEMBERS = st.sampled_from(
    ["input_tokens", "output_tokens", "cache_creation", "cache_creation_input_tokens", "server_tool_use", "speed"]
)
TYPES = st.sampled_from(["message_start", "message_delta", "message_stop", "content_block_delta", "ping", "error"])


@settings(max_examples=300, deadline=None)
@given(TYPES, JSON_VALUES | st.dictionaries(USAGE_MEMBERS, JSON_VALUES), JSON_VALUES)
def test_arbitrary_events_never_raise(kind: str, usage: Any, other: Any) -> None:
    metered(
        event({"type": kind, "usage": usage, "message": other}),
        event({"type": kind, "message": {"usage": usage}, "delta": other}),
        f"data: {json.dumps(usage)}\n\n".encode(),
        f'data: {{"usage":{json.dumps(other)}}}\n\n'.encode(),
    )


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    texts = draw(st.lists(st.text(max_size=30), max_size=6))
    kinds = st.sampled_from(
        [
            ("text_delta", "text"),
            ("thinking_delta", "thinking"),
            ("input_json_delta", "partial_json"),
            ("signature_delta", "signature"),
        ]
    )
    parts = [started(input_tokens=draw(st.integers(0, 9)), output_tokens=1)]
    for text in texts:
        kind, member = draw(kinds)
        parts.append(delta(text, kind=kind, member=member, separators=separators))
        parts.append(draw(st.sampled_from([b"", b": comment\n\n", event({"type": "ping"}), b"data: {\n\n", b"\r\n"])))
    if draw(st.booleans()):
        parts += [ended(output_tokens=draw(st.integers(0, 99))), STOP]
    return b"".join(parts)


@settings(max_examples=400, deadline=None)
@given(streams(), st.data())
def test_any_cut_of_a_stream_gives_the_same_usage(stream: bytes, data: st.DataObject) -> None:
    borders = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    cuts = [0, *borders, len(stream)]
    portions = [stream[start:end] for start, end in itertools.pairwise(cuts)]
    whole_events = [part + b"\n\n" for part in stream.split(b"\n\n")[:-1]] + [stream.rpartition(b"\n\n")[2]]
    assert metered(*portions) == metered(stream) == metered(*whole_events)
