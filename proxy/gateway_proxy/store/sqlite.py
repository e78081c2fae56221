"""SQLite, by aiosqlite: for one pod."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway_proxy.store.database import FAILURES

FILE: Final = "store.sqlite3"
BUSY_MILLISECONDS: Final = 4000
CONNECTIONS: Final = 2
"""Each is a thread. One writes at a time in any case."""


class Sqlite:
    """A file in the state directory, with a log beside it that makes writes safe and lets readers go on."""

    clock: ClassVar[str] = "(julianday('now') - 2440587.5) * 86400.0"
    silence_guard: ClassVar[str | None] = None
    migration_lock: ClassVar[str | None] = None
    failures: ClassVar[tuple[type[BaseException], ...]] = FAILURES

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    @property
    def secrets(self) -> Sequence[str]:
        return ()

    def insert(self, table: Table) -> Insert:
        return insert(table)

    def engine(self, *, pooled: bool) -> AsyncEngine:
        pool: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0} if pooled else {"poolclass": NullPool}
        engine = create_async_engine(f"sqlite+aiosqlite:///{self._file}", hide_parameters=True, **pool)
        event.listen(engine.sync_engine, "connect", _connected)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine

    def transactional(self, engine: AsyncEngine) -> AsyncEngine:
        return engine.execution_options(begin="BEGIN IMMEDIATE")

    def abandon(self) -> None:
        pass

    def prepare(self) -> None:
        """The file is its owner's alone; SQLite gives its log the same mode."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        self._file.chmod(0o600)


def _connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where _begin says
    # busy_timeout first: the others may have to wait. A pod has no other place to write than the state directory.
    for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY"):
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once where another one wrote meanwhile: it asks for the
    # right to write at its beginning, and waits for it.
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
