"""A server with paths of its own and raw clients, for the tests of what stands before any handler."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.drain import Drain
from gateway_proxy.inference.intake import Intake
from gateway_proxy.server import GatewayServer
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.upstream.ticker import Ticker

MAX_BODY = 100_000


class Served:
    """A server with a path that echoes bodies, one that reads none, one that waits and one that fails."""

    def __init__(self, timeouts: Timeouts | None) -> None:
        self.intake = Intake()
        self.drain = Drain()
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.refused: list[str] = []
        self.ticker = Ticker(asyncio.get_running_loop(), interval=0.02)
        self.server = GatewayServer(
            {
                "/echo": self.echo,
                "/large": self.large,
                "/unread": self.unread,
                "/wait": self.wait,
                "/pause": self.pause,
                "/fail": self.fail,
            },
            drain=self.drain,
            ticker=self.ticker,
            timeouts=timeouts,
            refused=lambda error: self.refused.append(error.reason),
        )
        self.port = 0

    async def echo(self, request: ClientRequest) -> None:
        body = self.intake.at_once(request, max_bytes=MAX_BODY)
        if body is None:
            body = await self.intake.read(request, max_bytes=MAX_BODY, max_held=2 * MAX_BODY)
        request.reply(200, request.query.encode() + b"|" + bytes(body), {"content-type": "text/plain"})

    async def large(self, request: ClientRequest) -> None:
        body = await self.intake.read(request, max_bytes=1 << 24, max_held=1 << 24)
        request.reply(200, b"%d" % len(body), {"content-type": "text/plain"})

    async def pause(self, request: ClientRequest) -> None:
        await asyncio.sleep(0.2)
        request.reply(204)

    async def unread(self, request: ClientRequest) -> None:
        raise errors.missing_credential()

    async def wait(self, request: ClientRequest) -> None:
        self.waiting.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def fail(self, request: ClientRequest) -> None:
        raise ZeroDivisionError("a secret of ours")


@contextlib.asynccontextmanager
async def serving(timeouts: Timeouts | None = None) -> AsyncIterator[Served]:
    served = Served(timeouts)
    acceptor = await asyncio.get_running_loop().create_server(served.server, "127.0.0.1", 0)
    served.port = acceptor.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        acceptor.close()
        await served.server.stop()
        served.ticker.close()
        await asyncio.sleep(0)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer. Its body is bounded by content-length."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head[:-4].split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return int(status.split(" ")[1]), headers, body

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            return await self.reader.read(1) == b""


@contextlib.asynccontextmanager
async def client(served: Served) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


def post(path: str, body: bytes = b"", *, version: str = "1.1", lines: str = "") -> bytes:
    return f"POST {path} HTTP/{version}\r\nhost: x\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


def assert_envelope(answer: tuple[int, dict[str, str], bytes], status: int, kind: str) -> None:
    got, headers, body = answer
    envelope = json.loads(body)
    assert (got, envelope["type"], envelope["error"]["type"]) == (status, "error", kind)
    assert envelope["request_id"] == headers["x-request-id"]
    assert headers["content-type"] == "application/json"
    assert "server" not in headers
    assert b"Traceback" not in body
