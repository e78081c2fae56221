"""What other pods ended: the store is asked about twice a second, so that a session is over everywhere in two."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway_proxy.identity.sessions.revocations import Revocations
from gateway_proxy.store import Cursor, StoreUnavailableError
from gateway_proxy.telemetry.sign_in_metrics import SignInMetrics

if TYPE_CHECKING:
    from gateway_proxy.store.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
FIRST_LOOK_SECONDS: Final = 5.0
"""How long session tokens wait for the first look into a store; then they are taken for what they say, as whenever the
store is away."""
JITTER: Final = 0.2
KEPT_SECONDS: Final = 25 * 3600.0
"""No token lives longer than a day, whatever the configuration said when it was made; and clocks differ."""


class RevocationFeed:
    """Of one process, on its event loop. While the store is away, what is known stays known."""

    def __init__(
        self,
        revocations: Revocations,
        *,
        store: Callable[[], "Store | None"],
        metrics: SignInMetrics,
    ) -> None:
        """`store`: that of the configuration in force."""
        self._revocations = revocations
        self._store = store
        self._metrics = metrics
        self._asked: Store | None = None
        self._cursor: Cursor | None = None
        self.settled = True
        """Whether the store has been read, or has been away for FIRST_LOOK_SECONDS."""
        self._settling = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None
        self._woken = asyncio.Event()

    def begin(self) -> None:
        """A store was put in force, or taken out: what ended there is not known yet."""
        if self._patience is not None:
            self._patience.cancel()
        if self._store() is None:
            self._settle()
            return
        self.settled = False
        self._settling.clear()
        self._patience = asyncio.get_running_loop().call_later(FIRST_LOOK_SECONDS, self._settle)

    def wake(self) -> None:
        """Looks at once."""
        self._woken.set()

    async def first_look(self) -> None:
        """Returns when this is settled."""
        if not self.settled:
            await self._settling.wait()

    def ended(self, session_id: str, now: float) -> None:
        """Notes a session that ended here."""
        self._revocations.add(session_id, now + KEPT_SECONDS)

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailableError:
                self._metrics.feed_failing = True
            except Exception:
                log.exception("revocations could not be read", extra={"event": "session.feed_failed"})
                self._metrics.feed_failing = True
            else:
                self._metrics.feed_failing = False
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)):
                    await self._woken.wait()
            self._woken.clear()

    async def look(self) -> None:
        """Takes in everything that is new; raises StoreUnavailableError."""
        store = self._store()
        if store is not self._asked:
            self._asked, self._cursor = store, None
        if store is None:
            return
        now = time.time()
        cursor, more = self._cursor, True
        while more:
            before = cursor
            cursor, ended = await store.sessions.revoked_since(cursor, revoked_after=now - KEPT_SECONDS)
            for session in ended:
                self._revocations.add(session.id, session.revoked_at + KEPT_SECONDS)
            more = bool(ended) and cursor != before
        if store is self._asked:
            self._cursor = cursor
            if store is self._store():
                self._settle()
        self._revocations.forget(now)

    def _settle(self) -> None:
        self.settled = True
        self._settling.set()
