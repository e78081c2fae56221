"""Request bodies on raw sockets: cut anywhere, broken, slow, too large, unread, asked for first."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from tests.proxy.inference.served import MAX_BODY, Served, assert_envelope, client, post, serving

from gateway_proxy.timeouts import Timeouts


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


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"".join(post(f"/echo?{number}", b"b%d" % number) for number in range(100)))
        for number in range(100):
            assert (await caller.answer())[2] == b"%d|b%d" % (number, number)


async def test_a_large_body_behind_a_slow_request_arrives_whole() -> None:
    async with serving(Timeouts(silence=2)) as served, client(served) as caller:
        caller.send(post("/pause") + post("/large", bytes(8_000_000)) + post("/echo", b"next"))
        assert (await caller.answer())[0] == 204
        assert (await caller.answer())[2] == b"8000000"
        assert (await caller.answer())[2] == b"|next"


LARGE = bytes(range(256)) * 360


@pytest.mark.parametrize(
    "request_bytes",
    [
        post("/echo?l", LARGE),
        post("/echo?l", LARGE).replace(b"content-length", b"Content-LENGTH"),
        post("/echo?l", LARGE).replace(b"content-length: ", b"content-length:\t"),
        b"\r\n" + post("/echo?l", LARGE),
    ],
)
@pytest.mark.parametrize("follow", ["with", "behind"])
async def test_a_large_request_in_one_packet(request_bytes: bytes, follow: str) -> None:
    async with serving() as served, client(served) as caller:
        for _ in range(3):
            caller.send(request_bytes + (post("/echo", b"next") if follow == "with" else b""))
            assert (await caller.answer())[2] == b"l|" + LARGE
            if follow == "behind":
                caller.send(post("/echo", b"next"))
            assert (await caller.answer())[2] == b"|next"


@pytest.mark.parametrize(
    "lines",
    [
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "x-folded: a\r\n b\r\n",
        "x-bad : a\r\n",
    ],
)
async def test_a_large_malformed_request_in_one_packet(lines: str) -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/echo", LARGE, lines=lines))
        assert_envelope(await caller.answer(), 400, "invalid_request_error")
        assert await caller.ended()


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
            while served.intake.held < 2 * MAX_BODY - 2:
                await asyncio.sleep(0.01)
        three.send(post("/echo", bytes(MAX_BODY))[:-1])
        answer = await three.answer()
        assert_envelope(answer, 429, "rate_limit_error")
        assert answer[1]["retry-after"] == "1"
        one.send(b"\0")
        assert len((await one.answer())[2]) == MAX_BODY + 1


async def until_held(served: Served, count: int) -> None:
    async with asyncio.timeout(5):
        while served.intake.held != count:
            await asyncio.sleep(0.01)


DECLARED = f"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BODY}\r\n\r\n".encode()
CHUNKED = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_a_length_that_is_only_declared_holds_nothing() -> None:
    async with serving() as served, contextlib.AsyncExitStack() as stack:
        for _ in range(50):
            slow = await stack.enter_async_context(client(served))
            slow.send(DECLARED + b"x")
        await until_held(served, 50)
        caller = await stack.enter_async_context(client(served))
        caller.send(post("/echo", bytes(MAX_BODY))[:-1])
        await until_held(served, 50 + MAX_BODY - 1)
        caller.send(b"\0")
        assert len((await caller.answer())[2]) == MAX_BODY + 1


@pytest.mark.parametrize(
    ("head", "framed"),
    [(DECLARED, lambda data: data), (CHUNKED, lambda data: b"%x\r\n%b\r\n" % (len(data), data))],
    ids=["length", "chunked"],
)
async def test_the_bound_is_reached_in_the_middle_of_a_body(head: bytes, framed: Callable[[bytes], bytes]) -> None:
    """It is answered at once, its rest is dropped, and the connection takes the next request."""
    part = MAX_BODY * 3 // 4
    async with serving() as served, client(served) as one, client(served) as two, client(served) as three:
        for number, caller in enumerate((one, two, three), 1):
            caller.send(head + framed(b"x"))
            await until_held(served, number)
        for caller in (one, two):
            caller.send(framed(bytes(part)))
        await until_held(served, 3 + 2 * part)
        three.send(framed(bytes(part)))
        answer = await three.answer()
        assert_envelope(answer, 429, "rate_limit_error")
        assert answer[1]["retry-after"] == "1"
        assert "connection" not in answer[1]
        await until_held(served, 2 + 2 * part)
        rest = framed(bytes(MAX_BODY - part - 1))
        if head == CHUNKED:
            rest += b"0\r\n\r\n"
        three.send(rest + post("/echo", b"next"))
        assert (await three.answer())[2] == b"|next"
        one.send(rest)
        assert len((await one.answer())[2]) == MAX_BODY + 1
    assert served.intake.held == 0


@pytest.mark.parametrize("head", [DECLARED, CHUNKED], ids=["length", "chunked"])
async def test_a_body_slower_than_the_least_rate_is_ended(head: bytes) -> None:
    async with serving(Timeouts(body=0.2)) as served, client(served) as caller:
        caller.send(head)
        answer = asyncio.ensure_future(caller.answer())
        while not answer.done():
            caller.send(b"x" if head == DECLARED else b"1\r\nx\r\n")
            await asyncio.sleep(0.02)
        assert_envelope(await answer, 408, "invalid_request_error")
        await until_held(served, 0)


async def test_a_large_body_may_take_longer() -> None:
    async with serving(Timeouts(body=0.1)) as served, client(served) as caller:
        caller.send(DECLARED + bytes(MAX_BODY - 5))
        for _ in range(5):
            await asyncio.sleep(0.06)
            caller.send(b"x")
        assert len((await caller.answer())[2]) == MAX_BODY + 1


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


async def test_head_gets_no_body() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(b"HEAD /none HTTP/1.1\r\nhost: x\r\n\r\n" + post("/echo", b"next"))
        head = await caller.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert (await caller.answer())[2] == b"|next"


async def test_a_body_whose_head_came_during_another_request_is_never_read_as_a_request() -> None:
    async with serving() as served, client(served) as caller:
        caller.send(post("/pause") + b"POST /large HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r")
        assert (await caller.answer())[0] == 204
        # What looks like a head's end and another length is body, and so is the request behind it.
        body = (
            b"a" * 100 + b"\r\ncontent-length: 70000\r\n\r\n" + b"x" * 70_000 + b"GET /fail HTTP/1.1\r\nhost: x\r\n\r\n"
        )
        caller.send(b"\n" + body + b"y" * (200_000 - len(body)))
        status, _, said = await caller.answer()
        assert (status, said) == (200, b"200000")
