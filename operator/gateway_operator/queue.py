"""A queue of keys: what is to be looked at again, never why. One key is worked on by one worker at a time."""

import asyncio
import heapq
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from gateway_operator import metrics
from gateway_operator.kube.errors import KubeError

log = logging.getLogger(__name__)

Key = TypeVar("Key")

FIRST_RETRY: Final = 0.2
LAST_RETRY: Final = 60.0
"""Seconds; doubled in between, each with up to a quarter more or less, so that many keys do not come back together."""
_FAVOUR: Final = 16
"""So many keys of the foreground are taken for one of the background while both wait."""
_LONGEST_HASTE: Final = 1.0
"""Seconds that a key waits at most which was asked for again while its work failed."""
_MOST_OVERTAKEN: Final = 1024
"""Timers that may lie about besides those that count: some are for a month ahead, and each look sets another."""


class KeyedQueue(Generic[Key]):
    """Keys wait in one of two lanes: `background` ones (a periodic resync) give way to the others, and leave one
    worker free for them. A key that is asked for again while it waits is one key; while it is worked on, it comes
    again afterwards. Work that raises is repeated with growing pauses until it succeeds.

    Belongs to one event loop. Keys may be added before `run` and are kept until then.
    """

    def __init__(self, *, name: str, work: Callable[[Key], Awaitable[float | None]], workers: int) -> None:
        """`work` returns the seconds until it wants to see the key again, or None."""
        self._name = name
        self._work = work
        self._workers = workers
        self._foreground: dict[Key, float] = {}  # in the order of arrival, with the time of it
        self._background: dict[Key, float] = {}
        self._due: dict[Key, float] = {}
        self._timers: list[tuple[float, int, Key]] = []  # may hold times that `_due` has overtaken
        self._order = itertools.count()
        self._running: dict[Key, bool] = {}  # whether it came from the background
        self._again: dict[Key, bool] = {}  # whether only the background asks
        self._failures: dict[Key, int] = {}
        self._in_a_row = 0
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """Keys that are ready and wait for a worker."""
        return len(self._foreground) + len(self._background)

    def add(self, key: Key, *, after: float = 0.0, background: bool = False) -> None:
        """Asks for the key to be worked on, `after` so many seconds. The earliest of several requests counts."""
        if after > 0:
            self._add_later(key, after)
        elif key in self._running:
            self._again[key] = background and self._again.get(key, True)
        elif not background:
            self._due.pop(key, None)
            waited = self._background.pop(key, None)
            self._foreground.setdefault(key, _now() if waited is None else waited)
            self._tell()
        elif key not in self._foreground:
            self._due.pop(key, None)
            self._background.setdefault(key, _now())
            self._tell()

    def waits(self, key: Key) -> bool:
        """Whether the key is worked on or will be at the next free worker."""
        return key in self._running or key in self._foreground or key in self._background

    def _add_later(self, key: Key, after: float) -> None:
        due = _now() + after
        if key in self._foreground or key in self._background or due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._timers, (due, next(self._order), key))
        if len(self._timers) > 2 * len(self._due) + _MOST_OVERTAKEN:
            self._timers = [(due, next(self._order), key) for key, due in self._due.items()]
            heapq.heapify(self._timers)
        self._tell()

    async def run(self) -> None:
        """Works until cancelled, or until `close` and the last key in work."""
        tasks = {asyncio.create_task(self._run_worker(), name=f"{self._name} worker") for _ in range(self._workers)}
        tasks.add(asyncio.create_task(self._run_timers(), name=f"{self._name} timers"))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Takes up no further key; `run` ends once those in work are done."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        metrics.QUEUE_DEPTH.labels(self._name).set(len(self))
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run_timers(self) -> None:
        while not self._closed:
            now = _now()
            while self._timers and self._timers[0][0] <= now:
                due, _, key = heapq.heappop(self._timers)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            changed = self._changed
            pause = self._timers[0][0] - now if self._timers else None
            try:
                await asyncio.wait_for(changed.wait(), pause)
            except TimeoutError:
                continue

    async def _run_worker(self) -> None:
        while not self._closed:
            taken = self._take()
            if taken is None:
                await self._changed.wait()
                continue
            key, since, background = taken
            self._running[key] = background
            metrics.QUEUE_DEPTH.labels(self._name).set(len(self))
            metrics.QUEUE_WAIT.labels(self._name).observe(max(0.0, _now() - since))
            again = None
            try:
                again = await self._attempt(key)
            finally:
                del self._running[key]
                asked = self._again.pop(key, None)
                if asked is None:
                    if again is not None:
                        self.add(key, after=again)
                elif key in self._failures:  # its own writes may be what asks: no tight loop
                    self.add(key, after=min(again or 0.0, _LONGEST_HASTE))
                else:
                    self.add(key, background=asked)
                self._tell()

    def _take(self) -> tuple[Key, float, bool] | None:
        """The next key, when it came and its lane. None: nothing that this worker may take."""
        may_background = bool(self._background) and (
            self._workers == 1 or sum(self._running.values()) < self._workers - 1
        )
        if self._foreground and not (may_background and self._in_a_row >= _FAVOUR):
            self._in_a_row += 1
            key = next(iter(self._foreground))
            return key, self._foreground.pop(key), False
        if may_background:
            self._in_a_row = 0
            key = next(iter(self._background))
            return key, self._background.pop(key), True
        return None

    async def _attempt(self, key: Key) -> float | None:
        begun = _now()
        try:
            again = await self._work(key)
        except Exception as error:  # the boundary: one key's failure is never another's
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            pause = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 20)) * random.uniform(0.75, 1.25)
            metrics.QUEUE_RETRIES.labels(self._name).inc()
            expected = isinstance(error, KubeError)
            log.warning(
                "%s of %s failed, attempt %d, again in %.1f s: %s: %s",
                self._name, key, failures, pause, type(error).__name__, error,
                exc_info=None if expected else error,
            )  # fmt: skip
            return pause
        finally:
            metrics.QUEUE_WORK.labels(self._name).observe(_now() - begun)
        self._failures.pop(key, None)
        return again


def _now() -> float:
    return asyncio.get_running_loop().time()
