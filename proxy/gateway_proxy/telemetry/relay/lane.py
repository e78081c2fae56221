"""The way to one destination: a bounded queue, a few sendings at once, patience where the collector asks for it.

A collector that cannot be reached is left alone for a while, twice as long each time; what waits meanwhile is kept up
to the queue's bounds and its own age. What the collector refuses for good is given up, and holds up nothing.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from typing import Final, Protocol

from gateway_proxy.telemetry.relay.batch import Batch, LaterError, RefusedError, UndecodableError
from gateway_proxy.telemetry.relay.counts import Counts

log = logging.getLogger(__name__)

MAX_BATCHES: Final = 1024
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all that waits for one destination, what is being sent too."""
MAX_AGE_SECONDS: Final = 300.0
"""Reports older than that say little, and a collector that comes back is not to be flooded."""
SENDINGS: Final = 8
"""At once: with 100 ms for each, 80 requests a second, what a thousand developers send."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
TELLING_SECONDS: Final = 60.0
"""Between two log lines about batches given up: a collector that refuses one refuses many."""


class Sender(Protocol):
    async def send(self, batch: Batch) -> None:
        """Returns once the collector has taken the batch. Raises RefusedError, LaterError, UndecodableError."""

    async def close(self) -> None: ...


class Lane:
    """On the event loop alone."""

    def __init__(self, name: str, sender: Sender, counts: Counts) -> None:
        self._name = name
        self._sender = sender
        self._counts = counts
        counts.queued = lambda: len(self._queue)
        self._queue: deque[Batch] = deque()
        self._bytes = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._paused_until = 0.0
        self._pauses = 0
        self._ending = asyncio.Event()
        self._told_at = float("-inf")

    def offer(self, batch: Batch) -> None:
        """Queues the batch. Without room it is lost, rather than an older one that has waited already."""
        if self._ending.is_set() or len(self._queue) >= MAX_BATCHES or self._bytes + len(batch.body) > MAX_BYTES:
            self._counts.dropped(batch.signal, "QueueFull")
            return
        self._queue.append(batch)
        self._bytes += len(batch.body)
        self._employ()

    async def close(self, *, seconds: float) -> None:
        """Sends what is queued, once more and for at most `seconds`; the rest is given up."""
        self._ending.set()
        self._paused_until = 0.0
        for _ in range(len(self._queue)):
            self._employ()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=seconds)
            for worker in late:
                worker.cancel()
            if late:
                await asyncio.wait(late)
        while self._queue:
            self._gave_up(self._queue.popleft(), "Ended")
        await self._sender.close()

    def _employ(self) -> None:
        if len(self._workers) < SENDINGS:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            pause = self._paused_until - loop.time()
            if pause > 0:
                await self._sit_out(pause)
                continue
            batch = self._queue.popleft()
            if loop.time() - batch.received_at > MAX_AGE_SECONDS:
                self._gave_up(batch, "Expired")
                continue
            try:
                await self._send(batch)
            except asyncio.CancelledError:
                self._queue.appendleft(batch)
                raise

    async def _sit_out(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    async def _send(self, batch: Batch) -> None:
        try:
            await self._sender.send(batch)
        except LaterError as error:
            self._counts.retries += 1
            if self._ending.is_set():
                self._gave_up(batch, "Ended")
            else:
                self._queue.appendleft(batch)
                self._pause(error)
        except RefusedError as error:
            self._gave_up(batch, "Refused", str(error))
        except UndecodableError as error:
            self._gave_up(batch, "Undecodable", str(error))
        except Exception:
            log.exception("relaying telemetry failed", extra={"event": "telemetry.failed", "destination": self._name})
            self._gave_up(batch, "Failed")
        else:
            self._bytes -= len(batch.body)
            self._counts.relayed(batch.signal)
            self._recovered()

    def _gave_up(self, batch: Batch, reason: str, why: str | None = None) -> None:
        self._bytes -= len(batch.body)
        self._counts.dropped(batch.signal, reason)
        now = asyncio.get_running_loop().time()
        if why is not None and now - self._told_at >= TELLING_SECONDS:
            self._told_at = now
            extra = {"event": "telemetry.dropped", "destination": self._name, "signal": batch.signal, "reason": reason}
            log.warning("telemetry given up: %s", why, extra=extra)

    def _pause(self, error: LaterError) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._paused_until:
            return  # sendings that were under way together fail together
        pause = min(FIRST_PAUSE_SECONDS * 2.0**self._pauses, LONGEST_PAUSE_SECONDS)
        pause *= random.uniform(0.8, 1.2)
        if error.after is not None:
            pause = min(max(error.after, pause), MAX_AGE_SECONDS)
        self._pauses = min(self._pauses + 1, 16)
        self._paused_until = now + pause
        if not self._counts.failing:
            self._counts.failing = True
            extra = {"event": "telemetry.paused", "destination": self._name}
            log.warning("the collector takes nothing, it is tried again: %s", error, extra=extra)

    def _recovered(self) -> None:
        self._pauses = 0
        if self._counts.failing:
            self._counts.failing = False
            log.info(
                "the collector takes reports again", extra={"event": "telemetry.resumed", "destination": self._name}
            )
