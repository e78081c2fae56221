"""The URL of a Postgres store, as the proxy takes it. No message holds anything of it: it holds a password."""

from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

FORM: Final = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
PARAMETERS: Final = ("sslmode", "target_session_attrs", "application_name", "options")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_CHECKED: Final = ("require", "verify-ca", "verify-full")


class UnusableError(Exception):
    """The message says why, as the end of a sentence about the value."""


def hosts(url: str, *, with_ca: bool) -> list[str]:
    """The hosts that the URL names, several by commas. Raises UnusableError for one that no proxy can use."""
    try:
        parts = urlsplit(url)
        user, _, addresses = parts.netloc.rpartition("@")
        found = [_host(address) for address in addresses.split(",")]
        parameters = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise UnusableError(_no_url()) from None
    if parts.scheme not in ("postgresql", "postgres") or not user.partition(":")[0] or not all(found):
        raise UnusableError(_no_url())
    if not url.isprintable() or " " in url or parts.fragment:
        raise UnusableError(_no_url())
    if not parameters.keys() <= set(PARAMETERS):
        raise UnusableError(f"has a parameter that is not known; those known are {', '.join(PARAMETERS)}")
    mode = parameters.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise UnusableError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
    if with_ca and mode is not None and mode not in _CHECKED:
        raise UnusableError("has an sslmode that checks no certificate, beside a caRef: take sslmode out of it")
    return found


def _host(address: str) -> str:
    """Raises ValueError for a port that is none."""
    parts = urlsplit(f"//{address}")
    _ = parts.port
    return unquote(parts.hostname or "")


def _no_url() -> str:
    return (
        f"is no connection URL of the form {FORM}; characters like @, / and # in the password have to be "
        "percent-encoded"
    )
