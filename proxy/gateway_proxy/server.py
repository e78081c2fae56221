"""The HTTP server: aiohttp's connection handling and parser, our own dispatch and response heads.

One task per connection serves its requests one after the other. A request's handler writes its answer through the
ClientRequest; what it raises as GatewayError becomes the answer. The handler is cancelled when the client goes.
"""

import asyncio
import fcntl
import logging
import sys
import termios
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, cast

from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from gateway_proxy import errors, request_heads
from gateway_proxy.client_request import ClientRequest, request_id_of
from gateway_proxy.errors import GatewayError
from gateway_proxy.request_heads import HEAD_LIMIT, HEADERS_LIMIT, LINE_LIMIT
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.upstream.ticker import Ticker

log = logging.getLogger(__name__)

Handler = Callable[[ClientRequest], Awaitable[None]]
Routes = Mapping[str, Handler]
"""By path. Paths are matched as they are sent, byte for byte: nothing is decoded or tidied."""

_READ_BUFFER: Final = 512 * 1024
"""Bytes of a body that are held before its handler reads them."""
_LINGER_BYTES: Final = 64 * 1024 * 1024
_LINGER_SECONDS: Final = 10.0
"""How much, and for how long, of an unread body is dropped so that its client gets to read the answer."""
_FAREWELL_SECONDS: Final = 2.0
"""Between our end of a connection and its last: time for the client to read an answer, or to see that it is over."""


class Draining(Protocol):
    @property
    def draining(self) -> bool: ...


class GatewayServer(web.Server):
    """Makes a connection for every client. `routes` is all there is; everything else is 404."""

    def __init__(
        self,
        routes: Routes,
        *,
        drain: Draining,
        ticker: Ticker,
        timeouts: Timeouts | None = None,
        refused: Callable[[GatewayError], None] = lambda error: None,
        admit: Callable[[ClientRequest], None] = lambda request: None,
    ) -> None:
        """`refused` is told of each answer to something that was no request, or to no path. `admit` sees each request
        first; it may raise GatewayError."""
        super().__init__(_unused, handler_cancellation=True, access_log=None)
        self.routes = routes
        self.drain = drain
        self.ticker = ticker
        self.timeouts = timeouts or Timeouts()
        self.refused = refused
        self.admit = admit
        self.idle_seconds = self.timeouts.idle
        """How long a connection may lie without a request."""

    def __call__(self) -> "ClientConnection":
        return ClientConnection(self, self._loop)

    def retire(self, *, idle_seconds: float) -> None:
        """From now on connections end that have had no request for so long; a request that comes before is served, and
        its answer says that it is the last. So a client whose stream began before the drain may still ask once more."""
        self.idle_seconds = idle_seconds
        now = self._loop.time()
        for connection in cast("list[ClientConnection]", self.connections):
            connection.end_idle(now)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        await self.stop()

    async def stop(self) -> None:
        """Ends every connection at once. Draining comes before."""
        connections = cast("list[ClientConnection]", self.connections)
        tasks = [task for connection in connections if (task := connection.cut()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=5.0)


async def _unused(request: web.BaseRequest) -> web.StreamResponse:
    raise NotImplementedError("connections dispatch by themselves")


class ClientConnection(RequestHandler):
    """aiohttp's connection with a request loop of our own: no request object, no task and no router per request."""

    __slots__ = (
        "_farewell",
        "_head_bytes",
        "_server",
        "_since",
        "_unparsed_bytes",
        "flow",
        "peer",
        "reading",
        "ticking",
    )

    def __init__(self, server: GatewayServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # None is aiohttp's way to turn it off
            keepalive_timeout=0,
            auto_decompress=False,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
            max_headers=HEADERS_LIMIT,
            read_bufsize=_READ_BUFFER,
            logger=log,
        )
        self._server = server
        self._head_bytes = 0
        """Of a head that has begun to come."""
        self._unparsed_bytes = 0
        """Since and with the packet in which the last head ended: no head behind it is longer."""
        self._since = loop.time()
        self._farewell: asyncio.Future[None] | None = None
        self.peer = ""
        """The address at the other end, as the socket says it."""
        self.flow: Flow | None = None
        """Who is to stop while the client takes no more bytes."""
        self.reading: BodyReading | None = None
        """The body that is being waited for."""
        self.ticking: Callable[[float], None] | None = None
        """Called with each tick while an answer streams."""

    @property
    def broken(self) -> bool:
        """Whether bytes came that are neither part of a body nor a request; nothing behind them can be read."""
        return bool(self._messages) and isinstance(self._messages[-1][0], _ErrInfo)

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """Serves this connection's requests, whichever is its turn."""
        return self._task_handler

    # --- transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        if isinstance(address, tuple):
            self.peer = address[0]
        self._server.ticker.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.ticker.discard(self)
        if self._farewell is not None and not self._farewell.done():
            self._farewell.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        waiting = self._waiter is not None
        if waiting:
            if not self._head_bytes:
                self._since = self._loop.time()
            self._head_bytes += len(data)
        self._unparsed_bytes += len(data)
        parsed = self._request_count
        super().data_received(data)
        if self._request_count != parsed:
            if self._unparsed_bytes > HEAD_LIMIT:
                request_heads.refuse_large(self._messages)
            if data:
                self._unparsed_bytes = len(data)
        elif waiting and self._head_bytes > HEAD_LIMIT and not self._messages:
            self._refuse_head(errors.headers_too_large())
        if self.reading is not None:
            self.reading.arrived()
            if self.broken:
                self.reading.fail(RequestPayloadError("the body's framing is broken"))

    def resume_reading(self, resume_parser: bool = True) -> None:
        # The body's reader calls this at every turn; without a pause before it, there is nothing to resume.
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.flow is not None:
            self.flow.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.flow is not None:
            self.flow.resume()

    def tick(self, now: float) -> None:
        """Looks at this connection's deadlines."""
        if self.ticking is not None:
            self.ticking(now)
        elif self._waiter is not None and not self._waiter.done():
            if not self._head_bytes:
                self.end_idle(now)
            elif now - self._since >= self._server.timeouts.head:
                self._refuse_head(errors.request_timeout())
        elif self.reading is not None:
            self.reading.tick(now, self._server.timeouts)

    def end_idle(self, now: float) -> None:
        """Ends the connection where nothing was asked for too long, and nothing is on its way."""
        transport, waiter = self.transport, self._waiter
        if transport is None or waiter is None or waiter.done() or self._head_bytes:
            return
        if now - self._since < self._server.idle_seconds or _unread_bytes(transport):
            return
        if transport.get_write_buffer_size():
            # Closing would wait for a client that takes nothing.
            transport.abort()
            return
        self._close = True
        waiter.set_result(None)

    def cut(self) -> "asyncio.Task[None] | None":
        """Ends the connection and whatever runs on it; returns the task that is then ending."""
        task = self._task_handler
        self.force_close()
        if task is not None:
            task.cancel()
        return task

    # --- requests ---

    async def start(self) -> None:
        loop = self._loop
        manager = self._server
        while not self._force_close and not self._close:
            if not self._messages:
                # The first bytes may have come before this task's first turn.
                self._head_bytes = 0 if self._request_count else self._unparsed_bytes
                self._since = loop.time()
                self._waiter = loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            if not self._messages:
                await self._part()
                break
            message, payload = self._messages.popleft()
            parser = self._parser
            if parser is not None:
                parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            manager.requests_count += 1
            if isinstance(message, _ErrInfo):
                await self._refuse_message(message)
                break
            request = ClientRequest(self, message, payload, closing=manager.drain.draining)
            await self._serve(request)
            if not payload.is_eof() and not await self._linger(payload, request):
                self._close = True
                await self._part()
                break
            if request.closes or not manager.idle_seconds:
                break
            if self.writing_paused and not await self._taken():
                break
        if self.writing_paused:
            await self._taken()  # TLS has a time limit on its end
        self._task_handler = None
        if self.transport is not None:
            self.transport.close()

    async def _serve(self, request: ClientRequest) -> None:
        try:
            self._server.admit(request)
            handler = self._server.routes.get(request.path)
            if handler is None:
                error = errors.not_found()
                self._server.refused(error)
                raise error
            await handler(request)
        except GatewayError as error:
            if request.started:
                request.abort()
            else:
                request.refuse(error)
        except ConnectionError:
            request.abort()
        except Exception:
            log.exception("a request failed", extra={"event": "request.failed", "request_id": request.request_id})
            if request.started:
                request.abort()
            else:
                request.refuse(errors.internal_error())
        finally:
            self.flow = None
            self.ticking = None
            self.reading = None

    async def _taken(self) -> bool:
        """Waits for a client that sends requests and takes no answers; whether it took them in time."""
        try:
            async with asyncio.timeout(self._server.timeouts.stall):
                await self._drain_helper()
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()
            return False
        except ConnectionError:
            return False
        return True

    async def _linger(self, payload: StreamReader, request: ClientRequest) -> bool:
        """Drops the rest of a body that nobody reads; whether its end was reached within the bounds."""
        if self.broken or (request.closes and request.headers.get("Expect")):
            return False
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not payload.is_eof() and left > 0:
                    left -= len(await payload.readany())
        except (TimeoutError, RequestPayloadError, GatewayError):
            return False
        return payload.is_eof()

    def _refuse_head(self, error: GatewayError) -> None:
        """Ends a head that is not over: the loop answers it and ends the connection."""
        self._head_bytes = 0
        if self._waiter is not None and not self._waiter.done():
            self._close = True
            self._messages.append(request_heads.refused(error))
            self._waiter.set_result(None)

    async def _refuse_message(self, info: _ErrInfo) -> None:
        error = request_heads.error_of(info)
        self._close = True
        self._server.refused(error)
        if self.transport is not None:
            self.transport.write(ClientRequest.refusal(error, request_id_of(None)))
        await self._part()

    async def _part(self) -> None:
        """Closes our side and waits a little for the client's: a reset would take an answer from it, or tell it of a
        request that crossed our end that something broke."""
        transport = self.transport
        if transport is None or not transport.can_write_eof():
            return  # TLS says its own goodbye, and waits for the client's
        transport.write_eof()
        self._farewell = self._loop.create_future()
        handle = self._loop.call_later(_FAREWELL_SECONDS, _finish, self._farewell)
        try:
            await self._farewell
        finally:
            handle.cancel()


class Flow(Protocol):
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class BodyReading(Protocol):
    def arrived(self) -> None: ...
    def fail(self, error: Exception) -> None: ...
    def tick(self, now: float, timeouts: Timeouts) -> None: ...


def _unread_bytes(transport: asyncio.Transport) -> int:
    """What the client has sent and nobody has seen yet."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return 0
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
