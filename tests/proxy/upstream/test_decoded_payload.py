"""A payload that goes through a decoder: what is relayed, and what an error in it turns the answer into."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.errors import ProtocolError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead

HEAD = ResponseHead.answered(200)


class Connection:
    """Carries one exchange."""

    def __init__(self) -> None:
        self.exchange = Exchange(self, loop=asyncio.get_running_loop(), first_byte_seconds=60, idle_seconds=60)
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def fail(self, error: UpstreamError) -> None:
        self.aborted = True
        self.exchange.failed(error)

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def unsent(self) -> int:
        return 0


class Upper:
    """Capitals; `!` makes no sense, `?` tells of a failure, and the end must be `.`."""

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self._last = b""

    def feed(self, payload: bytes) -> bytes:
        for sign, error in ((b"!", ProtocolError("!")), (b"?", StreamedError(ResponseHead.answered(529), b"full"))):
            if sign in payload:
                self.error = error
                payload = payload[: payload.index(sign)]
        self._last = payload[-1:] or self._last
        return payload.upper()

    def end(self) -> bytes:
        if self._last != b".":
            self.error = ProtocolError("in the middle")
        return b""


class Sink:
    def __init__(self) -> None:
        self.got = b""
        self.end: object = None

    def packet(self, data: bytes, spans: Sequence[tuple[int, int]], border: int) -> None:
        self.got += b"".join(data[start:end] for start, end in spans)

    def ended(self) -> None:
        self.end = "ended"

    def failed(self, error: UpstreamError) -> None:
        self.end = type(error)


def begun(*packets: bytes, over: bool) -> tuple[Connection, Exchange]:
    connection = Connection()
    exchange = connection.exchange
    exchange.begun(HEAD)
    for packet in packets:
        exchange.deliver(packet, ((0, len(packet)),), 0)
    if over:
        exchange.ended()
    exchange.decode_with(Upper(), HEAD)
    return connection, exchange


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize(
    ("payload", "got", "end"),
    [(b"abc.", b"ABC.", "ended"), (b"ab!c", b"AB", ProtocolError), (b"ab?c", b"AB", StreamedError)],
)
async def test_what_has_come_before_the_decoder(payload: bytes, got: bytes, end: object, over: bool) -> None:
    _, exchange = begun(payload, over=over)
    sink = Sink()
    exchange.attach(sink)
    if not over and end == "ended":
        exchange.ended()
    assert (sink.got, sink.end) == (got, end)


@pytest.mark.parametrize("over", [True, False])
async def test_a_failure_before_anything_else_is_the_answer(over: bool) -> None:
    connection, exchange = begun(b"?", over=over)
    assert (await exchange.response()).status == 529
    assert await exchange.read(100) == exchange.whole(100) == b"full"
    assert connection.aborted is not over


async def test_a_whole_payload_that_makes_no_sense_is_none() -> None:
    _, exchange = begun(b"ab!", over=True)
    assert exchange.whole(100) is None
    with pytest.raises(ProtocolError):
        await exchange.read(100)
    _, exchange = begun(b"ab", over=True)
    assert exchange.whole(100) is None


async def test_nothing_counts_behind_an_error() -> None:
    connection, exchange = begun(b"ab", over=False)
    sink = Sink()
    exchange.attach(sink)
    exchange.deliver(b"c!", ((0, 2),), 0)
    exchange.deliver(b"d.", ((0, 2),), 0)
    assert (sink.got, sink.end, connection.aborted) == (b"ABC", ProtocolError, True)
