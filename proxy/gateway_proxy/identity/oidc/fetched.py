"""A document of somebody else's that is fetched when it is needed, kept, and fetched again behind the requests."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from gateway_proxy.identity.oidc.failures import IdentityProviderError

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 3600.0
"""How long a document is used without looking again. Keys are published ahead of their use and withdrawn late."""
STALE_SECONDS: Final = 86_400.0
"""How long it is used while it cannot be fetched: an issuer that is away for a night stops nobody."""
PAUSE_SECONDS: Final = 10.0
"""Between two fetches, whoever asks for them: made-up key ids and a server that is down cost no more than that."""
RETRY_SECONDS: Final = 3.0
"""After a failed fetch; until then whoever needs the document is told of that failure."""

T = TypeVar("T")


class Fetched(Generic[T]):
    """Used on one event loop. However many wait, one fetch runs, and it goes on when those who wait have left."""

    def __init__(
        self, what: str, fetch: Callable[[], Awaitable[T]], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`what` is for the log; `fetch` raises IdentityProviderError."""
        self._what = what
        self._fetch = fetch
        self._now = now
        self._value: T | None = None
        self._fetched_at = 0.0
        self._failure: IdentityProviderError | None = None
        self._failed_at = 0.0
        self._task: asyncio.Task[T] | None = None

    def at_hand(self) -> T | None:
        """What is there without waiting; a fetch begins behind it where it has grown old."""
        if self._value is None:
            return None
        age = self._now() - self._fetched_at
        if age >= STALE_SECONDS:
            return None
        if age >= FRESH_SECONDS and not self._pausing():
            self._begin()
        return self._value

    async def get(self) -> T:
        """The document; raises IdentityProviderError."""
        value = self.at_hand()
        return value if value is not None else await self._fetched()

    async def newer(self) -> T:
        """The document as it is now, for somebody who misses something in the one at hand. Where that was fetched a
        moment ago it is the newest. Raises IdentityProviderError."""
        value = self._value
        if value is not None and self._now() - self._fetched_at < PAUSE_SECONDS:
            return value
        return await self._fetched()

    async def _fetched(self) -> T:
        if self._task is None and self._failure is not None and self._pausing():
            raise self._failure
        return await asyncio.shield(self._begin())

    def _pausing(self) -> bool:
        return self._failure is not None and self._now() - self._failed_at < RETRY_SECONDS

    def _begin(self) -> "asyncio.Task[T]":
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._done)
        return self._task

    async def _run(self) -> T:
        try:
            value = await self._fetch()
        except IdentityProviderError as error:
            self._failure, self._failed_at = error, self._now()
            log.warning(
                "%s cannot be fetched: %s",
                self._what,
                error.detail,
                extra={"event": "identity.fetch_failed", "reason": error.reason},
            )
            raise
        self._value, self._fetched_at, self._failure = value, self._now(), None
        return value

    def _done(self, task: "asyncio.Task[T]") -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # told by _run; whoever waits gets it too
