"""Where the API server is and who we are to it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway_config import server_certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What one request needs. `server` has no slash at its end; it may have a path."""

    server: str
    authorization: str = field(default="", repr=False)
    """Value of the Authorization header; empty: none is sent."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password


class Access(Protocol):
    """Credentials that may change while the process runs."""

    @property
    def namespace(self) -> str:
        """The namespace to take where nobody names one."""

    async def connection(self, *, refused: Connection | None = None) -> Connection:
        """What to use now. `refused` was answered with 401: it is made anew, and is the same where nothing changed.

        Raises `UnavailableError` when credentials cannot be read.
        """


def tls_context(
    *, ca_file: Path | None, insecure: bool, certificate_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Raises `OSError` (`ssl.SSLError` is one) for files that are missing or are no certificates."""
    context = server_certificates.trusting(cafile=str(ca_file) if ca_file else None)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate_file:
        context.load_cert_chain(str(certificate_file), str(key_file) if key_file else None)
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedAccess:
    """Credentials that never change."""

    fixed: Connection
    namespace: str = "default"

    async def connection(self, *, refused: Connection | None = None) -> Connection:
        del refused
        return self.fixed
