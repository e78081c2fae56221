"""Postgres, by asyncpg."""

import ssl
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote
from weakref import WeakSet

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway_config import postgres_url, server_certificates
from gateway_proxy.store.database import FAILURES
from gateway_proxy.store.errors import StoreConfigurationError

CONNECTIONS: Final = 8
"""Of one pod, at most; half of them are kept."""
CONNECT_SECONDS: Final = 4.0
RECYCLE_SECONDS: Final = 900.0
"""A connection is not older: so a load balancer in front of the database can move its clients."""


class Postgres:
    """One database, from its URL. Raises StoreConfigurationError, which says nothing of the URL.

    `sslmode` is libpq's. With certificates of an authority the server's certificate is checked against them, its name
    too unless the URL says verify-ca; without them the modes that verify trust the system's authorities.
    """

    clock: ClassVar[str] = "extract(epoch from clock_timestamp())::double precision"
    silence_guard: ClassVar[str | None] = "SET LOCAL idle_in_transaction_session_timeout = 2000"
    migration_lock: ClassVar[str | None] = "SELECT pg_advisory_xact_lock(1668048759)"
    failures: ClassVar[tuple[type[BaseException], ...]] = (*FAILURES, PostgresError, InterfaceError)

    def __init__(self, url: str, *, ca_pem: str | None) -> None:
        try:
            parsed = postgres_url.parse(url, with_ca=ca_pem is not None)
        except postgres_url.UnusableUrlError as problem:
            raise StoreConfigurationError(f"the store's URL {problem}") from None
        parameters = parsed.parameters
        self._arguments: dict[str, Any] = {
            "host": [host for host, _ in parsed.addresses],
            "port": [port for _, port in parsed.addresses],
            "user": parsed.user,
            "password": parsed.password,
            "database": parsed.database,
            "ssl": _tls(parameters.get("sslmode"), ca_pem),
            "timeout": CONNECT_SECONDS,
            "target_session_attrs": parameters.get("target_session_attrs", "any"),
            "server_settings": {
                "application_name": parameters.get("application_name", "claude-gateway"),
                **({"options": parameters["options"]} if "options" in parameters else {}),
            },
        }
        self._pooled: WeakSet[asyncpg.Connection] = WeakSet()
        written = quote(parsed.password or "", safe="")
        self._secrets = tuple(text for text in (url, written, parsed.password) if text)

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    def insert(self, table: Table) -> Insert:
        return insert(table)

    def engine(self, *, pooled: bool) -> AsyncEngine:
        pool: dict[str, Any] = {"poolclass": NullPool}
        if pooled:
            pool = {
                "pool_size": CONNECTIONS // 2,
                "max_overflow": CONNECTIONS - CONNECTIONS // 2,
                "pool_timeout": CONNECT_SECONDS,
                "pool_recycle": RECYCLE_SECONDS,
                "pool_pre_ping": True,
            }
        # AUTOCOMMIT: one statement is one round trip.
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect_pooled if pooled else self._connect,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            **pool,
        )

    def transactional(self, engine: AsyncEngine) -> AsyncEngine:
        return engine.execution_options(isolation_level="READ COMMITTED")

    def abandon(self) -> None:
        for connection in list(self._pooled):
            connection.terminate()

    def prepare(self) -> None:
        pass

    async def _connect_pooled(self) -> asyncpg.Connection:
        connection = await self._connect()
        self._pooled.add(connection)
        return connection

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(**self._arguments)


def _tls(mode: str | None, ca_pem: str | None) -> ssl.SSLContext | str:
    if ca_pem is None and mode not in postgres_url.ENCRYPTED:
        return mode or "prefer"
    try:
        context = server_certificates.trusting(cadata=ca_pem)
    except (ssl.SSLError, ValueError):
        raise StoreConfigurationError("the store's certificate authority is no PEM certificate") from None
    if mode == "verify-ca" or (mode == "require" and ca_pem is None):
        context.check_hostname = False
    if mode == "require" and ca_pem is None:
        context.verify_mode = ssl.CERT_NONE
    return context
