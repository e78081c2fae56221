"""The end of a process: not ready at once, a while of accepting, then the open streams up to their limit.

Load balancers learn with a delay that a pod is going, so connections still arrive after SIGTERM; they are answered, and
told by `Connection: close` not to come back.
"""

import asyncio
from typing import Final, Protocol

from gateway_proxy import errors
from gateway_proxy.errors import GatewayError

ENDING_SECONDS: Final = 3.0
"""For the in-band errors of the streams that were cut to reach their clients."""


class DrainableStream(Protocol):
    def end_with_error(self, error: GatewayError) -> None:
        """Ends the answer in-band. Called at most once, on the event loop; must not raise."""


class Drain:
    """Knows the open streams, whether the process is on its way out, and until when they may live."""

    def __init__(self) -> None:
        self.draining = False
        self.deadline: float | None = None
        """In the event loop's time; None before the drain."""
        self._streams: set[DrainableStream] = set()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    def register(self, stream: DrainableStream) -> None:
        self._streams.add(stream)

    def unregister(self, stream: DrainableStream) -> None:
        self._streams.discard(stream)
        if self._waiter is not None and not self._streams and not self._waiter.done():
            self._waiter.set_result(None)

    def begin(self, *, seconds: float) -> None:
        """Marks the process as draining; its streams may go on for `seconds`."""
        self.draining = True
        self.deadline = asyncio.get_running_loop().time() + seconds

    async def finish(self) -> int:
        """Waits for the open streams until the deadline, then ends each with an error; returns how many were ended."""
        loop = asyncio.get_running_loop()
        assert self.deadline is not None, "finish() comes after begin()"
        await self._until_empty(self.deadline - loop.time())
        cut = list(self._streams)
        for stream in cut:
            stream.end_with_error(errors.draining())
        await self._until_empty(ENDING_SECONDS)
        return len(cut)

    async def _until_empty(self, seconds: float) -> None:
        if not self._streams or seconds <= 0:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._waiter, seconds)
        except TimeoutError:
            pass
        finally:
            self._waiter = None
