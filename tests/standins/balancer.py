"""A TCP balancer that follows /readyz late, as endpoints and load balancers do."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from tests.standins.raw_client import fetch

POLL_SECONDS: Final = 0.1


class Balancer:
    """Gives each new connection to the next backend in rotation. One that is not ready leaves the rotation `lag`
    seconds later, one that is ready enters it at once; connections stay where they are."""

    def __init__(self, ports: Sequence[int], *, lag: float) -> None:
        self._unready_since: dict[int, float | None] = dict.fromkeys(ports, 0.0)
        self._lag = lag
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._serve, self._follow)]
        self.port = 0
        self.unanswered = 0
        """Connections that no backend took."""

    @property
    def rotation(self) -> list[int]:
        now = time.monotonic()
        return [port for port, since in self._unready_since.items() if since is None or now - since < self._lag]

    def __enter__(self) -> "Balancer":
        for thread in self._threads:
            thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(20)

    def _follow(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            for port, since in self._unready_since.items():
                if _ready(port):
                    self._unready_since[port] = None
                elif since is None:
                    self._unready_since[port] = time.monotonic()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accepted, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0.05))  # transports say their goodbye in later turns
        self._loop.close()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rotation = self.rotation
        try:
            port = rotation[next(self._turn) % len(rotation)]
            upper_reader, upper_writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, ZeroDivisionError):
            self.unanswered += 1
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pass(reader, upper_writer), _pass(upper_reader, writer))
        except asyncio.CancelledError:  # the balancer ends
            for one in (writer, upper_writer):
                one.transport.abort()
        for one in (writer, upper_writer):
            one.close()


def _ready(port: int) -> bool:
    try:
        return fetch(port, "GET", "/readyz").status == 200
    except OSError:
        return False


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes and their end in one direction; a reset is passed on as one."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
    except OSError:
        writer.transport.abort()
