"""A TCP proxy in front of the API server that takes it away: connections cut, refused, or left in silence.

It passes bytes, so TLS and certificates stay those of the server behind it. It runs in a thread of its own; its methods
may be called from any test, blocking or not.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit


@contextmanager
def cut_proxy(target: str) -> Iterator[CutProxy]:
    """A proxy to the server at the URL `target`, for the length of the block."""
    proxy = CutProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()


class CutProxy:
    """`url` stays the same for its whole life, also while nobody listens there."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self._reservation = socket.socket()  # keeps the port ours while it refuses connections
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self.port = int(self._reservation.getsockname()[1])
        self.url = f"{address.scheme}://127.0.0.1:{self.port}"
        self.accepted = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._cut_after: int | None = None
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.accept()

    def cut(self) -> None:
        """Resets every open connection; new ones are let in."""
        self._call(self._cut())

    def refuse(self) -> None:
        """The server is away: open connections are reset, new ones refused, until `accept`."""
        self._call(self._refuse())

    def accept(self) -> None:
        """The server is back."""
        self._call(self._accept())

    def hold(self) -> None:
        """Connections are accepted and stay open, and no byte passes any more, until `resume`."""
        self._call(self._set_flowing(flowing=False))

    def resume(self) -> None:
        self._call(self._set_flowing(flowing=True))

    def cut_after(self, size: int) -> None:
        """Every connection is reset once so many bytes of the server's have passed; for each the count begins anew."""
        self._cut_after = size

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reservation.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_port=True)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(0.01)

    async def _set_flowing(self, *, flowing: bool) -> None:
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()

    async def _end(self) -> None:
        self._flowing.set()
        await self._refuse()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        far_writer: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*self._target)
                directions = {
                    asyncio.ensure_future(self._pass(reader, far_writer, limit=None)),
                    asyncio.ensure_future(self._pass(far_reader, writer, limit=self._cut_after)),
                }
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        finally:
            for each in (writer, far_writer):
                if each is not None:
                    each.transport.abort()
            self._open.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int | None) -> None:
        passed = 0
        while data := await reader.read(65536):
            await self._flowing.wait()
            if limit is not None and passed + len(data) > limit:
                writer.write(data[: limit - passed])
                await writer.drain()
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()
