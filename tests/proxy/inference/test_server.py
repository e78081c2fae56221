"""The server on raw sockets: what is no request, slow heads, paths as they are sent, connections and their ends."""

import asyncio
import json
import socket

import pytest
from tests.proxy.inference.served import MAX_BODY, Client, assert_envelope, client, post, serving

from gateway_proxy.server import ClientConnection
from gateway_proxy.timeouts import Timeouts


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


WHOLE_LARGE_HEAD = post("/echo", lines="".join(f"x-{number}: {'a' * 10_000}\r\n" for number in range(7)))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /echo HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 40_000,
        b"GET /echo HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: a\r\n" % number for number in range(2000)),
        b"GET /echo?" + b"a" * 40_000 + b" HTTP/1.1\r\n",
        b"GET /echo HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 5000) for n in range(100)),
        WHOLE_LARGE_HEAD,
        post("/echo", b"first") + WHOLE_LARGE_HEAD,
        post("/echo", bytes(90_000)) + WHOLE_LARGE_HEAD + post("/echo"),
    ],
    ids=["line", "count", "target", "unfinished", "whole", "pipelined", "behind-a-body"],
)
async def test_a_flood_of_headers_is_answered_and_ended(head: bytes) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(head)
        if not head.startswith((b"GET", WHOLE_LARGE_HEAD)):
            assert (await caller.answer())[0] == 200
        assert_envelope(await caller.answer(), 431, "invalid_request_error")
        assert await caller.ended()
        assert served.refused == ["HeadersTooLarge"]


async def test_a_head_below_the_limit_is_taken_with_whatever_comes_behind_it() -> None:
    lines = "".join(f"x-{number}: {'a' * 10_000}\r\n" for number in range(6))
    async with serving() as served, client(served) as caller:
        caller.send(post("/echo", bytes(MAX_BODY), lines=lines) + post("/echo", b"next", lines=lines))
        assert len((await caller.answer())[2]) == MAX_BODY + 1
        assert (await caller.answer())[2] == b"|next"


@pytest.mark.parametrize("part", [b"G", b"GET /echo HTTP/1.1\r\n", b"GET /echo HTTP/1.1\r\nhost: x\r\nx-a"])
async def test_a_head_that_does_not_end_in_time(part: bytes) -> None:
    async with serving(Timeouts(head=0.1)) as served, client(served) as caller:
        caller.send(part)
        assert_envelope(await caller.answer(), 408, "invalid_request_error")
        assert await caller.ended()


class Early(ClientConnection):
    """A connection whose first bytes come at once, as they do on a busy event loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.data_received(b"GET /echo HTTP/1.1\r\n")


async def test_a_head_that_begins_before_its_connection_is_looked_at() -> None:
    loop = asyncio.get_running_loop()
    async with serving(Timeouts(head=0.1)) as served:
        ours, theirs = socket.socketpair()
        await loop.connect_accepted_socket(lambda: Early(served.server, loop), ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        caller = Client(reader, writer)
        assert_envelope(await caller.answer(), 408, "invalid_request_error")
        assert await caller.ended()
        writer.close()


async def test_an_idle_connection_is_closed() -> None:
    async with serving(Timeouts(idle=0.1)) as served, client(served) as caller:
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
        served.server.retire(idle_seconds=0)
        assert await idle.ended()
