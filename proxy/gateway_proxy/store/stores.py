"""The store of the configuration in force: built with it, started when it is swapped in, closed when it is replaced."""

import asyncio
import logging
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gateway_config import contract
from gateway_config.bundle import Bundle
from gateway_proxy.store.errors import StoreUnavailableError
from gateway_proxy.telemetry.store_metrics import StoreMetrics

if TYPE_CHECKING:
    from gateway_proxy.identity.sessions.feed import RevocationFeed
    from gateway_proxy.store.store import Store

log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 5.0
"""A third of what makes a silent pod count as gone."""
BEAT_RETRY_SECONDS: Final = 1.0
END_SECONDS: Final = 1.0
"""For the last words to the database when the process ends: of the ten that a pod has beside its drain."""


class BuiltStore(NamedTuple):
    """A store, and what it was built from."""

    definition: contract.Store
    url: str | None
    store: "Store"


class InForce(Protocol):
    """Where the rest of the process finds the store."""

    store: "Store | None"
    live_pods: int
    revocation_feed: "RevocationFeed"


class Stores:
    """Of one process. Keeps what is in force."""

    def __init__(self, in_force: InForce, *, state_directory: Path | None, metrics: StoreMetrics) -> None:
        self._in_force = in_force
        self._metrics = metrics
        self._state_directory = state_directory
        self._pod = f"{socket.gethostname()}-{secrets.token_hex(6)}"
        self._beating: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def built(self, bundle: Bundle, previous: BuiltStore | None) -> BuiltStore | None:
        """The store of a configuration, the previous one where it is the same; for the thread that loads.

        Raises StoreConfigurationError.
        """
        definition = bundle.configuration.store
        if definition is None:
            return None
        url = bundle.credentials[definition.url.name] if definition.url is not None else None
        if previous is not None and (previous.definition, previous.url) == (definition, url):
            return previous
        # SQLAlchemy takes 30 MB and a third of a second: only where there is a store.
        from gateway_proxy.store.store import build_store

        store = build_store(definition, url=url, state_directory=self._state_directory, metrics=self._metrics)
        return BuiltStore(definition, url, store)

    def use(self, built: BuiltStore | None) -> None:
        """Puts a store in force, on the event loop; the one before is closed once its calls have ended."""
        store = built.store if built is not None else None
        before = self._in_force.store
        if store is before:
            return
        self._in_force.store = store
        feed = self._in_force.revocation_feed
        feed.begin()
        metrics = self._metrics
        metrics.configured, metrics.available = store is not None, False
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        if store is None:
            self._count(1)
        else:
            store.start(on_ready=feed.wake)
            self._beating = asyncio.create_task(self._beat(store), name="beat")
        if before is not None:
            ending = asyncio.create_task(before.close(), name="store.close")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Tells the other pods that this one is gone, and leaves the database; within END_SECONDS."""
        store = self._in_force.store
        try:
            async with asyncio.timeout(END_SECONDS):
                if self._beating is not None:
                    self._beating.cancel()
                    await asyncio.gather(self._beating, return_exceptions=True)
                if store is not None:
                    await store.pods.leave(self._pod)
                    await store.close()
                await asyncio.gather(*self._ending)
        except (StoreUnavailableError, TimeoutError):
            log.info("the store was left without a word", extra={"event": "store.left"})

    async def _beat(self, store: "Store") -> None:
        while True:
            try:
                self._count(await store.pods.beat(self._pod))
            except StoreUnavailableError:
                # The last count goes on: pods seldom change while the database is away.
                await asyncio.sleep(BEAT_RETRY_SECONDS)
            else:
                await asyncio.sleep(BEAT_SECONDS)

    def _count(self, pods: int) -> None:
        self._in_force.live_pods = self._metrics.live_pods = max(1, pods)
