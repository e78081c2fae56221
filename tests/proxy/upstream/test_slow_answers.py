"""An upstream that sends a byte now and then is as silent as one that sends nothing."""

import asyncio

import pytest

from gateway_proxy.upstream.errors import FirstByteTimeoutError, IdleTimeoutError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead


class Trickle:
    """A connection whose bytes come one a second, by a clock of its own."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.exchange = Exchange(self, loop=loop, first_byte_seconds=60, idle_seconds=60)
        self.now = loop.time()

    def abort(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def unsent(self) -> int:
        return 0

    def fail(self, error: UpstreamError) -> None:
        self.exchange.failed(error)

    def seconds(self, count: int, *, payload: bytes = b"") -> int:
        """How many of them passed before it was given up."""
        for second in range(count):
            if self.exchange.error is not None:
                return second
            self.now += 1
            if payload:
                self.exchange.deliver(payload, ((0, len(payload)),), 0)
            self.exchange.tick(self.now)
        return count


async def test_a_head_that_trickles_in_is_no_first_byte() -> None:
    """Its bytes do not even reach the exchange: only a head that is whole does."""
    trickle = Trickle()
    assert trickle.seconds(100) in (60, 61)
    assert isinstance(trickle.exchange.error, FirstByteTimeoutError)


@pytest.mark.parametrize(("least", "payload", "lasts"), [(1, b"x", 200), (1024, b"x", 60), (1024, b"x" * 18, 200)])
async def test_a_body_must_make_progress(least: int, payload: bytes, lasts: int) -> None:
    """Of an answer that is no stream a kilobyte must come in the time; of events each byte counts here, and whether one
    comes of them is the relay's to see."""
    trickle = Trickle()
    trickle.exchange.begun(ResponseHead.answered(200))
    trickle.exchange.least_bytes = least
    assert trickle.seconds(200, payload=payload) in (lasts, lasts + 1)
    if lasts == 60:
        assert isinstance(trickle.exchange.error, IdleTimeoutError)


async def test_framing_is_no_progress() -> None:
    trickle = Trickle()
    trickle.exchange.begun(ResponseHead.answered(200))
    assert trickle.seconds(100) in (60, 61)


async def test_silence_counts_from_the_head() -> None:
    trickle = Trickle()
    assert trickle.seconds(59) == 59
    trickle.exchange._loop = _Clock(trickle.now)  # type: ignore[assignment]
    trickle.exchange.begun(ResponseHead.answered(200))
    assert trickle.seconds(59) == 59
    assert trickle.exchange.error is None


class _Clock:
    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        return self._now
