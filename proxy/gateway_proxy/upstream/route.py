"""Where an upstream is and which way leads there: origin, forward proxy, exceptions from it, TLS trust."""

import base64
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway_config import server_certificates

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The origin of an absolute http(s) URL. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("not an absolute http or https URL")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])

    @property
    def authority(self) -> str:
        """For the Host header: the port only where it is not the scheme's own."""
        return self.host_literal if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host_literal}:{self.port}"

    @property
    def host_literal(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    """Value of Proxy-Authorization; a secret."""

    @classmethod
    def of(cls, url: str) -> "ForwardProxy":
        """From `http://[user:password@]host:port`. Raises ValueError, without the URL: it may hold a password."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("the forward proxy is not an http URL")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(parts.hostname, parts.port or 80, authorization)


@dataclass(frozen=True, slots=True)
class Route:
    """The key of a connection pool: connections are shared by whoever goes the same way to the same place."""

    origin: Origin
    proxy: ForwardProxy | None = None
    tls: ssl.SSLContext | None = None
    """None: plain http."""
    allow_loopback: bool = False

    @property
    def absolute_form(self) -> str:
        """What stands before the path in a request's first line: plain http through a proxy names the origin."""
        if self.proxy is None or self.origin.scheme == "https":
            return ""
        return f"http://{self.origin.authority}"

    @property
    def proxy_authorization(self) -> str | None:
        """To send with each request, where the proxy reads requests itself."""
        return self.proxy.authorization if self.proxy is not None and self.absolute_form else None


def reached_directly(host: str, no_proxy: Iterable[str]) -> bool:
    """Whether `no_proxy` names the host: by its name, by `.suffix`, by address or by CIDR; `*` names every host."""
    host = host.lower().rstrip(".")
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for raw in no_proxy:
        entry = raw.strip().lower()
        if entry in ("*", host) or (address is None and entry.startswith(".") and host.endswith(entry)):
            return True
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                    return True
            except ValueError:
                continue
    return False


def tls_context(ca_pem: str | None) -> ssl.SSLContext:
    """Trusts the system's certificates and those of `ca_pem`. Raises ssl.SSLError or ValueError on bad PEM."""
    context = server_certificates.trusting()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context
