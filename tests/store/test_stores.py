"""The store follows the configuration: taken over while it is the same, replaced when it or its URL changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.configurations import UPSTREAM_KEY, configuration, files, sha256
from tests.standins.postgres import PostgresServer
from tests.store.conftest import until
from tests.store.rows import session

from gateway_config import bundle, contract
from gateway_config.parts import Value
from gateway_proxy.services import Services
from gateway_proxy.store import StoreConfigurationError, StoreUnavailableError, stores
from gateway_proxy.store.store import Store
from gateway_proxy.store.stores import BuiltStore, Stores
from gateway_proxy.telemetry.audit import AuditLog

EMBEDDED = contract.Store(type="Embedded")


class Process:
    """The stores of one process, configured again and again."""

    def __init__(self, folder: Path | None) -> None:
        self.services = Services(audit=AuditLog())
        self.stores = Stores(self.services, state_directory=folder, metrics=self.services.metrics.store)
        self._built: BuiltStore | None = None

    def load(self, store: contract.Store | None, *, url: str | None = None) -> None:
        compiled = configuration(store=store)
        index = bundle.Index.model_validate_json(files(configuration())[bundle.INDEX_FILE])
        credentials = {"anthropic": UPSTREAM_KEY} | ({"store": url} if url is not None else {})
        loaded = bundle.Bundle(index=index, configuration=compiled, credentials=credentials)
        self._built = self.stores.built(loaded, self._built)
        self.stores.use(self._built)

    def metrics(self) -> dict[str, float]:
        families = self.services.metrics.store.collect() if self.services.metrics.store.configured else ()
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}

    async def available(self) -> Store:
        store = self.services.store
        assert store is not None
        await until(lambda: store.available, what="the store available")
        return store

    async def end(self) -> None:
        await self.stores.close()
        self.services.audit.close()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path / "state")
    yield process
    await process.end()


def postgres_store(url: str) -> dict[str, Any]:
    return {"store": contract.Store(type="Postgres", url=Value(name="store", sha256=sha256(url))), "url": url}


async def test_without_a_store_there_is_none(process: Process) -> None:
    process.load(None)
    assert process.services.store is None
    assert process.services.live_pods == 1
    assert process.metrics() == {}


async def test_a_store_stays_while_it_is_the_same(process: Process) -> None:
    process.load(EMBEDDED)
    before = await process.available()
    process.load(EMBEDDED)
    assert process.services.store is before
    assert process.metrics()["claude_gateway_store_available"] == 1


async def test_another_url_is_another_store_and_the_one_before_is_closed(
    process: Process, postgres: PostgresServer
) -> None:
    process.load(**postgres_store(postgres.url(postgres.database())))
    before = await process.available()
    await before.sessions.create(session())
    process.load(**postgres_store(postgres.url(name := postgres.database())))
    after = await process.available()
    assert after is not before
    assert await after.sessions.page() == []
    count = f"SELECT count(*) FROM pg_stat_activity WHERE usename = 'gateway' AND datname != '{name}'"
    await until(lambda: postgres.sql(count) == "0", what="the connections of the one before closed")


async def test_a_store_that_is_taken_away(process: Process) -> None:
    process.load(EMBEDDED)
    await process.available()
    process.load(None)
    assert process.services.store is None
    assert process.metrics() == {}


async def test_an_embedded_store_without_a_directory_is_refused() -> None:
    process = Process(None)
    with pytest.raises(StoreConfigurationError, match="--state-dir"):
        process.load(EMBEDDED)
    await process.end()


async def test_pods_know_how_many_they_are(
    process: Process, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BEAT_SECONDS", 0.1)
    definition = postgres_store(postgres.url(postgres.database()))
    process.load(**definition)
    await until(lambda: process.metrics()["claude_gateway_live_pods"] == 1, what="one pod")
    other = Process(tmp_path)
    other.load(**definition)
    await until(lambda: other.services.live_pods == 2, what="two pods")
    await until(lambda: process.services.live_pods == 2, what="the first pod hears of it with its next beat")
    assert process.metrics()["claude_gateway_live_pods"] == 2
    await other.end()
    await until(lambda: process.services.live_pods == 1, what="the other pod has left")


async def test_a_store_that_is_away_changes_no_count_and_ends_soon(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.load(**postgres_store("postgresql://gateway:canary@127.0.0.1:9/claude"))
    store = process.services.store
    assert store is not None
    with pytest.raises(StoreUnavailableError):
        await store.sessions.page()
    assert process.services.live_pods == 1
    assert process.metrics()["claude_gateway_store_available"] == 0
    await process.end()
