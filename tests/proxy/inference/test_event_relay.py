"""The relay of events: byte for byte wherever packets and chunks are cut, own words only between events."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_proxy import errors, failure_answers
from gateway_proxy.inference.relay import EVENT_LIMIT, EventRelay, RawRelay
from gateway_proxy.messages import sse
from gateway_proxy.spend.meter import StreamMeter
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.upstream.errors import BrokenConnectionError, IdleTimeoutError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.framing import LAST_CHUNK, ChunkWalker, chunk
from gateway_proxy.upstream.head import parse_head

START = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":7}}}\n\n'
DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"error, message_stop"}}\n\n'
)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
UNKNOWN = b'event: brand_new\r\ndata: {"type":"brand_new"}\r\n\r\n'
COMMENT = b": keep-alive\n\n"
END = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
STALL = Timeouts().stall
STREAM = START + PING + DELTA + UNKNOWN + COMMENT + DELTA + END + STOP


class Client:
    """The client's side of a connection, as the relay uses it; keeps what is written."""

    def __init__(self, *, http_1_0: bool = False) -> None:
        self.connection = self
        self.transport: Any = self
        self.writes: list[bytes] = []
        self.http_1_0 = http_1_0
        self.closes = False
        self.cut = False
        self.writing_paused = False
        self.request_id = "gw-test"
        self.flow: Any = None
        self.ticking: Any = None

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def head(self, status: int, lines: list[bytes], framing: bytes) -> bytes:
        return b""

    def abort(self) -> None:
        self.cut = True

    @property
    def payload(self) -> bytes:
        """What the client reads out of the chunks."""
        walker, sent = ChunkWalker(), b"".join(self.writes)
        payload = b"".join(sent[start:end] for start, end in walker.feed(sent))
        self.ended = walker.done
        assert not walker.excess
        return payload


class Upstream:
    """The carrier of an exchange, without a socket."""

    def __init__(self, head: bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked") -> None:
        self.aborted = False
        self.paused = False
        self.exchange = Exchange(self, loop=asyncio.get_running_loop(), first_byte_seconds=5, idle_seconds=300)
        self.exchange.begun(parse_head(head))
        self._walker = ChunkWalker()

    def send(self, packet: bytes) -> None:
        spans = self._walker.feed(packet)
        if spans:
            self.exchange.deliver(packet, spans, self._walker.border)
        if self._walker.done:
            self.exchange.ended()

    def abort(self) -> None:
        self.aborted = True

    def fail(self, error: Any) -> None:
        self.exchange.failed(error)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def unsent(self) -> int:
        return 0


def relayed(
    play: Callable[[Upstream], object], *, http_1_0: bool = False, ping_seconds: float = 15
) -> tuple[Client, EventRelay, StreamMeter]:
    async def run() -> tuple[Client, EventRelay, StreamMeter]:
        client, upstream, meter = Client(http_1_0=http_1_0), Upstream(), StreamMeter()
        events = EventRelay(client, upstream.exchange, meter, timeouts=Timeouts(ping=ping_seconds))  # type: ignore[arg-type]
        task = asyncio.ensure_future(events.run(200, [], ping=False))
        await asyncio.sleep(0)
        play(upstream)
        if events.outcome:
            await task
        else:
            task.cancel()
        return client, events, meter

    return asyncio.run(run())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


PLACES = st.lists(st.integers(0, 5000), max_size=14)


@settings(deadline=None)
@given(PLACES, PLACES, st.booleans())
def test_every_byte_passes_wherever_it_is_cut(chunks: list[int], packets: list[int], http_1_0: bool) -> None:
    framed = b"".join(chunk(part) for part in cut(STREAM, chunks)) + LAST_CHUNK

    def play(upstream: Upstream) -> None:
        for packet in cut(framed, packets):
            upstream.send(packet)

    client, events, meter = relayed(play, http_1_0=http_1_0)
    got = b"".join(client.writes) if http_1_0 else client.payload
    assert got == STREAM
    assert events.outcome == "completed"
    assert client.closes == http_1_0
    assert meter.usage().output_tokens == 42


@settings(deadline=None)
@given(PLACES, PLACES, st.integers(0, len(STREAM) - len(STOP)))
def test_a_break_off_is_told_between_two_events(chunks: list[int], packets: list[int], broken: int) -> None:
    framed = b"".join(chunk(part) for part in cut(STREAM[:broken], chunks))

    def play(upstream: Upstream) -> None:
        for packet in cut(framed, packets):
            upstream.send(packet)
        upstream.exchange.failed(BrokenConnectionError("gone"))

    client, events, _ = relayed(play)
    payload = client.payload
    border = sse.last_border(STREAM[:broken])
    assert payload == STREAM[:border] + errors.stream_event(failure_answers.upstream_broke_off(), "gw-test")
    assert client.ended
    assert events.outcome == "upstream_broke_off"


@settings(deadline=None)
@given(PLACES, st.integers(0, len(STREAM) - 1))
def test_a_ping_stands_only_between_two_events(packets: list[int], until: int) -> None:
    framed = chunk(STREAM[:until]) if until else b""

    async def run() -> bytes:
        client, upstream = Client(), Upstream()
        events = EventRelay(client, upstream.exchange, StreamMeter(), timeouts=Timeouts())  # type: ignore[arg-type]
        task = asyncio.ensure_future(events.run(200, [], ping=False))
        await asyncio.sleep(0)
        for packet in cut(framed, packets):
            upstream.send(packet)
        for now in (0.0, 14.0, 15.0):
            events.tick(now)
        upstream.send(chunk(STREAM[until:]) + LAST_CHUNK)
        await task
        return client.payload

    border = sse.last_border(STREAM[:until])
    assert asyncio.run(run()) == STREAM[:border] + sse.PING + STREAM[border:]


def test_an_end_without_message_stop_is_an_error_in_band() -> None:
    client, events, meter = relayed(lambda upstream: upstream.send(chunk(START + DELTA) + LAST_CHUNK))
    assert client.payload == START + DELTA + errors.stream_event(failure_answers.upstream_broke_off(), "gw-test")
    assert client.ended
    assert events.outcome == "upstream_broke_off"
    assert meter.usage().output_tokens > 1


def test_an_upstreams_own_error_event_is_enough() -> None:
    overloaded = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    client, events, _ = relayed(lambda upstream: upstream.send(chunk(START + overloaded) + LAST_CHUNK))
    assert client.payload == START + overloaded
    assert client.ended
    assert events.outcome == "upstream_error"


def test_silence_inside_the_stream_is_told() -> None:
    def play(upstream: Upstream) -> None:
        upstream.send(chunk(START))
        upstream.exchange.failed(IdleTimeoutError(300))

    client, events, _ = relayed(play)
    assert b"the upstream sent nothing for 300 s" in client.payload
    assert client.ended
    assert events.outcome == "upstream_silent"


def test_the_drain_ends_a_stream_in_band() -> None:
    async def run() -> tuple[Client, Upstream]:
        client, upstream = Client(), Upstream()
        events = EventRelay(client, upstream.exchange, StreamMeter(), timeouts=Timeouts())  # type: ignore[arg-type]
        task = asyncio.ensure_future(events.run(200, [], ping=False))
        await asyncio.sleep(0)
        upstream.send(chunk(START + DELTA[:20]))
        events.end_with_error(errors.draining())
        upstream.send(chunk(DELTA[20:]))
        await task
        return client, upstream

    client, upstream = asyncio.run(run())
    assert client.payload == START + errors.stream_event(errors.draining(), "gw-test")
    assert client.ended
    assert client.closes
    assert upstream.aborted


def test_an_event_beyond_the_limit_is_sent_in_pieces_and_whole() -> None:
    long = b"event: content_block_delta\ndata: " + b"x" * (2 * EVENT_LIMIT) + b"\n\n"

    def play(upstream: Upstream) -> None:
        for start in range(0, len(long), 50_000):
            upstream.send(chunk(long[start : start + 50_000]))
        upstream.send(chunk(STOP) + LAST_CHUNK)

    client, events, _ = relayed(play)
    assert client.payload == long + STOP
    assert events.outcome == "completed"
    assert max(len(part) for part in client.writes) < 2 * EVENT_LIMIT


def test_inside_a_long_event_there_is_no_place_for_an_error() -> None:
    def play(upstream: Upstream) -> None:
        upstream.send(chunk(START + b"data: " + b"x" * (EVENT_LIMIT + 10)))
        upstream.exchange.failed(BrokenConnectionError("gone"))

    client, _, _ = relayed(play)
    assert client.cut


def test_a_slow_client_stops_the_upstream_and_a_stalled_one_is_cut() -> None:
    async def run() -> None:
        client, upstream = Client(), Upstream()
        events = EventRelay(client, upstream.exchange, StreamMeter(), timeouts=Timeouts())  # type: ignore[arg-type]
        task = asyncio.ensure_future(events.run(200, [], ping=False))
        await asyncio.sleep(0)
        client.flow.pause()
        client.writing_paused = True
        assert upstream.paused
        client.ticking(0.0)
        client.ticking(STALL - 1)
        assert not client.cut
        client.flow.resume()
        client.writing_paused = False
        assert not upstream.paused
        client.writing_paused = True
        client.ticking(STALL + 1)
        assert not client.cut
        client.ticking(2 * STALL + 1)
        assert client.cut
        await task
        assert upstream.aborted

    asyncio.run(run())


@pytest.mark.parametrize(
    ("data", "border"),
    [
        (b"", 0), (b"data: x", 0), (b"data: x\n", 0), (b"data: x\n\n", 9), (b"data: x\n\ndata", 9),
        (b"data: x\r\n\r\n", 11), (b"data: x\r\rdata", 9), (b"a\n\nb\r\n\r\nc", 8), (b"\n\n", 2), (b"a\r\nb", 0),
    ],
)  # fmt: skip
def test_where_an_event_ends(data: bytes, border: int) -> None:
    assert sse.last_border(data) == border
    assert sse.last_border(bytearray(data)) == border


@settings(deadline=None)
@given(st.binary(max_size=2000), PLACES, PLACES)
def test_any_other_body_passes_unread(body: bytes, chunks: list[int], packets: list[int]) -> None:
    framed = b"".join(chunk(part) for part in cut(body, chunks)) + LAST_CHUNK

    async def run() -> tuple[bytes, RawRelay]:
        client, upstream = Client(), Upstream()
        raw = RawRelay(client, upstream.exchange, timeouts=Timeouts())  # type: ignore[arg-type]
        task = asyncio.ensure_future(raw.run(200, []))
        await asyncio.sleep(0)
        for packet in cut(framed, packets):
            upstream.send(packet)
        await task
        return client.payload, raw

    got, raw = asyncio.run(run())
    assert got == body
    assert raw.body == body
    assert raw.outcome == "completed"


def test_any_other_body_that_breaks_off_is_cut() -> None:
    async def run() -> Client:
        client, upstream = Client(), Upstream()
        raw = RawRelay(client, upstream.exchange, timeouts=Timeouts())  # type: ignore[arg-type]
        task = asyncio.ensure_future(raw.run(200, []))
        await asyncio.sleep(0)
        upstream.send(chunk(b"half"))
        upstream.exchange.failed(BrokenConnectionError("gone"))
        await task
        return client

    assert asyncio.run(run()).cut


async def test_pings_fill_the_silence_of_an_upstream_whose_event_trickles_in() -> None:
    client, upstream = Client(), Upstream()
    events = EventRelay(client, upstream.exchange, StreamMeter(), timeouts=Timeouts())  # type: ignore[arg-type]
    task = asyncio.ensure_future(events.run(200, [], ping=False))
    await asyncio.sleep(0)
    events.tick(0.0)
    for second in range(1, 50):
        upstream.send(chunk(STREAM[second - 1 : second]))
        events.tick(float(second))
    assert client.payload == sse.PING * 3
    upstream.send(chunk(STREAM[49:]) + LAST_CHUNK)
    await task
    assert client.payload == sse.PING * 3 + STREAM


async def test_an_event_that_never_ends_is_silence() -> None:
    client, upstream = Client(), Upstream()
    events = EventRelay(client, upstream.exchange, StreamMeter(), timeouts=Timeouts())  # type: ignore[arg-type]
    task = asyncio.ensure_future(events.run(200, [], ping=False))
    await asyncio.sleep(0)
    for second in range(400):
        upstream.send(chunk(b"x"))
        events.tick(float(second))
    await task
    assert events.outcome == "upstream_silent"
    assert client.payload.endswith(errors.stream_event(failure_answers.upstream_silent(300), "gw-test"))
