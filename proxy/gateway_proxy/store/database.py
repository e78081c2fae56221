"""One database: statements within their time, failures as one error, and what is known of its health."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

from sqlalchemy import Executable, Row, Table
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway_proxy.store.errors import StoreUnavailableError
from gateway_proxy.telemetry.store_metrics import StoreMetrics

log = logging.getLogger(__name__)

OPERATION_SECONDS: Final = 5.0
"""For one call, connecting included."""
FAILURES: Final = (DBAPIError, PoolTimeoutError, OSError, TimeoutError)
"""What a database that is away, full, read-only or otherwise of no use leads to; a driver may add its own."""
MAX_MESSAGE: Final = 300
READ_ONLY_STATE: Final = "25006"
"""SQLSTATE of a write on a standby: after a failover the connections still lead to the server that was the primary."""

T = TypeVar("T")


class Kind(Protocol):
    """What Postgres and SQLite have each of their own."""

    clock: ClassVar[str]
    """The expression for Unix seconds by the database's clock."""
    silence_guard: ClassVar[str | None]
    """The statement after which a transaction whose pod falls silent is ended by the server."""
    migration_lock: ClassVar[str | None]
    """The statement that waits until this transaction alone changes the schema; None: any transaction is alone."""
    failures: ClassVar[tuple[type[BaseException], ...]]
    """FAILURES, and what the driver adds."""

    def insert(self, table: Table) -> Any:
        """An INSERT that can say what it does on a conflict."""

    @property
    def secrets(self) -> Sequence[str]:
        """What no message may say."""

    def engine(self, *, pooled: bool) -> AsyncEngine:
        """A new engine, without I/O. One that is not pooled may be used on any event loop."""

    def transactional(self, engine: AsyncEngine) -> AsyncEngine:
        """The same engine for several statements together."""

    def prepare(self) -> None:
        """What must be so before the first connection. Raises OSError."""


class Database:
    """Used on one event loop. Every call raises StoreUnavailableError; a violated constraint is an IntegrityError."""

    def __init__(self, kind: Kind, *, metrics: StoreMetrics) -> None:
        self.kind = kind
        self.ready = False
        """Whether the tables are there; calls are refused before."""
        self._metrics = metrics
        self._engine = kind.engine(pooled=True)
        self._transactions = kind.transactional(self._engine)
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._available: bool | None = None
        self._trouble = "its tables are not made yet"

    @property
    def available(self) -> bool:
        """As last seen."""
        return bool(self._available)

    async def rows(self, operation: str, statement: Executable) -> Sequence[Row[Any]]:
        """What one statement returns. `operation` is its name in the metrics."""

        async def work() -> Sequence[Row[Any]]:
            async with self._engine.begin() as connection:
                return (await connection.execute(statement)).all()

        return await self._measured(operation, work)

    async def changed(self, operation: str, statement: Executable) -> int:
        """How many rows one statement changed."""

        async def work() -> int:
            async with self._engine.begin() as connection:
                return (await connection.execute(statement)).rowcount

        return await self._measured(operation, work)

    async def together(self, operation: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Several statements, all of them or none."""

        async def transaction() -> T:
            async with self._transactions.begin() as connection:
                return await work(connection)

        return await self._measured(operation, transaction)

    async def look(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """The same before the tables are there. Raises one of the kind's failures."""
        async with asyncio.timeout(OPERATION_SECONDS), self._engine.begin() as connection:
            return await work(connection)

    def failed(self, error: BaseException) -> None:
        """Notes that the database is of no use; the first time in a row it is logged."""
        self._trouble = self.told(error)
        if self._available is not False:
            log.warning("the store is not available: %s", self._trouble, extra={"event": "store.unavailable"})
        self._seen(available=False)

    def succeeded(self) -> None:
        if self._available is not True:
            log.info("the store is available", extra={"event": "store.available"})
        self._seen(available=True)

    def told(self, error: BaseException) -> str:
        """An error in one line, without secrets."""
        origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        text = " ".join(str(origin).split()) or type(origin).__name__
        if isinstance(origin, TimeoutError):
            text = f"no answer within {OPERATION_SECONDS:g} s"
        for secret in self.kind.secrets:
            text = text.replace(secret, "…")
        return text[:MAX_MESSAGE]

    async def close(self) -> None:
        """Waits for the calls that are under way, at most as long as one may take."""
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                await self._idle.wait()
                await self._engine.dispose()
        except self.kind.failures as error:
            log.info("the store was left: %s", self.told(error), extra={"event": "store.left"})

    async def _measured(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        if not self.ready:
            raise StoreUnavailableError(f"the store cannot be used: {self._trouble}")
        started = time.perf_counter()
        self._calls += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                result = await work()
        except IntegrityError:
            raise
        except self.kind.failures as error:
            self._metrics.failed(operation)
            self.failed(error)
            if getattr(getattr(error, "orig", None), "sqlstate", None) == READ_ONLY_STATE:
                await self._engine.dispose()
            raise StoreUnavailableError(f"{operation}: {self._trouble}") from error
        else:
            self.succeeded()
            return result
        finally:
            self._metrics.finished(operation, time.perf_counter() - started)
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    def _seen(self, *, available: bool) -> None:
        self._available = self._metrics.available = available
