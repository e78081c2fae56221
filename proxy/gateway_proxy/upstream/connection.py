"""One connection to an upstream: HTTP/1.1, one exchange at a time, kept alive between them."""

import asyncio
import socket
from typing import Final, Protocol, cast

from gateway_proxy.upstream.errors import BrokenConnectionError, ProtocolError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.framing import ChunkWalker
from gateway_proxy.upstream.head import find_head_end, parse_head

_INTERIM_LIMIT: Final = 16
"""1xx responses before a final one."""
_JOIN_BELOW: Final = 16 * 1024
"""Head and body are joined into one buffer below this many bytes; above it the kernel gathers them."""


class Owner(Protocol):
    """The pool, as a connection sees it."""

    def over(self, connection: "UpstreamConnection", *, reusable: bool) -> None:
        """The exchange is over; the connection is the pool's again, or gone."""

    def lost(self, connection: "UpstreamConnection") -> None:
        """The connection has ended."""


class UpstreamConnection(asyncio.Protocol):
    __slots__ = (
        "_buffer",
        "_exchange",
        "_interim",
        "_left",
        "_owner",
        "_transport",
        "_walker",
        "born",
        "closed",
        "idle_since",
        "loop",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._buffer = b""
        self._interim = 0
        self._walker: ChunkWalker | None = None
        self._left: int | None = None
        """Payload bytes still to come; None: until the connection ends, or chunked."""
        self.closed = False
        self.loop = loop
        self.born = self.idle_since = loop.time()

    def __repr__(self) -> str:
        return f"<UpstreamConnection closed={self.closed} busy={self._exchange is not None}>"

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            # Bytes that answer nothing: whatever they are, they must not become the next response.
            self.abort()
            return
        try:
            if exchange.head is None:
                self._head(exchange, data)
            else:
                self._body(exchange, data)
        except ProtocolError as error:
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        exchange, self._exchange = self._exchange, None
        self._transport = None
        self._owner.lost(self)
        if exchange is None:
            return
        until_close = exchange.head is not None and self._walker is None and self._left is None
        if until_close and exc is None:
            exchange.ended()
        else:
            where = "before" if exchange.head is None else "inside"
            exchange.failed(BrokenConnectionError(f"the upstream closed the connection {where} its response"))
        self._owner.over(self, reusable=False)

    # --- one exchange ---

    def send(self, head: bytes, body: bytes, exchange: Exchange) -> None:
        """Writes a whole request; the exchange gets what comes back."""
        if self._transport is None or self.closed:
            exchange.failed(BrokenConnectionError("the upstream closed the connection before the request was sent"))
            return
        self._exchange = exchange
        self._buffer = b""
        self._interim = 0
        if len(body) < _JOIN_BELOW:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    def _head(self, exchange: Exchange, data: bytes) -> None:
        exchange.touched = True
        searched = max(len(self._buffer) - 3, 0)
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = find_head_end(data, searched)
            if end < 0:
                self._buffer = data
                return
            head = parse_head(data[: end - 4])
            data = data[end:]
            if head.status >= 200:
                break
            self._interim += 1
            if head.status == 101 or self._interim > _INTERIM_LIMIT:
                raise ProtocolError("an unexpected interim response")
            searched = 0
        self._walker = ChunkWalker() if head.chunked else None
        self._left = head.content_length
        exchange.begun(head)
        if data or self._left == 0:
            self._body(exchange, data)

    def _body(self, exchange: Exchange, data: bytes) -> None:
        walker, left = self._walker, self._left
        if walker is not None:
            spans = walker.feed(data)
            if spans:
                exchange.deliver(data, spans, walker.border)
            if walker.done:
                self._over(exchange, clean=not walker.excess)
        elif left is None:
            exchange.deliver(data, ((0, len(data)),), 0)
        else:
            length = len(data)
            if length < left:
                self._left = left - length
                exchange.deliver(data, ((0, length),), 0)
                return
            self._left = 0
            if left:
                exchange.deliver(data, ((0, left),), 0)
            self._over(exchange, clean=length == left)

    def _over(self, exchange: Exchange, *, clean: bool) -> None:
        # The sink may have aborted the exchange while it took the last packet.
        if self._exchange is not exchange:
            return
        self._exchange = None
        head, transport = exchange.head, self._transport
        reusable = (
            clean
            and head is not None
            and head.keep_alive
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )
        if reusable and exchange.paused and transport is not None:
            transport.resume_reading()
        # First the pool: a handler that the exchange's end wakes may want this very connection.
        if reusable:
            self._owner.over(self, reusable=True)
        else:
            self.close()
            self._owner.over(self, reusable=False)
        exchange.ended()

    def tick(self, now: float) -> None:
        """Looks at the running exchange's deadlines."""
        if self._exchange is not None:
            self._exchange.tick(now)

    # --- Carrier ---

    def fail(self, error: UpstreamError) -> None:
        """Ends the connection and tells the exchange why."""
        exchange, self._exchange = self._exchange, None
        self.abort()
        if exchange is not None:
            self._owner.over(self, reusable=False)
            exchange.failed(error)

    def abort(self) -> None:
        """Ends the connection at once; the exchange, if any, hears nothing more."""
        self.closed = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._owner.over(self, reusable=False)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0
