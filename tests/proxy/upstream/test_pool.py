"""The connection pool against real sockets: keep-alive, stale connections, deadlines, cancellation."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.proxy.waiting import until

from gateway_config.contract import Egress, Timeouts
from gateway_proxy.upstream.errors import (
    BrokenConnectionError,
    ConnectError,
    ConnectTimeoutError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    ProtocolError,
)
from gateway_proxy.upstream.pool import KeepAlive, Pool, Pools
from gateway_proxy.upstream.ticker import Ticker

HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
PATIENT = Timeouts(connect_seconds=5, first_byte_seconds=10, idle_seconds=10)
HASTY = Timeouts(connect_seconds=0.2, first_byte_seconds=0.2, idle_seconds=0.2)

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Connection) -> AsyncIterator[int]:
    """The port of a server whose connections are served by `serve` whole."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    tasks: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*filter(None, tasks), return_exceptions=True), 5)
        await asyncio.sleep(0)


class Server:
    """Reads requests and has `answer` answer them; `answer` gets the number of the connection's request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.connections = 0
        self.requests = 0
        self.gone = asyncio.Event()
        self.port = 0
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[writer] = asyncio.current_task()
        number = 0
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.requests += 1
                number += 1
                await self._answer(reader, writer, number)
                await writer.drain()
        self.gone.set()
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await asyncio.wait_for(asyncio.gather(*filter(None, self._open.values()), return_exceptions=True), 5)


@contextlib.asynccontextmanager
async def pool_to(port: int, **keep_alive: float) -> AsyncIterator[Pool]:
    ticker = Ticker(asyncio.get_running_loop(), interval=0.02)
    pools = Pools(keep_alive=KeepAlive(**keep_alive), ticker=ticker)  # type: ignore[arg-type]
    try:
        yield pools.pool(f"http://127.0.0.1:{port}", Egress(allow_loopback=True))
    finally:
        pools.close()
        # The transports close in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)


async def ask(pool: Pool, *, body: bytes = b"{}", timeouts: Timeouts = PATIENT) -> bytes | None:
    exchange = await pool.exchange(HEAD % len(body), body, timeouts=timeouts)
    return await exchange.read(1 << 20)


async def say_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    writer.write(OK)


async def test_connections_are_kept_and_the_last_one_used_is_used_first() -> None:
    async with Server(say_ok).running() as server, pool_to(server.port) as pool:
        for _ in range(5):
            assert await ask(pool) == b"ok"
        assert server.connections == 1
        assert await asyncio.gather(*(ask(pool) for _ in range(4))) == [b"ok"] * 4
        assert server.connections == 4
        assert pool.idle_count == 4


async def test_idle_connections_are_bounded_in_number_and_time() -> None:
    async with Server(say_ok).running() as server, pool_to(
        server.port, idle_connections=2, idle_seconds=0.1
    ) as pool:  # fmt: skip
        await asyncio.gather(*(ask(pool) for _ in range(4)))
        assert pool.idle_count == 2
        await until(lambda: pool.idle_count == 0)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_an_old_connection_is_not_kept() -> None:
    async with Server(say_ok).running() as server, pool_to(server.port, age_seconds=-1) as pool:
        assert await ask(pool) == b"ok"
        assert pool.idle_count == 0


async def test_a_stale_connection_is_replaced_once_and_nobody_notices() -> None:
    async def close_on_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if number == 1:
            writer.write(OK)
        else:
            writer.close()

    async with Server(close_on_second).running() as server, pool_to(server.port) as pool:
        assert await ask(pool) == b"ok"
        assert await ask(pool) == b"ok"
        assert server.connections == 2


async def test_a_fresh_connection_that_says_nothing_is_a_failure() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.close()

    async with Server(close).running() as server, pool_to(server.port) as pool:
        with pytest.raises(BrokenConnectionError):
            await ask(pool)
        assert server.requests == 1


async def test_a_request_is_not_repeated_once_a_byte_came() -> None:
    async def half_on_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if number == 1:
            writer.write(OK)
        else:
            writer.write(b"HTTP/1.1 2")
            await writer.drain()
            writer.close()

    async with Server(half_on_second).running() as server, pool_to(server.port) as pool:
        assert await ask(pool) == b"ok"
        with pytest.raises(BrokenConnectionError):
            await ask(pool)
        assert server.requests == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore",
    ],
)
async def test_a_connection_that_ends_or_says_too_much_is_not_used_again(answer: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answer)

    async with Server(say).running() as server, pool_to(server.port) as pool:
        assert await ask(pool) == b"ok"
        assert pool.idle_count == 0
        assert await ask(pool) == b"ok"
        assert server.connections == 2


async def test_bytes_on_an_idle_connection_end_it() -> None:
    async def and_more_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong")

    async with Server(and_more_later).running() as server, pool_to(server.port) as pool:
        assert await ask(pool) == b"ok"
        await until(lambda: pool.idle_count == 0)
        assert await ask(pool) == b"ok"
        assert server.connections == 2


async def test_a_body_to_the_end_of_the_connection() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of ")
        await writer.drain()
        writer.write(b"it")
        writer.close()

    async with Server(say).running() as server, pool_to(server.port) as pool:
        assert await ask(pool) == b"all of it"


async def test_interim_responses_are_read_over() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for byte in b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK:
            writer.write(bytes([byte]))
            await writer.drain()

    async with Server(say).running() as server, pool_to(server.port) as pool:
        assert await ask(pool) == b"ok"
        assert pool.idle_count == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_an_answer_that_is_not_http_is_a_failure(answer: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answer)

    async with Server(say).running() as server, pool_to(server.port) as pool:
        with pytest.raises(ProtocolError):
            await ask(pool)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_no_first_byte_in_time() -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.read()

    async with Server(nothing).running() as server, pool_to(server.port) as pool:
        with pytest.raises(FirstByteTimeoutError):
            await ask(pool, timeouts=HASTY)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_silence_inside_a_response() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")
        await writer.drain()
        await reader.read()

    async with Server(half).running() as server, pool_to(server.port) as pool:
        with pytest.raises(IdleTimeoutError):
            await ask(pool, timeouts=HASTY)


async def test_a_response_may_take_longer_than_the_idle_limit_while_bytes_come() -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.08)
            writer.write(b"x")
            await writer.drain()

    async with Server(slowly).running() as server, pool_to(server.port) as pool:
        assert await ask(pool, timeouts=HASTY) == b"x" * 8


async def test_a_cancelled_request_ends_its_connection_at_once() -> None:
    begun = asyncio.Event()

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        begun.set()
        await reader.read()

    async with Server(nothing).running() as server, pool_to(server.port) as pool:
        task = asyncio.ensure_future(ask(pool))
        await asyncio.wait_for(begun.wait(), 5)
        task.cancel()
        await asyncio.wait_for(server.gone.wait(), 5)
        assert pool.idle_count == 0


async def test_nobody_listens() -> None:
    probe = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    async with pool_to(port) as pool:
        with pytest.raises(ConnectError, match=f"no connection to 127.0.0.1:{port}"):
            await ask(pool)


async def test_a_server_that_never_shakes_hands() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port:
        pools = Pools()
        with pytest.raises(ConnectTimeoutError):
            await ask(pools.pool(f"https://127.0.0.1:{port}", Egress(allow_loopback=True)), timeouts=HASTY)
        pools.close()


async def test_a_large_body_reaches_the_upstream_whole_while_it_reads_slowly() -> None:
    body = bytes(range(256)) * 40_000
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        parts: list[bytes] = []
        while sum(map(len, parts)) < len(body):
            parts.append(await reader.read(1 << 20))
            await asyncio.sleep(0.01)
        got.set_result(b"".join(parts))
        writer.write(OK)
        await reader.read()

    async with listening(read_slowly) as port, pool_to(port) as pool:
        assert await ask(pool, body=body) == b"ok"
        assert await got == body


async def test_an_early_refusal_of_a_large_body_arrives_and_the_connection_is_not_kept() -> None:
    done = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        await done.wait()

    async with listening(refuse) as port, pool_to(port) as pool:
        exchange = await pool.exchange(HEAD % (64 << 20), bytes(64 << 20), timeouts=PATIENT)
        assert exchange.head is not None
        assert exchange.head.status == 413
        assert await exchange.read(100) == b"no"
        assert pool.idle_count == 0
        done.set()


async def test_a_reader_that_does_not_read_holds_the_upstream_back() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 268435456\r\n\r\n")
        for _ in range(256):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1

    async with Server(flood).running() as server, pool_to(server.port) as pool:
        exchange = await pool.exchange(HEAD % 2, b"{}", timeouts=PATIENT)
        await asyncio.sleep(0.3)
        assert sent < 64
        exchange.abort()
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_texts_hold_no_secret() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.close()

    async with Server(close).running() as server, pool_to(server.port) as pool:
        secret = b"POST / HTTP/1.1\r\nx-api-key: canary-secret\r\ncontent-length: 2\r\n\r\n"
        with pytest.raises(BrokenConnectionError) as caught:
            await pool.exchange(secret, b"{}", timeouts=PATIENT)
        assert "canary" not in f"{caught.value!r} {caught.value} {pool!r}"
