"""What all stand-ins of providers share: a server that checks what it receives and answers as badly as a test asks for.

It runs on an event loop in a thread of its own, so that blocking and asynchronous tests use it alike. An answer is a
script: bytes to send, gates to wait at until the test opens them, and ways to end the connection. A provider's stand-in
says what is wrong with a request, which requests are inference, and what is usually answered.
"""

import asyncio
import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from enum import Enum
from types import TracebackType
from typing import Self

from tests.standins import framing
from tests.standins.requests_seen import Received

DEADLINE = 15.0
"""How long a test waits for something that must happen; generous, because the machine may be busy."""


class Gate:
    """A place in a script where the upstream waits for the test."""

    def __init__(self) -> None:
        self._opened: Future[None] = Future()
        self.reached = threading.Event()

    def open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def wait_until_reached(self) -> None:
        assert self.reached.wait(DEADLINE), "the upstream never came to the gate"

    async def passed(self) -> None:
        self.reached.set()
        await asyncio.shield(asyncio.wrap_future(self._opened))


class End(Enum):
    """How a script ends the connection. A script without one keeps it open for the next request."""

    CLOSE = "end of stream"
    RESET = "reset"


Step = bytes | Gate | End
Script = Iterable[Step]


def stream(events: Iterable[bytes], *, headers: framing.Headers = ()) -> list[Step]:
    """A whole stream, each event a chunk of its own."""
    return [framing.stream_head(headers), *(framing.chunk(event) for event in events), framing.LAST_CHUNK]


class StandInUpstream(ABC):
    """The server. `respond` makes the script of each request; `script()` queues one for the next inference request."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self.host = host
        self.requests: list[Received] = []
        self.respond: Callable[[Received], Script] = self.usual
        """Put another in its place to answer in another way; a new test begins with the usual one."""
        self.refuse_reused = False
        """Close a connection, without an answer, when a second request comes on it."""
        self.answers_early = False
        """Answer at a request's head, as a server does that will not have the body; then read and drop the body."""
        self.connections = 0
        self.bytes_sent = 0
        self.blocked = threading.Event()
        """Set while a client does not read what is sent to it."""
        self._queued: deque[Script] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._open: set[_Connection] = set()
        self._socket = socket.create_server((host, 0), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    @abstractmethod
    def problems_of(self, request: Received, *, version: str) -> list[str]:
        """What the provider, being careful, holds against a request. `version`: as in the request line.
        `common_problems` finds what no provider takes."""

    @abstractmethod
    def usual(self, request: Received) -> Script:
        """What the real provider would answer, in short."""

    @abstractmethod
    def is_inference(self, request: Received) -> bool:
        """Whether it asks for an answer of a model: queued scripts are for these alone."""

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """What a gateway has as the base URL."""
        return f"{'https' if self._tls else 'http'}://{self.authority}"

    @property
    def problems(self) -> list[str]:
        return [f"{one.method} {one.target}: {problem}" for one in list(self.requests) for problem in one.problems]

    @property
    def last(self) -> Received:
        return self.requests[-1]

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def begin_test(self) -> None:
        """Forgets requests and scripts of the test before. A stand-in with more to forget extends it."""
        self.requests.clear()
        self._queued.clear()
        self.respond, self.refuse_reused, self.answers_early = self.usual, False, False
        self.bytes_sent = 0

    def script(self, *steps: Step) -> None:
        self._queued.append(steps)

    def wait_for(self, condition: Callable[[], bool], *, what: str, deadline: float = DEADLINE) -> None:
        """Blocks until `condition` holds; looked at whenever a request comes, ends or is left by its client."""
        with self._changed:
            assert self._changed.wait_for(condition, deadline), f"the upstream never saw {what}; got {self.requests}"

    def close_idle(self) -> None:
        """Ends every connection, as a server does whose keep-alive time is over."""

        def close_all() -> None:
            for connection in list(self._open):
                connection.transport.close()

        self._loop.call_soon_threadsafe(close_all)
        self.wait_for(lambda: not self._open, what="its connections closed")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(
            loop.create_server(lambda: _Connection(self), sock=self._socket, ssl=self._tls)
        )
        loop.run_forever()
        server.close()
        for connection in list(self._open):
            connection.transport.abort()
        loop.run_until_complete(_finish_tasks())
        loop.close()

    def _script_for(self, request: Received) -> Script:
        if self._queued and self.is_inference(request):
            return self._queued.popleft()
        return self.respond(request)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


async def _finish_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One client connection: requests are read by hand, so that nothing is accepted that was not looked at."""

    transport: asyncio.Transport

    def __init__(self, upstream: StandInUpstream) -> None:
        self._upstream = upstream
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._served = 0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upstream.connections += 1
        self._serial = self._upstream.connections
        self._upstream._open.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._arrived.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone.set()
        self._arrived.set()
        self._writable.set()
        self._upstream._open.discard(self)
        self._upstream._notify()

    def pause_writing(self) -> None:
        self._writable.clear()
        self._upstream.blocked.set()

    def resume_writing(self) -> None:
        self._writable.set()
        self._upstream.blocked.clear()

    async def _serve(self) -> None:
        while not self.transport.is_closing():
            request = await self._next_request()
            if request is None:
                return
            self._served += 1
            if self._upstream.refuse_reused and self._served > 1:
                self.transport.close()
                return
            if request.answered:
                continue
            self._upstream.requests.append(request)
            self._upstream._notify()
            try:
                await self._answer(request)
            except Exception as error:  # noqa: BLE001 - a fault in a test's script must fail that test, not hang it
                request.problems.append(f"the script failed: {error!r}")
                self.transport.abort()
            self._upstream._notify()

    async def _more(self) -> bool:
        self._arrived.clear()
        if not self._gone.is_set():
            await self._arrived.wait()
        return not self._gone.is_set()

    async def _next_request(self) -> Received | None:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if not await self._more():
                return None
        lines = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        del self._received[: end + 4]
        method, target, version = [*lines[0].split(" "), "", ""][:3]
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        request = Received(method, target, headers, connection=self._serial, arrived_at=time.monotonic())
        length = int(request.header("content-length") or 0)
        early = self._upstream.answers_early
        if early:
            self._upstream.requests.append(request)
            await self._answer(request)
        while len(self._received) < length:
            if not await self._more():
                if early:
                    return None
                request.hung_up_at = time.monotonic()
                request.problems.append(f"body cut at {len(self._received)} of {length} bytes")
                self._upstream.requests.append(request)
                return None
        request.body = bytes(self._received[:length])
        del self._received[:length]
        request.problems = self._upstream.problems_of(request, version=version)
        return request

    async def _answer(self, request: Received) -> None:
        for step in self._upstream._script_for(request):
            if isinstance(step, End):
                self._end(step)
                return
            if isinstance(step, Gate):
                await self._unless_gone(step.passed())
            else:
                self.transport.write(step)
                self._upstream.bytes_sent += len(step)
                await asyncio.sleep(0)
                await self._writable.wait()
            if self._gone.is_set():
                request.hung_up_at = time.monotonic()
                return
        request.answered = True

    async def _unless_gone(self, waiting: Awaitable[None]) -> None:
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._gone.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    def _end(self, end: End) -> None:
        if end is End.RESET:
            # A linger time of zero makes close() send a reset instead of the rest and a FIN.
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        else:
            self.transport.close()
