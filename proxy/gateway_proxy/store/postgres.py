"""Postgres, by asyncpg."""

import ssl
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway_proxy.store.database import FAILURES
from gateway_proxy.store.errors import StoreConfigurationError

CONNECTIONS: Final = 8
"""Of one pod, at most; half of them are kept."""
CONNECT_SECONDS: Final = 4.0
RECYCLE_SECONDS: Final = 900.0
"""A connection is not older: so a load balancer in front of the database can move its clients."""
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})
_PARAMETERS: Final = ("sslmode", "target_session_attrs", "application_name", "options")
_WANTED: Final = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


class Postgres:
    """One database, from its URL. Raises StoreConfigurationError, which says nothing of the URL but a parameter's name.

    `sslmode` is libpq's. With certificates of an authority the server's certificate is checked against them, its name
    too unless the URL says verify-ca; without them the modes that verify trust the system's authorities.
    """

    clock: ClassVar[str] = "extract(epoch from clock_timestamp())::double precision"
    silence_guard: ClassVar[str | None] = "SET LOCAL idle_in_transaction_session_timeout = 2000"
    migration_lock: ClassVar[str | None] = "SELECT pg_advisory_xact_lock(1668048759)"
    failures: ClassVar[tuple[type[BaseException], ...]] = (*FAILURES, PostgresError, InterfaceError)

    def __init__(self, url: str, *, ca_pem: str | None) -> None:
        try:
            parts = urlsplit(url.strip())
            user_info, _, addresses = parts.netloc.rpartition("@")
            parameters = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
            hosts = [_address(one) for one in addresses.split(",")]
        except ValueError:
            raise StoreConfigurationError(f"the store's URL is not of the form {_WANTED}") from None
        user, _, password = user_info.partition(":")
        if parts.scheme not in {"postgres", "postgresql"} or not user or not all(host for host, _ in hosts):
            raise StoreConfigurationError(f"the store's URL is not of the form {_WANTED}")
        for name in parameters:
            if name not in _PARAMETERS:
                known = ", ".join(_PARAMETERS)
                raise StoreConfigurationError(f"the store's URL has a parameter {name[:40]!r}; those known are {known}")
        self._arguments: dict[str, Any] = {
            "host": [host for host, _ in hosts],
            "port": [port for _, port in hosts],
            "user": unquote(user),
            "password": unquote(password) or None,
            "database": unquote(parts.path.removeprefix("/")) or unquote(user),
            "ssl": _tls(parameters.get("sslmode"), ca_pem),
            "timeout": CONNECT_SECONDS,
            "server_settings": {
                "application_name": parameters.get("application_name", "claude-gateway"),
                **({"options": parameters["options"]} if "options" in parameters else {}),
            },
        }
        if "target_session_attrs" in parameters:
            self._arguments["target_session_attrs"] = parameters["target_session_attrs"]
        self._secrets = tuple(sorted({text for text in (url, password, unquote(password)) if text}, key=len)[::-1])

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
            async_creator=self._connect,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            **pool,
        )

    def transactional(self, engine: AsyncEngine) -> AsyncEngine:
        return engine.execution_options(isolation_level="READ COMMITTED")

    def prepare(self) -> None:
        pass

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(**self._arguments)


def _address(text: str) -> tuple[str, int]:
    """Of `host`, `host:port` or `[v6]:port`; raises ValueError."""
    parts = urlsplit(f"//{text}")
    return unquote(parts.hostname or ""), parts.port or 5432


def _tls(mode: str | None, ca_pem: str | None) -> ssl.SSLContext | str:
    if mode is not None and mode not in SSL_MODES:
        raise StoreConfigurationError(f"sslmode of the store's URL is none of {', '.join(SSL_MODES)}")
    if ca_pem is None and mode not in _ENCRYPTED:
        return mode or "prefer"
    if ca_pem is not None and mode is not None and mode not in _ENCRYPTED:
        raise StoreConfigurationError(
            f"the store has a certificate authority, but its URL says sslmode={mode}: take sslmode out of the URL"
        )
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except (ssl.SSLError, ValueError):
        raise StoreConfigurationError("the store's certificate authority is no PEM certificate") from None
    if mode == "verify-ca" or (mode == "require" and ca_pem is None):
        context.check_hostname = False
    if mode == "require" and ca_pem is None:
        context.verify_mode = ssl.CERT_NONE
    return context
