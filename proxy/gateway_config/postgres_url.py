"""The URL of a Postgres store: which ones can be used, and what they say. No message holds anything of it: it holds a
password."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

FORM: Final = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
PARAMETERS: Final = ("sslmode", "target_session_attrs", "application_name", "options")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})
TARGETS: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_NO_URL: Final = (
    f"is no connection URL of the form {FORM}; characters like @, / and # in the password have to be percent-encoded"
)


class UnusableUrlError(ValueError):
    """The message says why, as the end of a sentence about the URL."""


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    addresses: tuple[tuple[str, int], ...]
    """Host and port of each server, in the order to try."""
    user: str
    password: str | None = field(repr=False)
    database: str
    parameters: dict[str, str]
    """Some of PARAMETERS."""


def parse(url: str, *, with_ca: bool) -> PostgresUrl:
    """`with_ca`: whether there are certificates to check the server's with. Raises UnusableUrlError."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        user_info, _, hosts = parts.netloc.rpartition("@")
        addresses = tuple(_address(host) for host in hosts.split(","))
        parameters = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise UnusableUrlError(_NO_URL) from None
    user, _, password = user_info.partition(":")
    if parts.scheme not in ("postgresql", "postgres") or not user or not all(host for host, _ in addresses):
        raise UnusableUrlError(_NO_URL)
    if not url.isprintable() or " " in url or parts.fragment:
        raise UnusableUrlError(_NO_URL)
    _check(parameters, with_ca=with_ca)
    database = unquote(parts.path.removeprefix("/")) or unquote(user)
    return PostgresUrl(addresses, unquote(user), unquote(password) or None, database, parameters)


def _check(parameters: dict[str, str], *, with_ca: bool) -> None:
    if not parameters.keys() <= set(PARAMETERS):
        raise UnusableUrlError(f"has a parameter that is not known; those known are {', '.join(PARAMETERS)}")
    mode = parameters.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise UnusableUrlError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
    if with_ca and mode is not None and mode not in ENCRYPTED:
        raise UnusableUrlError("has an sslmode that checks no certificate, beside a caRef: take sslmode out of it")
    if parameters.get("target_session_attrs", "any") not in TARGETS:
        raise UnusableUrlError(f"has target_session_attrs that are none of {', '.join(TARGETS)}")


def _address(host: str) -> tuple[str, int]:
    """Of `host`, `host:port` or `[v6]:port`; raises ValueError."""
    parts = urlsplit(f"//{host}")
    return unquote(parts.hostname or ""), parts.port or 5432
