"""Counting what happened in the last so many seconds, in bounded memory.

Time is cut into slots, and what counted falls out a slot at a time: at the latest SLOT_SHARE of the window after its
due moment and never before it. So no stretch of that many seconds ever has more than the limit. Times are any clock
that only goes forward, in seconds.
"""

import math
from array import array
from itertools import islice
from typing import Final

SLOTS: Final = 20
_RING: Final = SLOTS + 1
MAX_KEYS: Final = 20_000
"""Of a SlidingWindow, some ten megabytes. Beyond it the key that was silent for the longest is forgotten, which only
helps who commands more addresses than that."""


class Counts:
    """One sliding count."""

    __slots__ = ("_newest", "_slots", "_total", "_width")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLOTS
        self._slots = array("q", bytes(8 * _RING))
        self._newest = 0
        self._total = 0

    def at(self, now: float) -> int:
        """What counts at that time."""
        slot = int(now // self._width)
        passed = slot - self._newest
        if passed > 0:
            if self._total:
                for old in range(self._newest + 1, self._newest + 1 + min(passed, _RING)):
                    self._total -= self._slots[old % _RING]
                    self._slots[old % _RING] = 0
            self._newest = slot
        return self._total

    def add(self, now: float, number: int) -> None:
        self.at(now)
        self._slots[self._newest % _RING] += number
        self._total += number

    def seconds_until(self, now: float, most: int) -> float:
        """How long until no more than `most` count, if nothing is added."""
        left = self.at(now)
        for old in range(self._newest - SLOTS, self._newest + 1):
            if left <= most:
                return max((old + SLOTS) * self._width - now, 0.0)
            left -= self._slots[old % _RING]
        return (self._newest + _RING) * self._width - now


class SlidingWindow:
    """At most `limit` in any `seconds`, for each key."""

    __slots__ = ("_counts", "_seconds", "limit")

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        """May be changed at any time; what counted stays."""
        self._seconds = seconds
        self._counts: dict[str, Counts] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def admit(self, key: str, now: float) -> int | None:
        """Counts one more and returns None; or counts nothing and returns after how many seconds there is room."""
        counts = self._counts.pop(key, None)
        if counts is None:
            if len(self._counts) >= MAX_KEYS:
                self._make_room(now)
            counts = Counts(self._seconds)
        self._counts[key] = counts
        wait = self.wait(key, now)
        if wait is None:
            counts.add(now, 1)
        return wait

    def wait(self, key: str, now: float) -> int | None:
        """Counts nothing: after how many seconds there is room, None where there is."""
        counts = self._counts.get(key)
        if counts is None or counts.at(now) < self.limit:
            return None
        return max(math.ceil(counts.seconds_until(now, self.limit - 1)), 1)

    def _make_room(self, now: float) -> None:
        """Forgets who was silent for a whole window; where nobody was, the longest silent."""
        for key in [*islice(self._counts, MAX_KEYS // 10)]:
            if self._counts[key].at(now):
                break
            del self._counts[key]
        if len(self._counts) >= MAX_KEYS:
            del self._counts[next(iter(self._counts))]
