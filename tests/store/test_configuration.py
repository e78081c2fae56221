"""Which stores can be configured, what is said of those that cannot, and how Postgres is trusted."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trustme
from tests.standins.postgres import PostgresServer
from tests.store.conftest import until
from tests.store.rows import session

from gateway_config import contract
from gateway_config.parts import Value
from gateway_proxy.store import StoreConfigurationError
from gateway_proxy.store.store import Store, build_store

VALUE = Value(name="store", sha256="0" * 64)
SECRET = "pw-canary-77"
Start = Callable[[str, str | None], Store]


def build(url: str | None, *, ca_pem: str | None = None) -> Store:
    definition = contract.Store(type="Postgres", url=VALUE, ca_pem=ca_pem)
    return build_store(definition, url=url, state_directory=None)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts the store of a URL and an authority, and closes it at the test's end."""
    started: list[Store] = []

    def begin(url: str, ca_pem: str | None = None) -> Store:
        started.append(build(url, ca_pem=ca_pem))
        started[-1].start()
        return started[-1]

    yield begin
    for store in started:
        await store.close()


@pytest.fixture(scope="module")
def other_name() -> Iterator[PostgresServer]:
    """A server whose certificate is for another host than the one it is reached at."""
    server = PostgresServer(certified="db.corp.example")
    yield server
    server.remove()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://gateway:{SECRET}@db.corp.example:5432/claude",
        f"postgres://gateway:{SECRET}@db/claude?sslmode=require",
        f"postgresql://gateway:{SECRET}@[2001:db8::1]:5432/claude",
        f"postgresql://gateway:{SECRET}@one:5432,two:5433/claude?target_session_attrs=primary",
        "postgresql://gateway@db/claude",
        f"postgresql://gateway:{SECRET}@db/claude?options=-csearch_path%3Dgateway&application_name=x\n",
    ],
)
def test_urls_that_can_work(url: str) -> None:
    build(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://gateway:{SECRET}@db/claude", "no connection URL of the form"),
        (f"gateway:{SECRET}@db", "no connection URL of the form"),
        (f"postgresql://gateway:{SECRET}@/claude", "no connection URL of the form"),
        (f"postgresql://gateway:{SECRET}@db:five/claude", "no connection URL of the form"),
        (f"postgresql://gateway:{SECRET}@[::1/claude", "no connection URL of the form"),
        ("postgresql://db/claude", "no connection URL of the form"),
        (f"postgresql://gateway:{SECRET}@db/claude?sslmode=maybe", "sslmode that is none of"),
        (f"postgresql://gateway:{SECRET}@db/claude?sslrootcert=/ca.pem", "parameter that is not known"),
        (f"postgresql://gateway:{SECRET}@db/claude?sslmode", "no connection URL of the form"),
        (f"postgresql://gateway:{SECRET}@db/claude?target_session_attrs=best", "target_session_attrs that are none of"),
        (f"postgresql://gateway:{SECRET} @db/claude", "no connection URL of the form"),
        (None, "no URL"),
    ],
)
def test_urls_that_cannot_are_refused_without_their_secret(url: str | None, said: str) -> None:
    with pytest.raises(StoreConfigurationError, match=said) as raised:
        build(url)
    assert SECRET not in repr(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_an_authority_asks_for_tls(postgres: PostgresServer) -> None:
    with pytest.raises(StoreConfigurationError, match="take sslmode out of it"):
        build(postgres.url("claude", parameters="?sslmode=prefer"), ca_pem=postgres.ca_pem)
    with pytest.raises(StoreConfigurationError, match="no PEM certificate"):
        build(postgres.url("claude"), ca_pem="nonsense")


def test_an_embedded_store_needs_a_directory() -> None:
    with pytest.raises(StoreConfigurationError, match="--state-dir"):
        build_store(contract.Store(type="Embedded"), url=None, state_directory=None)


def test_building_touches_nothing(tmp_path: Path) -> None:
    build_store(contract.Store(type="Embedded"), url=None, state_directory=tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "mode", "authority", "encrypted"),
    [
        ("localhost", "", True, "t"),
        ("127.0.0.1", "?sslmode=verify-full", True, "t"),
        ("127.0.0.1", "?sslmode=require", False, "t"),
        ("127.0.0.1", "", False, "t"),
        ("127.0.0.1", "?sslmode=disable", False, "f"),
    ],
)
async def test_connections_as_the_url_asks(
    postgres: PostgresServer, start: Start, host: str, mode: str, authority: bool, encrypted: str
) -> None:
    name = postgres.database()
    store = start(postgres.url(name, host=host, parameters=mode), postgres.ca_pem if authority else None)
    await until(lambda: store.available, what="the store available")
    await store.sessions.create(session())
    shown = "SELECT DISTINCT ssl, application_name FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = "
    assert postgres.sql(f"{shown}'{name}'") == f"{encrypted}|claude-gateway"


async def refused(store: Store) -> None:
    await until(lambda: "certificate verify failed" in store._database._trouble, what="the certificate refused")
    assert not store.available


@pytest.mark.parametrize("mode", ["", "?sslmode=require", "?sslmode=verify-full"])
async def test_a_certificate_for_another_name_is_refused(other_name: PostgresServer, start: Start, mode: str) -> None:
    await refused(start(other_name.url(other_name.database(), parameters=mode), other_name.ca_pem))


async def test_the_name_may_be_left_out(other_name: PostgresServer, start: Start) -> None:
    store = start(other_name.url(other_name.database(), parameters="?sslmode=verify-ca"), other_name.ca_pem)
    await until(lambda: store.available, what="the store available")


async def test_a_certificate_of_another_authority_is_refused(postgres: PostgresServer, start: Start) -> None:
    await refused(start(postgres.url(postgres.database()), trustme.CA().cert_pem.bytes().decode()))


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
async def test_without_an_authority_the_systems_decide(postgres: PostgresServer, start: Start, mode: str) -> None:
    await refused(start(postgres.url(postgres.database(), parameters=f"?sslmode={mode}"), None))


async def test_of_several_hosts_the_one_that_can_write_is_taken(postgres: PostgresServer, start: Start) -> None:
    url = postgres.url(postgres.database(), parameters="?target_session_attrs=primary")
    store = start(url.replace("@", "@127.0.0.1:9,"), None)
    await until(lambda: store.available, what="the store available")


async def test_a_schema_of_its_own(postgres: PostgresServer, start: Start) -> None:
    name = postgres.database()
    postgres.sql("CREATE SCHEMA gateway AUTHORIZATION gateway", database=name)
    store = start(postgres.url(name, parameters="?options=-csearch_path%3Dgateway"), None)
    await until(lambda: store.available, what="the store available")
    await store.sessions.create(session())
    assert postgres.sql("SELECT id FROM gateway.claude_gateway_sessions", database=name) == "one"
