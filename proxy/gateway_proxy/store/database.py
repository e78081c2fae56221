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

# What the pool has to say of connections that broke is a page for each; one line of ours says it for all.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


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

    def abandon(self) -> None:
        """Ends the connections of pooled engines that are left, without a word to the server."""

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
        self._calls: set[asyncio.Task[Any]] = set()
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
        """Waits for the calls that are under way, and leaves the database; each at most as long as a call may take."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=OPERATION_SECONDS)
        leaving = asyncio.create_task(self._engine.dispose())
        await asyncio.wait({leaving}, timeout=OPERATION_SECONDS)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        self.kind.abandon()

    async def _measured(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        if not self.ready:
            raise StoreUnavailableError(f"the store cannot be used: {self._trouble}")
        started = time.perf_counter()
        # A task of its own: a connection that hangs takes seconds more to be given up than a caller should wait, and
        # a caller that leaves should not cost the pool a connection.
        call = asyncio.create_task(_bounded(work))
        self._calls.add(call)
        call.add_done_callback(self._ended)
        try:
            await asyncio.wait({call}, timeout=OPERATION_SECONDS)
            if not call.done():
                raise TimeoutError
            result = call.result()
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

    def _ended(self, call: asyncio.Task[Any]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # read by the caller, unless that one waits no longer

    def _seen(self, *, available: bool) -> None:
        self._available = self._metrics.available = available


async def _bounded(work: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(OPERATION_SECONDS):
        return await work()
