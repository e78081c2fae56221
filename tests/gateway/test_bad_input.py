"""Requests that no honest client sends: refused in order, without harm to anybody."""

import contextlib
import re
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.gateway import bad_requests
from tests.gateway.bad_requests import BODY, BadRequest, mark
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream, Script
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import developer_key, smallest
from tests.standins.raw_client import connect, request_bytes
from tests.standins.requests_seen import Received

BOB = "bob@corp.example"
COUNT = 2000
SEED = 20261123
WORKERS = 8
QUIET_SECONDS = 0.15
"""How long a client waits for a first answer before it closes its side: many of these requests never get one, since
their rest never comes."""
END_SECONDS = 10.0
"""Then the connection has to end."""
GROWTH_BYTES = 16 * 1024 * 1024
"""What the process may grow by from the second quarter to the last: allocator noise, not a leak. Keeping no more than
the heads of the 1,000 requests between would exceed it."""

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@pytest.fixture
def two_callers(gateway: Gateway, upstream: AnthropicUpstream) -> Gateway:
    gateway.load(smallest(upstream.url, developer_key(BOB)))

    def echo(request: Received) -> Script:
        said = [name for name in (ALICE, BOB) if mark(name) in request.body]
        return [
            framing.json_answer({"type": "message", "echo": [mark(name).decode() for name in said], "pad": "x" * 300})
        ]

    upstream.respond = echo
    return gateway


def provoke(port: int, request: BadRequest) -> bytes:
    """Sends the request; everything that came back until the gateway closed."""
    got = bytearray()
    with socket.create_connection(("127.0.0.1", port)) as sock, contextlib.suppress(ConnectionError):
        for piece in request.pieces:
            sock.sendall(piece)
        sock.settimeout(QUIET_SECONDS)
        with contextlib.suppress(TimeoutError):
            got += sock.recv(65536)
        sock.settimeout(END_SECONDS)
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            got += data
    return bytes(got)


def test_2000_bad_requests_do_no_harm(two_callers: Gateway, upstream: AnthropicUpstream) -> None:
    gateway = two_callers
    callers = {user: gateway.headers(user) for user in (ALICE, BOB)}
    generated = list(bad_requests.requests(SEED, COUNT, callers))
    others = {ALICE: mark(BOB), BOB: mark(ALICE)}
    statuses: Counter[int] = Counter()
    resident = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for quarter in range(4):
            part = generated[quarter * COUNT // 4 : (quarter + 1) * COUNT // 4]
            for request, got in zip(part, pool.map(lambda one: provoke(gateway.port, one), part), strict=True):
                seen = [int(status) for status in STATUS.findall(got)]
                statuses.update(seen)
                assert [status for status in seen if status >= 500] == [], (request, got)
                assert others[request.user] not in got, f"another caller's data: {request} {got!r}"
                assert gateway.key(BOB).encode() not in got
                assert gateway.key(ALICE).encode() not in got
            assert gateway.running
            resident.append(gateway.resident_bytes())
    assert statuses.total() > COUNT / 2, f"hardly anything was answered: {statuses}"
    assert statuses[200] > COUNT / 20, f"slow senders and the like are served: {statuses}"
    assert resident[3] - resident[1] < GROWTH_BYTES, [number >> 20 for number in resident]
    assert [line for line in gateway.logs() if line["level"] in ("error", "critical")] == []
    assert gateway.messages(BODY).status == 200
    assert all(b"smuggled" not in one.target.encode() for one in upstream.requests if b"\r\n" in one.body)


AMBIGUOUS: dict[str, list[tuple[str, str]]] = {
    "length and chunks": [("content-length", "5"), ("transfer-encoding", "chunked")],
    "chunks and length": [("transfer-encoding", "chunked"), ("content-length", "90")],
    "two lengths": [("content-length", "5"), ("content-length", "6")],
    "a list of lengths": [("content-length", "5, 6")],
    "a signed length": [("content-length", "+5")],
    "a negative length": [("content-length", "-1")],
    "a length in hexadecimal": [("content-length", "0x5")],
    "a length with an underscore": [("content-length", "1_0")],
    "a length in other digits": [("content-length", "\xb2")],
    "a coding that is none": [("transfer-encoding", "xchunked")],
    "chunked is not last": [("transfer-encoding", "chunked, identity")],
    "a folded header": [("x", "y\r\n transfer-encoding: chunked")],
    "a blank before the colon": [("transfer-encoding ", "chunked")],
    "a tab before the value's end": [("transfer-encoding", "\x0bchunked")],
    "a zero byte": [("x", "\x00"), ("transfer-encoding", "chunked")],
    "a bare line feed": [("x", "y\ntransfer-encoding: chunked")],
}


@pytest.mark.parametrize("shape", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_framing_with_two_readings_is_refused(
    two_callers: Gateway, upstream: AnthropicUpstream, shape: list[tuple[str, str]]
) -> None:
    """A proxy before us may read it the other way: what follows must never be taken for a request of its own."""
    inner = request_bytes("POST", "/v1/messages?smuggled", two_callers.headers(BOB), BODY)
    head = request_bytes("POST", "/v1/messages", [*two_callers.headers(), *shape])
    with connect(two_callers.port) as client:
        client.send(head + b"0\r\n\r\n" + inner)
        answer = client.response()
        assert answer.status == 400
        assert answer.error[0] == "invalid_request_error"
        assert client.at_end(), "the connection is not used any more"
    assert upstream.requests == []


def test_many_open_slow_senders_leave_room_for_others(two_callers: Gateway) -> None:
    begun = request_bytes("POST", "/v1/messages", [*two_callers.headers(BOB), ("content-length", "1000")])
    sockets = []
    for number in range(300):
        sock = socket.create_connection(("127.0.0.1", two_callers.port), timeout=END_SECONDS)
        sock.sendall(begun[: len(begun) - number % 50] if number % 2 else begun + b"{")
        sockets.append(sock)
    started = time.monotonic()
    for _ in range(20):
        assert two_callers.messages(BODY).status == 200
    assert time.monotonic() - started < END_SECONDS
    for sock in sockets:
        sock.close()
