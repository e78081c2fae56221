"""One coarse clock for many deadlines: a timer for each request or event would cost more than the event itself."""

import asyncio
from typing import Final, Protocol

INTERVAL_SECONDS: Final = 0.5
"""How coarse deadlines are: half of the smallest sensible timeout. 2,000 streams take some four milliseconds a tick."""


class Ticking(Protocol):
    def tick(self, now: float) -> None:
        """Called every interval with the loop's time. Must not raise."""


class Ticker:
    """Calls `tick` of everything registered. Runs only while something is registered."""

    __slots__ = ("_handle", "_loop", "_members", "interval")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, interval: float = INTERVAL_SECONDS) -> None:
        self._loop = loop
        self._members: set[Ticking] = set()
        self._handle: asyncio.TimerHandle | None = None
        self.interval = interval

    def add(self, member: Ticking) -> None:
        self._members.add(member)
        if self._handle is None:
            self._handle = self._loop.call_later(self.interval, self._tick)

    def discard(self, member: Ticking) -> None:
        self._members.discard(member)

    def close(self) -> None:
        self._members.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tick(self) -> None:
        self._handle = None
        now = self._loop.time()
        for member in tuple(self._members):
            member.tick(now)
        if self._members and self._handle is None:
            self._handle = self._loop.call_later(self.interval, self._tick)
