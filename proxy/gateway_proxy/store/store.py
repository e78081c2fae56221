"""The store of one configuration, from its first connection to its end."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway_config import contract
from gateway_proxy.store.database import Database, Kind
from gateway_proxy.store.errors import StoreConfigurationError, StoreUnavailableError
from gateway_proxy.store.migration import migrate
from gateway_proxy.store.pods import Pods
from gateway_proxy.store.sessions import Sessions
from gateway_proxy.store.sign_ins import SignIns
from gateway_proxy.store.sweep import sweep
from gateway_proxy.telemetry.store_metrics import StoreMetrics

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
SWEEP_SECONDS: Final = 600.0
JITTER: Final = 0.2
"""Pods that started together do not come together: each waits up to a fifth longer or shorter."""


class Store:
    """Calls raise StoreUnavailableError until `start` has found or made the tables."""

    def __init__(self, kind: Kind, *, metrics: StoreMetrics) -> None:
        self._database = Database(kind, metrics=metrics)
        self.sign_ins = SignIns(self._database)
        self.sessions = Sessions(self._database)
        self.pods = Pods(self._database)
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether the last call was answered."""
        return self._database.available

    def start(self, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Begins to make the tables and to sweep, in the background: a database that is away is tried again.
        `on_ready` is called once the tables are there."""
        self._upkeep = asyncio.create_task(self._keep_up(on_ready), name="store")

    async def close(self) -> None:
        """Lets the calls under way end, at most five seconds, and leaves the database."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        await self._database.close()

    async def _keep_up(self, on_ready: Callable[[], None]) -> None:
        await self._made_ready()
        on_ready()
        while True:
            try:
                await sweep(self._database, time.time())
                await self.pods.forget()
            except StoreUnavailableError:
                pass  # it is logged and counted, and the next round comes
            await asyncio.sleep(_jittered(SWEEP_SECONDS))

    async def _made_ready(self) -> None:
        attempt = 0
        while True:
            try:
                self._database.kind.prepare()
                await migrate(self._database)
            except self._database.kind.failures as error:
                self._database.failed(error)
            except Exception as error:
                log.exception("making the store's tables failed", extra={"event": "store.failed"})
                self._database.failed(error)
            else:
                self._database.ready = True
                self._database.succeeded()
                return
            await asyncio.sleep(_jittered(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]))
            attempt += 1


def build_store(
    store: contract.Store, *, url: str | None, state_directory: Path | None, metrics: StoreMetrics | None = None
) -> Store:
    """No I/O; imports one driver. Raises StoreConfigurationError, without a secret, for a store that can never work."""
    metrics = metrics if metrics is not None else StoreMetrics()
    if store.type == "Postgres":
        if url is None:
            raise StoreConfigurationError("the store is Postgres, but there is no URL of it")
        from gateway_proxy.store.postgres import Postgres

        return Store(Postgres(url, ca_pem=store.ca_pem), metrics=metrics)
    if state_directory is None:
        raise StoreConfigurationError("an embedded store needs a directory for its file: start with --state-dir")
    from gateway_proxy.store.sqlite import Sqlite

    return Store(Sqlite(state_directory), metrics=metrics)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
