"""The server on raw sockets: what is no request, slow senders, pipelines, unread bodies, and paths as they are sent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from gateway_proxy.drain import Drain
from gateway_proxy.inference import errors
from gateway_proxy.inference.client import ClientRequest
from gateway_proxy.inference.intake import Intake
from gateway_proxy.server import GatewayServer, Timeouts
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
            {"/echo": self.echo, "/unread": self.unread, "/wait": self.wait, "/fail": self.fail},
            drain=self.drain,
            ticker=self.ticker,
            timeouts=timeouts,
            refused=lambda error: self.refused.append(error.reason),
        )
        self.port = 0

    async def echo(self, request: ClientRequest) -> None:
        body = await self.intake.read(request, max_bytes=MAX_BODY, max_held=2 * MAX_BODY)
        request.reply(200, request.query.encode() + b"|" + body, {"content-type": "text/plain"})

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


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"nonsense nonsense nonsense\r\n\r\n",
        b"GET /echo HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /echo HTTP/1.1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 0x10\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length : 3\r\n\r\nabc",
        b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a: b\nx-c: d\r\n\r\n",
        b"GET /echo HTTP/1.1\nhost: x\n\n",
        b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a: b\x00c\r\n\r\n",
        b"GET /ec\x00ho HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / echo HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_what_is_no_request_gets_a_400_in_the_envelope(request_bytes: bytes) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(request_bytes)
        answer = await caller.answer()
        assert_envelope(answer, 400, "invalid_request_error")
        assert answer[1]["connection"] == "close"
        assert await caller.ended()
        assert len(served.refused) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET /echo HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 40_000,
        b"GET /echo HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: a\r\n" % number for number in range(2000)),
        b"GET /echo?" + b"a" * 40_000 + b" HTTP/1.1\r\n",
        b"GET /echo HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 5000) for n in range(100)),
    ],
)
async def test_a_flood_of_headers_is_answered_and_ended(head: bytes) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(head)
        assert_envelope(await caller.answer(), 431, "invalid_request_error")
        assert await caller.ended()


@pytest.mark.parametrize("part", [b"G", b"GET /echo HTTP/1.1\r\n", b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a"])
async def test_a_head_that_does_not_end_in_time(part: bytes) -> None:
    async with serving(Timeouts(head=0.1)) as served, client(served) as caller:
        caller.send(part)
        assert_envelope(await caller.answer(), 408, "invalid_request_error")
        assert await caller.ended()


@pytest.mark.parametrize(
    "part",
    [
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_a_body_that_falls_silent(part: bytes) -> None:
    async with serving(Timeouts(silence=0.1)) as served, client(served) as caller:
        caller.send(part)
        assert_envelope(await caller.answer(), 408, "invalid_request_error")
        assert await caller.ended()
        assert served.intake.held == 0


async def test_a_slow_body_arrives_while_bytes_come() -> None:
    async with serving(Timeouts(silence=0.3)) as served, client(served) as caller:
        caller.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.06)
            caller.send(b"x")
        assert (await caller.answer())[2] == b"|xxxxxxxx"


async def test_an_idle_connection_is_closed() -> None:
    async with serving(Timeouts(idle=0.1)) as served, client(served) as caller:
        assert await caller.ended()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"".join(post(f"/echo?{number}", b"b%d" % number) for number in range(100)))
        for number in range(100):
            assert (await caller.answer())[2] == b"%d|b%d" % (number, number)


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_a_request_cut_anywhere_is_read(step: int) -> None:
    request = post("/echo?q", b"hello") + (
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
        b"2;ext=1\r\nde\r\n0\r\nt: x\r\n\r\n"
    )
    async with serving() as served, client(served) as caller:
        for start in range(0, len(request), step):
            caller.send(request[start : start + step])
            await asyncio.sleep(0)
        assert (await caller.answer())[2] == b"q|hello"
        assert (await caller.answer())[2] == b"|abcde"


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n"])
@pytest.mark.parametrize("apart", [False, True])
async def test_broken_chunks_are_a_400(chunk: bytes, apart: bool) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        if apart:
            await asyncio.sleep(0.05)
        caller.send(chunk)
        assert_envelope(await caller.answer(), 400, "invalid_request_error")
        assert await caller.ended()
        assert served.intake.held == 0


async def test_an_unread_body_is_dropped_and_the_connection_lives() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/unread", bytes(3_000_000)) + post("/echo", b"next"))
        assert_envelope(await caller.answer(), 401, "authentication_error")
        assert (await caller.answer())[2] == b"|next"


async def test_a_body_over_the_limit_is_refused_at_its_head() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n")
        assert_envelope(await caller.answer(), 413, "request_too_large")
        caller.send(bytes(10_000_000) + post("/echo", b"next"))
        assert (await caller.answer())[2] == b"|next"


async def test_a_chunked_body_over_the_limit_is_refused_as_soon_as_it_passes_it() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            caller.send(b"c350\r\n" + bytes(50_000) + b"\r\n")
        assert_envelope(await caller.answer(), 413, "request_too_large")
        assert served.intake.held == 0


async def test_all_bodies_together_are_bounded() -> None:
    async with serving() as served, client(served) as one, client(served) as two, client(served) as three:
        for caller in (one, two):
            caller.send(post("/echo", bytes(MAX_BODY))[:-1])
        async with asyncio.timeout(5):
            while served.intake.held < 2 * MAX_BODY:
                await asyncio.sleep(0.01)
        three.send(post("/echo", bytes(MAX_BODY))[:-1])
        answer = await three.answer()
        assert_envelope(answer, 429, "rate_limit_error")
        assert answer[1]["retry-after"] == "1"
        one.send(b"\0")
        assert len((await one.answer())[2]) == MAX_BODY + 1


async def test_a_content_encoding_is_refused() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/echo", b"xxx", lines="content-encoding: gzip\r\n") + post("/echo", b"next"))
        assert_envelope(await caller.answer(), 415, "invalid_request_error")
        assert (await caller.answer())[2] == b"|next"


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.send(b"abc")
        assert (await caller.answer())[2] == b"|abc"


@pytest.mark.parametrize(("path", "status"), [("/echo", 413), ("/unread", 401)])
async def test_a_client_that_asks_first_is_refused_without_its_body(path: str, status: int) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\nexpect: 100-continue\r\n\r\n".encode()
        )
        got, headers, _ = await caller.answer()
        assert (got, headers["connection"]) == (status, "close")
        assert await caller.ended()


async def test_http_1_0_and_connection_close() -> None:
    async with serving() as served:
        async with client(served) as caller:
            caller.send(post("/echo", b"a", version="1.0"))
            status, headers, body = await caller.answer()
            assert (status, headers["connection"], body) == (200, "close", b"|a")
            assert await caller.ended()
        async with client(served) as caller:
            caller.send(post("/echo", b"a", version="1.0", lines="connection: keep-alive\r\n"))
            assert (await caller.answer())[1]["connection"] == "keep-alive"
            caller.send(post("/echo", b"b", lines="connection: close\r\n"))
            assert (await caller.answer())[1]["connection"] == "close"
            assert await caller.ended()


@pytest.mark.parametrize(
    "path",
    [
        "//echo", "/./echo", "/x/../echo", "/echo/", "/echo/..", "/ech%6f", "/%2fecho", "/echo%2f", "/ECHO", "/echo;a",
        "/echo#x", "/echo%00", "http://host", "http://host?/echo", "ftp://host/echo", "*", "/\\echo",
    ],
)  # fmt: skip
async def test_only_the_path_as_it_is_served_is_served(path: str) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post(path, b"a"))
        status, _, body = await caller.answer()
        assert status in (400, 404)
        assert json.loads(body)["type"] == "error"


async def test_an_absolute_target_names_the_same_path() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("http://other.example/echo?a=b%20c", b"x"))
        assert (await caller.answer())[2] == b"a=b%20c|x"


async def test_head_gets_no_body() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"HEAD /none HTTP/1.1\r\nhost: x\r\n\r\n" + post("/echo", b"next"))
        head = await caller.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert (await caller.answer())[2] == b"|next"


@pytest.mark.parametrize(
    "lines", ["upgrade: websocket\r\nconnection: upgrade\r\n", "upgrade: h2c\r\nconnection: upgrade\r\n"]
)
async def test_an_upgrade_is_not_taken(lines: str) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/echo", b"a", lines=lines))
        assert (await caller.answer())[2] == b"|a"
        assert await caller.ended()


async def test_connect_is_not_served() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await caller.answer())[0] == 404


async def test_a_fault_of_our_own_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/fail", b"") + post("/echo", b"next"))
        answer = await caller.answer()
        assert_envelope(answer, 500, "api_error")
        assert b"secret" not in answer[2]
        assert (await caller.answer())[2] == b"|next"
        assert answer[1]["x-request-id"] in [getattr(record, "request_id", "") for record in caplog.records]


async def test_a_client_that_leaves_cancels_its_request_at_once() -> None:
    async with serving() as served:
        async with client(served) as caller:
            caller.send(post("/wait", b""))
            await asyncio.wait_for(served.waiting.wait(), 5)
        await asyncio.wait_for(served.cancelled.wait(), 0.1)


@pytest.mark.parametrize(("wanted", "kept"), [("req_A-1.b", True), ("a" * 129, False), ('a"b', False), ("a b", False)])
async def test_a_clients_request_id_is_kept_when_it_is_plain(wanted: str, kept: bool) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/echo", lines=f"x-client-request-id: {wanted}\r\n"))
        got = (await caller.answer())[1]["x-request-id"]
        assert (got == wanted) is kept
        assert got


async def test_draining_tells_clients_not_to_come_back() -> None:
    async with serving() as served, client(served) as idle, client(served) as caller:
        caller.send(post("/echo", b"a"))
        await caller.answer()
        served.drain.begin(seconds=5)
        caller.send(post("/echo", b"a"))
        assert (await caller.answer())[1]["connection"] == "close"
        assert await caller.ended()
        served.server.pre_shutdown()
        assert await idle.ended()
