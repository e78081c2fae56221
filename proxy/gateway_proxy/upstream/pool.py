"""Connections to upstreams, kept alive and shared."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway_config.contract import Egress, Timeouts
from gateway_proxy.outbound.guard import check_host, connect
from gateway_proxy.upstream.connection import UpstreamConnection
from gateway_proxy.upstream.errors import (
    BrokenConnectionError,
    ConnectError,
    ConnectTimeoutError,
    UpstreamError,
)
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.proxy_tunnel import open_tunnel
from gateway_proxy.upstream.route import ForwardProxy, Origin, Route, reached_directly, tls_context
from gateway_proxy.upstream.ticker import Ticker
from gateway_proxy.upstream.unpacking import unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """Bounds on connections that nobody uses at the moment."""

    idle_seconds: float = 45.0
    """Below the 60 s after which common load balancers cut a silent connection."""
    age_seconds: float = 600.0
    """So that a change of the upstream's addresses is followed."""
    idle_connections: int = 256
    """For each route."""


DEFAULT_KEEP_ALIVE: Final = KeepAlive()


class Pool:
    """Connections that go one route. Bounded only in idle ones: how many requests run is the gateway's own limit."""

    __slots__ = ("_idle", "_keep_alive", "_ticker", "route")

    def __init__(self, route: Route, ticker: Ticker, *, keep_alive: KeepAlive) -> None:
        self.route = route
        self._ticker = ticker
        self._keep_alive = keep_alive
        self._idle: list[UpstreamConnection] = []

    def __repr__(self) -> str:
        return f"<Pool {self.route.origin.authority} idle={len(self._idle)}>"

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    async def exchange(
        self, head: bytes, body: bytes, *, timeouts: Timeouts, fresh: bool = False, packed: bool = False
    ) -> Exchange:
        """Sends one request and returns once its response head is there. Raises UpstreamError.

        A kept-alive connection that turns out to be closed, before a byte of response came, is no failure: the
        request goes out once more on a fresh one. `fresh`: on a new connection at once, so that it is never sent twice.
        `packed`: whether gzip was asked for; otherwise, and in an error, the payload is unpacked.
        """
        connection = None if fresh else self._reuse()
        if connection is not None:
            exchange = self._send(connection, head, body, timeouts)
            try:
                response = await exchange.response()
            except asyncio.CancelledError:
                exchange.abort()
                raise
            except BrokenConnectionError:
                if not exchange.untouched:
                    raise
            else:
                return exchange if packed and response.status < 400 else unpack(exchange, response)
        exchange = self._send(await self._connect(timeouts.connect_seconds), head, body, timeouts)
        try:
            response = await exchange.response()
        except asyncio.CancelledError:
            exchange.abort()
            raise
        return exchange if packed and response.status < 400 else unpack(exchange, response)

    def _send(self, connection: UpstreamConnection, head: bytes, body: bytes, timeouts: Timeouts) -> Exchange:
        exchange = Exchange(
            connection,
            loop=connection.loop,
            first_byte_seconds=timeouts.first_byte_seconds,
            idle_seconds=timeouts.idle_seconds,
        )
        connection.send(head, body, exchange)
        if not connection.closed:
            self._ticker.add(connection)
        return exchange

    def _reuse(self) -> UpstreamConnection | None:
        # The one used last is the likeliest to be alive, and the others get to expire.
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, timeout: float) -> UpstreamConnection:  # noqa: ASYNC109 - the connection's own deadline
        origin = self.route.origin
        try:
            async with asyncio.timeout(timeout):
                return await self._open()
        except TimeoutError as error:
            raise ConnectTimeoutError(f"no connection to {origin.authority} within {timeout:g} s") from error
        except UpstreamError:
            raise
        except (OSError, ssl.CertificateError, UnicodeError) as error:
            raise ConnectError(f"no connection to {origin.authority}: {_plain(error)}") from error

    async def _open(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        origin, proxy, tls = self.route.origin, self.route.proxy, self.route.tls
        connection = UpstreamConnection(self, loop)
        allow_loopback = self.route.allow_loopback
        if proxy is not None:
            # Who looks the name up is the proxy: nothing but the name can be judged here.
            check_host(origin.host, allow_loopback=allow_loopback)
        if proxy is not None and tls is not None:
            tunnel = await open_tunnel(proxy, origin, allow_loopback=allow_loopback)
            try:
                transport = await loop.start_tls(tunnel, connection, tls, server_hostname=origin.host)
            except BaseException:
                tunnel.abort()
                raise
            if transport is None:
                raise ConnectError(f"no connection to {origin.authority}: closed during the TLS handshake")
            connection.connection_made(transport)
        else:
            next_hop = proxy or origin
            sock = await connect(next_hop.host, next_hop.port, allow_loopback=allow_loopback)
            await loop.create_connection(
                lambda: connection, sock=sock, ssl=tls, server_hostname=origin.host if tls is not None else None
            )
        return connection

    # --- Owner ---

    def over(self, connection: UpstreamConnection, *, reusable: bool) -> None:
        self._ticker.discard(connection)
        if not reusable:
            return
        now = connection.loop.time()
        limits = self._keep_alive
        if len(self._idle) >= limits.idle_connections or now - connection.born > limits.age_seconds:
            connection.close()
            return
        connection.idle_since = now
        if not self._idle:
            self._ticker.add(self)
        self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def tick(self, now: float) -> None:
        """Closes what has been idle for too long."""
        idle_since = now - self._keep_alive.idle_seconds
        expired = 0
        for connection in self._idle:
            if connection.idle_since > idle_since:
                break
            expired += 1
        for connection in self._idle[:expired]:
            connection.close()
        del self._idle[:expired]
        if not self._idle:
            self._ticker.discard(self)

    def close(self) -> None:
        """Closes what is idle; running exchanges end by themselves."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        self._ticker.discard(self)


class Pools:
    """Every pool of the process. Outlives configurations, so that a reload keeps warm connections.

    Made on the event loop; `pool` may be called from a thread that builds a configuration.
    """

    def __init__(self, *, keep_alive: KeepAlive = DEFAULT_KEEP_ALIVE, ticker: Ticker | None = None) -> None:
        self._keep_alive = keep_alive
        self.ticker = ticker or Ticker(asyncio.get_running_loop())
        self._pools: dict[Route, Pool] = {}
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self.outbound_failures: Counter[str] = Counter()
        """Requests of the gateway's own that failed, by reason."""

    def pool(self, base_url: str, egress: Egress) -> Pool:
        """The pool for an upstream's base URL. Raises ValueError on a URL, proxy or PEM that cannot be used."""
        origin = Origin.of(base_url)
        proxy = None
        if egress.proxy_url is not None and not reached_directly(origin.host, egress.no_proxy):
            proxy = ForwardProxy.of(egress.proxy_url)
        context = self._context(egress.ca_pem) if origin.scheme == "https" else None
        route = Route(origin, proxy, context, egress.allow_loopback)
        pool = self._pools.get(route)
        if pool is None:
            pool = self._pools.setdefault(route, Pool(route, self.ticker, keep_alive=self._keep_alive))
        return pool

    def retain(self, used: Sequence[Pool]) -> None:
        """Forgets the pools that the configuration in force does not use; what runs on them goes on. One that it
        uses is known from now on, even where it was forgotten while this configuration was being built."""
        kept = {pool.route: pool for pool in used}
        for route, pool in tuple(self._pools.items()):
            if kept.get(route) is not pool:
                self._pools.pop(route)
                pool.close()
        self._pools.update(kept)

    def forget(self, pool: Pool) -> None:
        """Closes what is idle; what runs goes on."""
        if self._pools.get(pool.route) is pool:
            self._pools.pop(pool.route)
        pool.close()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        self.ticker.close()

    def _context(self, ca_pem: str | None) -> ssl.SSLContext:
        context = self._contexts.get(ca_pem)
        if context is None:
            try:
                context = tls_context(ca_pem)
            except ssl.SSLError as error:
                raise ValueError(f"the CA certificates cannot be read: {error.reason}") from error
            if len(self._contexts) > 8:
                self._contexts.clear()
            self._contexts[ca_pem] = context
        return context


def _plain(error: BaseException) -> str:
    """One line on what went wrong; the text of TLS and socket errors holds addresses and names, never a secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    return f"{type(error).__name__}: {error}"
