"""Every test runs on Postgres and on SQLite, each with a database of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.standins.postgres import PostgresServer

from gateway_config import contract
from gateway_config.parts import Value
from gateway_proxy.store.store import Store, build_store
from gateway_proxy.telemetry.store_metrics import StoreMetrics

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0


async def until(condition: Callable[[], Any], *, what: str) -> None:
    """Looks at the condition until it is true."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


@dataclass
class Place:
    """A database. Each store that is opened in it is that of another pod."""

    definition: contract.Store
    folder: Path
    url: str | None = None
    database: str = ""
    stores: list[Store] = field(default_factory=list)

    def build(self, *, metrics: StoreMetrics | None = None) -> Store:
        store = build_store(self.definition, url=self.url, state_directory=self.folder, metrics=metrics)
        self.stores.append(store)
        return store

    async def open(self, *, metrics: StoreMetrics | None = None) -> Store:
        store = self.build(metrics=metrics)
        store.start()
        await until(lambda: store.available, what="the store available")
        return store

    async def close(self) -> None:
        for store in self.stores:
            await store.close()

    @property
    def is_postgres(self) -> bool:
        return self.url is not None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """One that tests may stop."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(params=["postgres", "sqlite"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        name = server.database()
        url = Value(name="store", sha256="0" * 64)
        place = Place(contract.Store(type="Postgres", url=url), tmp_path, server.url(name), name)
    else:
        place = Place(contract.Store(type="Embedded"), tmp_path / "state")
    yield place
    await place.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()


@pytest.fixture
async def other_pod(place: Place, store: Store) -> Store:
    """The same database, seen by another pod."""
    return await place.open()
