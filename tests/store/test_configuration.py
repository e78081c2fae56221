"""Which stores can be configured, what is said of those that cannot, and how Postgres is trusted."""

from pathlib import Path

import pytest
import trustme
from tests.standins.postgres import PostgresServer
from tests.store.conftest import until
from tests.store.rows import session

from gateway_config import contract
from gateway_proxy.store import StoreConfigurationError
from gateway_proxy.store.store import Store, build_store

VALUE = contract.Value(name="store", sha256="0" * 64)
SECRET = "pw-canary-77"


def build(url: str | None, *, ca_pem: str | None = None) -> Store:
    definition = contract.Store(type="Postgres", url=VALUE, ca_pem=ca_pem)
    return build_store(definition, url=url, state_directory=None)


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
        (f"mysql://gateway:{SECRET}@db/claude", "not of the form"),
        (f"gateway:{SECRET}@db", "not of the form"),
        (f"postgresql://gateway:{SECRET}@/claude", "not of the form"),
        (f"postgresql://gateway:{SECRET}@db:five/claude", "not of the form"),
        (f"postgresql://gateway:{SECRET}@[::1/claude", "not of the form"),
        ("postgresql://db/claude", "not of the form"),
        (f"postgresql://gateway:{SECRET}@db/claude?sslmode=maybe", "sslmode of the store's URL is none of"),
        (f"postgresql://gateway:{SECRET}@db/claude?sslrootcert=/ca.pem", "parameter 'sslrootcert'"),
        (f"postgresql://gateway:{SECRET}@db/claude?sslmode", "not of the form"),
        (None, "no URL"),
    ],
)
def test_urls_that_cannot_are_refused_without_their_secret(url: str | None, said: str) -> None:
    with pytest.raises(StoreConfigurationError, match=said) as raised:
        build(url)
    assert SECRET not in repr(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_an_authority_asks_for_tls(postgres: PostgresServer) -> None:
    with pytest.raises(StoreConfigurationError, match="sslmode=prefer"):
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
        ("localhost", "?sslmode=verify-full", True, "t"),
        ("127.0.0.1", "?sslmode=verify-ca", True, "t"),
        ("127.0.0.1", "?sslmode=require", False, "t"),
        ("127.0.0.1", "", False, "t"),
        ("127.0.0.1", "?sslmode=disable", False, "f"),
    ],
)
async def test_connections_as_the_url_asks(
    postgres: PostgresServer, host: str, mode: str, authority: bool, encrypted: str
) -> None:
    name = postgres.database()
    store = build(postgres.url(name, host=host, parameters=mode), ca_pem=postgres.ca_pem if authority else None)
    store.start()
    await until(lambda: store.available, what="the store available")
    await store.sessions.create(session())
    shown = "SELECT DISTINCT ssl, application_name FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = "
    assert postgres.sql(f"{shown}'{name}'") == f"{encrypted}|claude-gateway"
    await store.close()


@pytest.mark.parametrize(
    ("host", "mode", "own_authority"),
    [
        ("127.0.0.1", "", True),  # the certificate is for localhost
        ("localhost", "", False),  # another authority's
        ("localhost", "?sslmode=verify-full", None),  # the system's authorities
        ("127.0.0.1", "?sslmode=verify-ca", None),
    ],
)
async def test_a_server_that_is_not_trusted_gets_no_password(
    postgres: PostgresServer, host: str, mode: str, own_authority: bool | None
) -> None:
    ca_pem = {True: postgres.ca_pem, False: trustme.CA().cert_pem.bytes().decode(), None: None}[own_authority]
    store = build(postgres.url(postgres.database(), host=host, parameters=mode), ca_pem=ca_pem)
    store.start()
    await until(lambda: "certificate verify failed" in store._database._trouble, what="the certificate refused")
    assert not store.available
    await store.close()


async def test_a_schema_of_its_own(postgres: PostgresServer) -> None:
    name = postgres.database()
    postgres.sql("CREATE SCHEMA gateway AUTHORIZATION gateway", database=name)
    store = build(postgres.url(name, parameters="?options=-csearch_path%3Dgateway"))
    store.start()
    await until(lambda: store.available, what="the store available")
    await store.sessions.create(session())
    assert postgres.sql("SELECT id FROM gateway.claude_gateway_sessions", database=name) == "one"
    await store.close()
