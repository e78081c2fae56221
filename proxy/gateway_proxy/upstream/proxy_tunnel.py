"""CONNECT through an HTTP forward proxy: the tunnel in which TLS to the upstream then runs."""

import asyncio
from typing import cast

from gateway_proxy.outbound.guard import connect
from gateway_proxy.upstream.errors import ConnectError, ProtocolError
from gateway_proxy.upstream.head import find_head_end, parse_head
from gateway_proxy.upstream.route import ForwardProxy, Origin


class _TunnelRequest(asyncio.Protocol):
    """Sends CONNECT and waits for the proxy's head."""

    def __init__(self, request: bytes, opened: "asyncio.Future[asyncio.Transport]") -> None:
        self._request = request
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            end = find_head_end(self._buffer)
            if end < 0:
                return
            head = parse_head(self._buffer[: end - 4])
        except ProtocolError as error:
            self._refuse(f"the forward proxy's answer is malformed: {error}")
            return
        if not 200 <= head.status < 300:
            self._refuse(f"the forward proxy answered CONNECT with {head.status}")
        elif len(self._buffer) > end:
            # TLS begins with our hello: bytes that come before it are not the upstream's.
            self._refuse("the forward proxy sent data before the tunnel was used")
        elif self._transport is not None and not self._opened.done():
            self._opened.set_result(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse("the forward proxy closed the connection")

    def _refuse(self, why: str) -> None:
        if not self._opened.done():
            self._opened.set_exception(ConnectError(why))
        if self._transport is not None:
            self._transport.abort()


async def open_tunnel(proxy: ForwardProxy, origin: Origin, *, allow_loopback: bool) -> asyncio.Transport:
    """A connection to `origin` through the proxy, without TLS yet. Raises ConnectError or OSError."""
    loop = asyncio.get_running_loop()
    target = f"{origin.host_literal}:{origin.port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    request = "\r\n".join([*lines, "", ""]).encode("latin-1")
    opened: asyncio.Future[asyncio.Transport] = loop.create_future()
    sock = await connect(proxy.host, proxy.port, allow_loopback=allow_loopback)
    transport, _ = await loop.create_connection(lambda: _TunnelRequest(request, opened), sock=sock)
    try:
        return await opened
    except BaseException:
        transport.abort()
        raise
