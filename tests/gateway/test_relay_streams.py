"""Each event reaches the client as soon as it arrives, however the upstream cuts it into chunks and packets."""

import contextlib
import gzip
import json
import random
from collections.abc import Iterable

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Gate, Step, stream
from tests.standins.gateway import Gateway

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events(messages.thinking("let me see"), messages.text("Grüße € 🎈"))
WHOLE = b"".join(EVENTS)


def test_each_event_arrives_before_the_next_is_sent(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gates = [Gate() for _ in EVENTS]
    steps: list[Step] = [framing.stream_head()]
    for event, gate in zip(EVENTS, gates, strict=True):
        steps += [framing.chunk(event), gate]
    upstream.script(*steps, framing.LAST_CHUNK)
    client = gateway.begin(STREAMED)
    assert client.head().status == 200
    for event, gate in zip(EVENTS, gates, strict=True):
        assert client.event() == event
        gate.open()
    assert b"".join(client.pieces()) == b""
    client.close()


def test_a_long_event_flows_before_its_end_is_there(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gate = Gate()
    long = messages.event("content_block_delta", {"type": "content_block_delta", "x": "y" * 2_000_000})
    begun, rest = long[:1_000_000], long[1_000_000:]
    upstream.script(
        *(framing.stream_head(), framing.chunk(EVENTS[0]), framing.chunk(begun), gate),
        *(framing.chunk(rest + b"".join(EVENTS[1:])), framing.LAST_CHUNK),
    )
    with contextlib.closing(gateway.begin(STREAMED)) as client:
        client.head()
        pieces, got = client.pieces(), b""
        while len(got) < 500_000:
            got += next(pieces)
        gate.open()
        assert got + b"".join(pieces) == EVENTS[0] + long + b"".join(EVENTS[1:])


def random_chunks(seed: int) -> list[bytes]:
    """The stream in chunks of odd sizes, and those in packets of other odd sizes."""
    random_source = random.Random(seed)
    at, chunked = 0, b""
    while at < len(WHOLE):
        size = random_source.choice([1, 2, 3, 7, 16, 100, 400])
        extension = random_source.choice([b"", b"", b";a", b';name="va;lue"'])
        chunked += framing.chunk(WHOLE[at : at + size], extension=extension)
        at += size
    chunked += framing.last_chunk([("x-trailer", "late")]) if seed % 2 else framing.LAST_CHUNK
    borders = sorted(random_source.sample(range(1, len(chunked)), 40))
    return framing.cut(chunked, *borders)


@pytest.mark.parametrize("seed", range(12))
def test_borders_may_lie_anywhere(gateway: Gateway, upstream: AnthropicUpstream, seed: int) -> None:
    upstream.script(framing.stream_head(), *random_chunks(seed))
    assert gateway.messages(STREAMED).body == WHOLE
    upstream.script(*stream(EVENTS))
    assert gateway.messages(STREAMED).body == WHOLE, "the connection is in step for the next answer"


@pytest.mark.parametrize(
    "answer",
    {
        "one byte at a time": framing.single_bytes(b"".join(s for s in stream(EVENTS) if isinstance(s, bytes))),
        "with its length": [framing.whole(200, WHOLE, [("content-type", "text/event-stream")])],
        "until the connection ends": [framing.head(200, [("content-type", "text/event-stream")]), WHOLE, End.CLOSE],
        "HTTP/1.0": [framing.head(200, [("content-type", "text/event-stream")], version="HTTP/1.0"), WHOLE, End.CLOSE],
        "connection: close": [*stream(EVENTS, headers=[("connection", "close")]), End.CLOSE],
        "an interim answer first": [framing.head(103, [("link", "</x>")]), framing.head(100), *stream(EVENTS)],
        "carriage returns": stream([event.replace(b"\n", b"\r\n") for event in EVENTS]),
        "one chunk for all": stream([WHOLE]),
    }.items(),
    ids=lambda named: str(named[0]),
)
def test_every_framing_gives_the_same_events(
    gateway: Gateway, upstream: AnthropicUpstream, answer: tuple[str, Iterable[Step]]
) -> None:
    upstream.script(*answer[1])
    got = gateway.messages(STREAMED)
    assert got.status == 200
    assert got.body.replace(b"\r\n", b"\n") == WHOLE
    assert gateway.audit_of(got)["tokens"]["output"] == messages.OUTPUT_TOKENS


def test_a_huge_event_passes(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    huge = messages.event("content_block_delta", {"type": "content_block_delta", "x": "y" * 4_000_000})
    events = [EVENTS[0], huge, *EVENTS[1:]]
    upstream.script(*stream(events))
    got = gateway.messages(STREAMED)
    assert got.body == b"".join(events)
    assert gateway.audit_of(got)["tokens"]["output"] == messages.OUTPUT_TOKENS


def test_gzip_events_although_identity_was_asked_can_be_read(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 13: decoded, or passed with its encoding named; never 200 with nothing that can be read."""
    packed = gzip.compress(WHOLE)
    headers = [("content-encoding", "gzip")]
    upstream.script(framing.stream_head(headers), framing.chunk(packed[:50]), framing.chunk(packed[50:]), b"0\r\n\r\n")
    got = gateway.messages(STREAMED)
    plain = gzip.decompress(got.body) if got.header("content-encoding") == "gzip" else got.body
    assert plain == WHOLE or (got.status == 502 and json.loads(plain)["type"] == "error")


def test_200_is_not_said_before_the_upstream_has_said_it(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 11: a late refusal is still a plain status, not an error inside a 200."""
    gate = Gate()
    upstream.script(gate, framing.error_answer(400, "invalid_request_error", "no"))
    client = gateway.begin(STREAMED)
    gate.wait_until_reached()
    gate.open()
    assert client.response().status == 400
    client.close()
