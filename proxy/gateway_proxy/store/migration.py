"""Brings the schema to HEAD: once, by whichever pod comes first."""

import asyncio
import logging
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy import inspect as inspected

from gateway_proxy.store.database import Database, Kind
from gateway_proxy.store.tables import HEAD, VERSION_TABLE

log = logging.getLogger(__name__)

MIGRATION_SECONDS: Final = 60.0
"""For all steps together, waiting for another pod's included."""
FOLDER: Final = "gateway_proxy:store/migrations"
STEPS: Final = (HEAD,)
"""Every migration there is. A schema that names none of them is a newer version's, and has what this one needs."""


async def migrate(database: Database) -> None:
    """Raises one of the kind's failures, and Alembic's errors. Where there is nothing to do it costs two statements."""
    if await database.look(lambda connection: connection.run_sync(_is_current)):
        return
    # Alembic is slow and blocks: it gets a thread and an event loop of its own.
    await asyncio.to_thread(lambda: asyncio.run(_upgraded(database.kind)))
    log.info("the store's tables are at step %s", HEAD, extra={"event": "store.migrated"})


def _is_current(connection: Connection) -> bool:
    if not inspected(connection).has_table(VERSION_TABLE):
        return False
    version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return version == HEAD or (version is not None and version not in STEPS)


async def _upgraded(kind: Kind) -> None:
    engine = kind.engine(pooled=False)
    try:
        async with asyncio.timeout(MIGRATION_SECONDS), kind.transactional(engine).begin() as connection:
            await connection.run_sync(_upgrade, kind.migration_lock)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, lock: str | None) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    if lock is not None:
        connection.execute(text(lock))
    if _is_current(connection):
        return  # another pod was first
    config = Config()
    config.set_main_option("script_location", FOLDER)
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    options = {
        "version_table": VERSION_TABLE,
        "fn": lambda revision, _: scripts._upgrade_revs("head", revision),
    }
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()
