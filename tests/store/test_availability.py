"""A database that is away is an error of its own, within a bounded time, and is found again; no secret is told."""

import asyncio
import logging
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.standins.postgres import PostgresServer
from tests.store.conftest import Place, until
from tests.store.rows import NOW, session

from gateway_config import contract
from gateway_config.parts import Value
from gateway_proxy.store import StoreUnavailableError, database
from gateway_proxy.store.sqlite import FILE
from gateway_proxy.store.store import Store, build_store
from gateway_proxy.telemetry.store_metrics import StoreMetrics

EMBEDDED = contract.Store(type="Embedded")
DEFINITION = contract.Store(type="Postgres", url=Value(name="store", sha256="0" * 64))
Begin = Callable[..., Store]


@pytest.fixture
async def own(own_postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty database of it."""
    place = Place(DEFINITION, tmp_path, own_postgres.url(own_postgres.database()))
    yield place
    await place.close()


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """Starts a store of any kind, and closes it at the test's end."""
    stores: list[Store] = []

    def start(definition: contract.Store, folder: Path, url: str | None = None) -> Store:
        stores.append(build_store(definition, url=url, state_directory=folder))
        stores[-1].start()
        return stores[-1]

    yield start
    for store in stores:
        await store.close()


async def test_before_the_tables_are_made_every_call_is_refused(place: Place) -> None:
    store = place.build()
    with pytest.raises(StoreUnavailableError, match="not made yet"):
        await store.sessions.page()
    assert not store.available


async def test_a_database_that_comes_late_is_found(own_postgres: PostgresServer, own: Place) -> None:
    own_postgres.stop()
    store = own.build()
    store.start()
    with pytest.raises(StoreUnavailableError):
        await store.sessions.page()
    own_postgres.start()
    await until(lambda: store.available, what="the store available")
    await store.sessions.create(session())


async def test_a_database_that_restarts_is_found_again(
    own_postgres: PostgresServer, own: Place, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = StoreMetrics()
    with caplog.at_level(logging.INFO, "gateway_proxy.store"):
        store = await own.open(metrics=metrics)
        await asyncio.gather(*(store.sessions.create(session(str(number))) for number in range(6)))
        own_postgres.stop()
        for _ in range(3):
            with pytest.raises(StoreUnavailableError):
                await store.sessions.page()
        assert (store.available, metrics.available) == (False, False)
        own_postgres.start()
        # Every connection of the pool is dead by now, and none of them costs a caller an error.
        assert [len(page) for page in await asyncio.gather(*(store.sessions.page() for _ in range(12)))] == [6] * 12
        assert (store.available, metrics.available) == (True, True)
    events = [record.__dict__.get("event") for record in caplog.records]
    assert events.pop(0) == "store.migrated"
    assert events == ["store.available", "store.unavailable", "store.available"]


async def test_a_database_that_falls_silent_is_given_up_and_found_again(
    own_postgres: PostgresServer, own: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await own.open()
    await store.sessions.create(session())
    monkeypatch.setattr(database, "OPERATION_SECONDS", 0.5)
    own_postgres.pause()
    try:
        for _ in range(3):
            with pytest.raises(StoreUnavailableError):
                await store.sessions.page()
    finally:
        own_postgres.resume()
    monkeypatch.undo()
    assert len(await store.sessions.page()) == 1


async def test_a_store_is_left_while_the_database_is_silent(
    own_postgres: PostgresServer, own: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await own.open()
    monkeypatch.setattr(database, "OPERATION_SECONDS", 0.5)
    own_postgres.pause()
    try:
        await store.close()
    finally:
        own_postgres.resume()


async def test_who_gives_up_waiting_costs_no_connection(
    place: Place, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        waiting = asyncio.create_task(store.sessions.page())
        await asyncio.sleep(0)
        waiting.cancel()
    assert await store.sessions.page() == []
    assert store.available
    assert caplog.records == []


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_an_answer_that_does_not_come_is_given_up(
    place: Place, store: Store, other_pod: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OPERATION_SECONDS", 0.3)
    locked, leave = asyncio.Event(), asyncio.Event()

    async def lock() -> None:
        async with other_pod._database._transactions.begin() as connection:
            await connection.exec_driver_sql("LOCK TABLE claude_gateway_sessions")
            locked.set()
            await leave.wait()

    locking = asyncio.create_task(lock())
    await locked.wait()
    started = time.monotonic()
    answers = await asyncio.gather(*(store.sessions.page() for _ in range(30)), return_exceptions=True)
    assert time.monotonic() - started < 10
    assert {type(answer) for answer in answers} == {StoreUnavailableError}
    leave.set()
    await locking
    monkeypatch.undo()
    assert await store.sessions.page() == []


async def test_a_full_pool_of_waiting_calls_is_served(store: Store) -> None:
    pages = await asyncio.gather(*(store.sessions.page() for _ in range(60)))
    assert pages == [[]] * 60


@pytest.mark.parametrize(
    ("user", "told"),
    [("gateway", "password authentication failed"), ("nobody-canary", "password authentication failed")],
)
async def test_no_secret_is_told(
    postgres: PostgresServer, begin: Begin, tmp_path: Path, caplog: pytest.LogCaptureFixture, user: str, told: str
) -> None:
    secret = "wr0ng-canary%2F%40"
    url = f"postgresql://{user}:{secret}@127.0.0.1:{postgres.port}/{postgres.database()}"
    store = begin(DEFINITION, tmp_path, url)
    await until(lambda: told in store._database._trouble, what=f"{told}: {store._database._trouble}")
    with pytest.raises(StoreUnavailableError, match=told) as raised:
        await store.sessions.page()
    for text in (caplog.text, str(raised.value), repr(raised.value), repr(store), repr(session())):
        assert "canary%" not in text
        assert "canary/@" not in text
        assert "sealed" not in text.replace("provider_refresh_token_sealed", "")


async def test_a_violated_rule_of_the_database_names_no_value(store: Store) -> None:
    await store.sessions.create(session())
    with pytest.raises(Exception, match="claude_gateway_sessions") as raised:
        await store.sessions.create(session("two", refresh_sha256=session().refresh_sha256))
    assert "alice" not in str(raised.value)


async def test_calls_under_way_end_before_the_store_does(store: Store) -> None:
    calls = [asyncio.create_task(store.sessions.create(session(str(number)))) for number in range(6)]
    await asyncio.sleep(0)  # the calls begin
    await store.close()
    await asyncio.gather(*calls)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_the_file_is_its_owners_alone(place: Place, store: Store) -> None:
    await store.sessions.create(session())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.folder.iterdir()}
    assert modes.pop(FILE) == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_what_is_written_outlives_the_process(place: Place, store: Store) -> None:
    await store.sessions.create(session())
    await store.close()
    later = await place.open()
    assert [record.id for record in await later.sessions.page()] == ["one"]


async def test_a_file_that_is_no_database_is_told(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at as one" * 50)
    store = begin(EMBEDDED, tmp_path)
    await until(lambda: "not a database" in store._database._trouble, what="the trouble told")
    with pytest.raises(StoreUnavailableError, match="not a database"):
        await store.sessions.page()


async def test_a_directory_that_cannot_be_made_is_told(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = begin(EMBEDDED, tmp_path / "file" / "state")
    with pytest.raises(StoreUnavailableError):
        await store.sessions.page()
    await until(lambda: "Not a directory" in store._database._trouble, what="the trouble told")


async def test_calls_are_counted_and_timed(place: Place) -> None:
    metrics = StoreMetrics()
    store = await place.open(metrics=metrics)
    await store.sessions.create(session())
    assert await store.sessions.revoke("one", NOW, "SignedOut")
    samples = {
        (sample.name, sample.labels.get("operation")): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }
    assert samples["claude_gateway_store_operation_duration_seconds_count", "sessions.create"] == 1
    assert samples["claude_gateway_store_operation_duration_seconds_count", "sessions.revoke"] == 1
    assert samples["claude_gateway_store_available", None] == 1
