"""The tables are made once, whoever comes first, and pods of two versions share them."""

from collections.abc import Callable
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from setuptools import find_packages
from sqlalchemy import Connection, text
from tests.store.conftest import ROOT, Place, until
from tests.store.rows import ALICE, NOW, digest, session, sign_in

from gateway_proxy.store import migration
from gateway_proxy.store.store import Store
from gateway_proxy.store.tables import HEAD, VERSION_TABLE, metadata


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", migration.FOLDER)
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


async def run(store: Store, work: Callable[[Connection], Any]) -> Any:
    return await store._database.look(lambda connection: connection.run_sync(work))


def execute(*statements: str) -> Callable[[Connection], Any]:
    def work(connection: Connection) -> Any:
        results = [connection.execute(text(statement)) for statement in statements]
        return results[-1].all() if results[-1].returns_rows else None

    return work


VERSION = f"SELECT version_num FROM {VERSION_TABLE}"
NEWER = (
    f"UPDATE {VERSION_TABLE} SET version_num = '9999'",
    "ALTER TABLE claude_gateway_sessions ADD COLUMN device TEXT",
    "ALTER TABLE claude_gateway_sign_ins ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE claude_gateway_spend (id TEXT PRIMARY KEY)",
)


def test_every_step_is_known_and_the_last_one_is_the_head() -> None:
    steps = [script.revision for script in scripts().walk_revisions()]
    assert list(reversed(steps)) == list(migration.STEPS)
    assert scripts().get_heads() == [HEAD]


def test_the_steps_are_installed() -> None:
    assert "gateway_proxy.store.migrations.versions" in find_packages(str(ROOT / "proxy"))


async def test_the_steps_make_the_schema_that_the_code_uses(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    assert await run(store, differences) == []


async def test_pods_that_start_together_make_the_tables_once(place: Place) -> None:
    stores = [place.build() for _ in range(4)]
    for store in stores:
        store.start()
    await until(lambda: all(store.available for store in stores), what="all of them available")
    assert await run(stores[0], execute(VERSION)) == [(HEAD,)]
    assert await run(stores[0], execute("SELECT name, number FROM claude_gateway_revocations")) == [("sessions", 0)]


async def test_a_pod_that_comes_later_changes_nothing(place: Place, store: Store) -> None:
    await store.sessions.create(session())
    later = await place.open()
    assert [record.id for record in await later.sessions.page()] == ["one"]


async def test_a_step_that_fails_leaves_nothing_behind_and_is_tried_again(place: Place) -> None:
    first = await place.open()
    wreck = [f"DROP TABLE {table}" for table in metadata.tables if not table.endswith("_pods")]
    await run(first, execute(*wreck, f"DELETE FROM {VERSION_TABLE}"))
    later = place.build()
    later.start()
    await until(lambda: "claude_gateway_pods" in later._database._trouble, what="the table in the way is named")
    tables = "SELECT name FROM sqlite_master" if not place.is_postgres else "SELECT tablename FROM pg_tables"
    assert ("claude_gateway_sessions",) not in await run(first, execute(tables))
    await run(first, execute("DROP TABLE claude_gateway_pods"))
    await until(lambda: later.available, what="the store available")
    await later.sessions.create(session())


async def test_a_pod_works_on_while_a_newer_one_changes_the_schema(store: Store) -> None:
    await store.sessions.create(session())
    await store.sign_ins.create(sign_in())
    assert await store.sessions.by_refresh(digest("one-refresh"), NOW)
    await run(store, execute(*NEWER))
    await everything(store)


async def test_a_pod_starts_on_a_newer_schema(place: Place, store: Store) -> None:
    await store.sessions.create(session())
    await store.sign_ins.create(sign_in())
    await run(store, execute(*NEWER))
    older = await place.open()
    await everything(older)
    assert await run(older, execute(VERSION)) == [("9999",)]


async def everything(store: Store) -> None:
    """With one session and one sign-in there."""
    assert (await store.sign_ins.poll(digest("one"), NOW, 5)).state == "Pending"
    await store.sign_ins.create(sign_in("two"))
    assert await store.sign_ins.begin("one", b"hash", NOW)
    assert await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)
    assert await store.sign_ins.redeem(digest("one"), session("two"), b"answer", NOW, 30)
    assert await store.sessions.rotate(
        "one", digest("one-refresh"), digest("next"), b"", ALICE, None, now=NOW, expires_at=NOW + 9, grace_seconds=3
    )
    assert await store.sessions.revoke_all(NOW) == 2
    assert len((await store.sessions.revoked_since(None))[1]) == 2
    assert await store.pods.beat("pod") == 1
