"""The register of open streams, and how it empties."""

import asyncio

import pytest

from gateway_proxy.drain import Drain
from gateway_proxy.errors import GatewayError


class Stream:
    """Ends when told, unless it is stuck."""

    def __init__(self, drain: Drain, *, stuck: bool = False) -> None:
        self.drain = drain
        self.stuck = stuck
        self.errors: list[GatewayError] = []
        drain.register(self)

    def end_with_error(self, error: GatewayError) -> None:
        self.errors.append(error)
        if not self.stuck:
            self.drain.unregister(self)


async def test_streams_that_end_by_themselves_are_not_cut() -> None:
    drain = Drain()
    streams = [Stream(drain) for _ in range(3)]
    assert drain.open_streams == 3
    drain.begin(seconds=60)
    assert drain.draining
    for stream in streams:
        asyncio.get_running_loop().call_later(0.01, drain.unregister, stream)
    assert await asyncio.wait_for(drain.finish(), 5) == 0
    assert all(stream.errors == [] for stream in streams)


async def test_at_the_deadline_each_is_told_once() -> None:
    drain = Drain()
    streams = [Stream(drain) for _ in range(3)]
    drain.begin(seconds=0.05)
    assert await asyncio.wait_for(drain.finish(), 5) == 3
    assert [[error.reason for error in stream.errors] for stream in streams] == [["Draining"]] * 3
    assert drain.open_streams == 0


async def test_a_stuck_stream_does_not_hold_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_proxy.drain.ENDING_SECONDS", 0.05)
    drain = Drain()
    Stream(drain, stuck=True)
    drain.begin(seconds=0)
    assert await asyncio.wait_for(drain.finish(), 5) == 1


async def test_without_streams_it_is_over_at_once() -> None:
    drain = Drain()
    drain.begin(seconds=600)
    assert await asyncio.wait_for(drain.finish(), 5) == 0
