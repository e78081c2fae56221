"""What the command line says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway_proxy.timeouts import Timeouts


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `HOST:PORT`, with an IPv6 address in brackets; raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"{text!r} is not HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, such as [::1]:8080")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    config: Path
    listen: Address
    admin_listen: Address
    metrics_listen: Address
    admin_token_file: Path | None
    log_level: str
    drain_accept_seconds: float
    tls_directory: Path | None
    state_directory: Path | None
    timeouts: Timeouts
