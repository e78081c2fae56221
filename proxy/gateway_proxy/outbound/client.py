"""Requests of the gateway's own: to identity providers, key sets, collectors. Everything of it is named by an operator,
so each goes through the guard, by the configuration's forward proxy and with its certificates."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from gateway_config.contract import Egress, Timeouts
from gateway_proxy.upstream.errors import ConnectError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.pool import Pool, Pools
from gateway_proxy.upstream.route import Origin
from gateway_proxy.version import VERSION

MAX_ROUTES: Final = 64
"""Origins whose connections are kept; beyond, those of the first are closed."""
MAX_REDIRECTS: Final = 5
_REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})
_METHODS: Final = _REPEATABLE | {"POST", "PATCH"}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOST: Final = re.compile(r"[A-Za-z0-9._~:-]+\Z")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*\Z")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_ACROSS_ORIGINS: Final = frozenset({"accept", "user-agent"})
"""What goes along with a redirect to another origin; credentials stay behind."""


class OutboundError(Exception):
    """No answer. The text is one plain sentence that names the host and nothing else of the URL: the rest, headers and
    body may hold secrets. `reason` is stable: an UpstreamError's, or Timeout, TooLarge, Redirect, Unusable."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """Whatever its status."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By name in lower case; several of one name are joined by a comma."""
    body: bytes = field(repr=False)


class _Target:
    """Where a request goes."""

    __slots__ = ("https", "origin", "path")

    def __init__(self, url: str) -> None:
        """Raises OutboundError."""
        try:
            # urlsplit would silently drop line ends.
            if not url.isascii() or not url.isprintable() or " " in url:
                raise ValueError("characters that no URL holds")
            parts = urlsplit(url)
            self.origin = Origin.of(url)
            if parts.username is not None or not _HOST.match(self.origin.host):
                raise ValueError("a user or a malformed host")
        except ValueError:
            message = "the URL is not an absolute http or https one without user, in plain ASCII"
            raise OutboundError(message, reason="Unusable") from None
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.https = self.origin.scheme == "https"

    @property
    def base_url(self) -> str:
        return f"{self.origin.scheme}://{self.origin.host_literal}:{self.origin.port}"


class Outbound:
    """The client of one configuration; on the event loop alone. Connections are kept for GET, PUT and DELETE, and for
    requests that their sender calls repeatable."""

    def __init__(self, egress: Egress, pools: Pools) -> None:
        self.egress = egress
        self._all = pools
        self._kept: dict[tuple[str, str | None, bool], Pool] = {}

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Those in use, for `Pools.retain`."""
        return tuple(self._kept.values())

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ca_pem: str | None = None,
        use_proxy: bool = True,
        max_bytes: int = 1 << 20,
        seconds: float = 10.0,
        follow_redirects: bool = False,
        repeatable: bool | None = None,
    ) -> Answer:
        """The answer, whatever its status. Raises OutboundError.

        `ca_pem` takes the place of the egress' own; `seconds` bounds the whole, redirects too; they are followed for
        GET alone, never from https to http. `repeatable`: whether the request may reach the server twice, as it may
        where a kept connection breaks; None: as its method says.
        """
        authority = ""
        try:
            target = _Target(url)
            authority = target.origin.authority
            async with asyncio.timeout(seconds):
                return await self._followed(
                    target,
                    method,
                    dict(headers or {}),
                    body,
                    egress=(ca_pem, use_proxy),
                    max_bytes=max_bytes,
                    seconds=seconds,
                    redirects=MAX_REDIRECTS if follow_redirects and method == "GET" else 0,
                    repeatable=method in _REPEATABLE if repeatable is None else repeatable,
                )
        except TimeoutError:
            error = OutboundError(f"no answer from {authority} within {seconds:g} s", reason="Timeout")
        except UpstreamError as failed:
            message = str(failed) if isinstance(failed, ConnectError) else f"no answer from {authority}: {failed}"
            error = OutboundError(message, reason=failed.reason)
        except OutboundError as failed:
            error = failed
        self._all.outbound_failures[error.reason] += 1
        raise error from None

    async def _followed(
        self,
        target: _Target,
        method: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        egress: tuple[str | None, bool],
        max_bytes: int,
        seconds: float,
        redirects: int,
        repeatable: bool,
    ) -> Answer:
        timeouts = Timeouts(connect_seconds=seconds, first_byte_seconds=seconds, idle_seconds=seconds)
        left = redirects
        while True:
            pool = await self._pool(target, *egress)
            head = _head(method, target, pool, headers, body)
            exchange = await pool.exchange(head, body or b"", timeouts=timeouts, fresh=not repeatable)
            answer = await _whole(exchange, target, max_bytes)
            if not redirects or answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            if not left:
                raise OutboundError(f"{target.origin.authority} redirects too often", reason="Redirect")
            left -= 1
            further = _further(target, answer.headers["location"])
            if target.https and not further.https:
                raise OutboundError(f"{target.origin.authority} redirects to plain http", reason="Redirect")
            if further.origin != target.origin:
                headers = {name: value for name, value in headers.items() if name.lower() in _ACROSS_ORIGINS}
            target = further

    async def _pool(self, target: _Target, ca_pem: str | None, use_proxy: bool) -> Pool:
        key = target.base_url, ca_pem, use_proxy
        pool = self._kept.get(key)
        if pool is None:
            egress = self.egress.model_copy(
                update={
                    "ca_pem": ca_pem or self.egress.ca_pem,
                    "proxy_url": self.egress.proxy_url if use_proxy else None,
                }
            )
            try:
                # Reading a system's certificates takes some 20 ms.
                pool = await asyncio.to_thread(self._all.pool, target.base_url, egress)
            except ValueError as error:
                message = f"no connection to {target.origin.authority}: {error}"
                raise OutboundError(message, reason="Unusable") from None
            pool = self._kept.setdefault(key, pool)
            while len(self._kept) > MAX_ROUTES:
                self._all.forget(self._kept.pop(next(iter(self._kept))))
        return pool


def _further(target: _Target, location: str) -> _Target:
    """Raises OutboundError."""
    try:
        return _Target(urljoin(target.base_url + target.path, location))
    except (OutboundError, ValueError):
        message = f"{target.origin.authority} redirects to something that is no http or https URL"
        raise OutboundError(message, reason="Redirect") from None


def _head(method: str, target: _Target, pool: Pool, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Raises OutboundError on what no head can carry."""
    if method not in _METHODS:
        raise OutboundError(f"{method!r} is not a method that requests are made with", reason="Unusable")
    lines = [f"{method} {pool.route.absolute_form}{target.path} HTTP/1.1", f"host: {target.origin.authority}"]
    if pool.route.proxy_authorization is not None:
        lines.append(f"proxy-authorization: {pool.route.proxy_authorization}")
    names = set()
    for name, value in headers.items():
        if not _NAME.match(name) or not _VALUE.match(value) or name.lower() in _OURS:
            raise OutboundError(f"the header {name!r} or its value cannot stand in a request", reason="Unusable")
        names.add(name.lower())
        lines.append(f"{name}: {value}")
    if "user-agent" not in names:
        lines.append(f"user-agent: claude-gateway/{VERSION}")
    lines.append("accept-encoding: identity")
    if body is not None or method not in ("GET", "DELETE"):
        lines.append(f"content-length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _whole(exchange: Exchange, target: _Target, max_bytes: int) -> Answer:
    """Raises OutboundError, UpstreamError."""
    try:
        head = await exchange.response()
        if (head.content_length or 0) > max_bytes or (body := await exchange.read(max_bytes)) is None:
            message = f"the answer of {target.origin.authority} is longer than {max_bytes} bytes"
            raise OutboundError(message, reason="TooLarge")
    finally:
        # Of no consequence once the answer is whole.
        exchange.abort()
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(head.status, headers, body)
