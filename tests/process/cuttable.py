"""A TCP relay before the API server that can be cut: for clients, the server is away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster.api_server import ApiServer


class CuttableServer:
    """`kubeconfig` leads through the relay. `cut` ends open connections and refuses new ones until `mend`."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._target = urlsplit(server.url)
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._cut = False
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.kubeconfig = folder / "kubeconfig-of-the-relay"
        text = server.kubeconfig.read_text().replace(server.url, f"https://127.0.0.1:{port}")
        self.kubeconfig.write_text(text)
        self.kubeconfig.chmod(0o600)

    async def _listen(self) -> int:
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, there_writer}
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        self._open -= {writer, there_writer}

    def cut(self) -> None:
        self._call(True)

    def mend(self) -> None:
        self._call(False)

    def _call(self, cut: bool) -> None:
        async def apply() -> None:
            self._cut = cut
            if cut:
                for writer in self._open:
                    writer.transport.abort()

        asyncio.run_coroutine_threadsafe(apply(), self._loop).result(10)

    def close(self) -> None:
        async def end() -> None:
            if self._listener:
                self._listener.close()
            self._cut = True
            for writer in self._open:
                writer.transport.abort()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(tasks, timeout=5) if tasks else None

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def cuttable(server: ApiServer, folder: Path) -> Iterator[CuttableServer]:
    relay = CuttableServer(server, folder)
    try:
        yield relay
    finally:
        relay.close()
