"""Connections to upstreams and clients: reused, replaced when stale, and never a hose that fills the memory."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End
from tests.standins.gateway import Gateway, eventually
from tests.standins.raw_client import ClosedEarlyError, connect, request_bytes

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
MIB = 1024 * 1024


def test_an_upstream_connection_serves_many_requests(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    for body in (BODY, STREAMED) * 10:
        gateway.messages(body)
    assert len({one.connection for one in upstream.requests}) == 1


def test_a_client_connection_serves_many_requests(gateway: Gateway) -> None:
    with connect(gateway.port) as client:
        for body in (BODY, STREAMED, b"broken", BODY) * 5:
            answer = client.request("POST", "/v1/messages", headers=gateway.headers(), body=body)
            assert answer.status == (400 if body == b"broken" else 200)


def test_pipelined_requests_are_answered_in_their_order(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    bodies = [b'{"model":"claude-sonnet-5-5","n":%d}' % number for number in range(5)]
    upstream.respond = lambda request: [framing.json_answer({"type": "message", "n": request.json()["n"]})]
    with connect(gateway.port) as client:
        client.send(b"".join(request_bytes("POST", "/v1/messages", gateway.headers(), body) for body in bodies))
        assert [client.response().json()["n"] for _ in bodies] == [0, 1, 2, 3, 4]


def test_connections_that_the_upstream_closed_while_idle_are_not_used(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    for _ in range(5):
        assert gateway.messages(BODY).status == 200
        upstream.close_idle()


def test_a_connection_closed_under_the_request_is_tried_again(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """The upstream's keep-alive time may be over at the very moment; it has read nothing, so nothing is done twice."""
    assert gateway.messages(BODY).status == 200
    upstream.refuse_reused = True
    for _ in range(5):
        assert gateway.messages(BODY).status == 200


def test_connection_close_is_kept(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    for _ in range(3):
        answer = framing.json_answer(messages.message(), headers=[("connection", "close")])
        upstream.script(answer, End.CLOSE)
        assert gateway.messages(BODY).status == 200
    with connect(gateway.port) as client:
        assert client.request("POST", "/v1/messages", headers=[*gateway.headers(), ("connection", "close")], body=BODY)
        assert client.at_end()


def test_http_1_0_clients_are_served(gateway: Gateway) -> None:
    for body in (BODY, STREAMED):
        with connect(gateway.port) as client:
            raw = request_bytes("POST", "/v1/messages", gateway.headers(), body).replace(b" HTTP/1.1", b" HTTP/1.0", 1)
            client.send(raw)
            answer = client.response()
            assert answer.status == 200
            assert answer.header("transfer-encoding") is None, "HTTP/1.0 knows no chunks"
            assert b"Hello from" in answer.body


def test_a_client_that_does_not_read_holds_the_upstream_back(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Back-pressure: of 200 MiB only what fits into the sockets is on its way."""
    event = messages.event("content_block_delta", {"type": "content_block_delta", "x": "y" * MIB})
    upstream.script(framing.stream_head(), *[framing.chunk(event)] * 200, framing.LAST_CHUNK)
    before = gateway.resident_bytes()
    client = gateway.begin(STREAMED)
    client.head()
    upstream.wait_for(upstream.blocked.is_set, what="its client not reading")
    assert upstream.bytes_sent < 60 * MIB
    assert gateway.resident_bytes() - before < 40 * MIB
    size = sum(len(piece) for piece in client.pieces())
    assert size >= 200 * len(event), "then it goes on"
    client.close()


def test_slow_readers_do_not_hold_the_others_back(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    event = messages.event("content_block_delta", {"type": "content_block_delta", "x": "y" * MIB})
    slow = []
    for _ in range(4):
        upstream.script(framing.stream_head(), *[framing.chunk(event)] * 100)
        client = gateway.begin(STREAMED)
        client.head()
        slow.append(client)
    for _ in range(10):
        assert gateway.messages(BODY).status == 200
    for client in slow:
        client.close()
    upstream.wait_for(
        lambda: len([one for one in upstream.requests if one.hung_up_at]) == 4, what="four clients leaving"
    )


def test_a_hundred_callers_get_their_own_answers(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.respond = lambda request: [
        framing.json_answer({"type": "message", "echo": request.json()["n"], "pad": "x" * 5000})
    ]

    def ask(number: int) -> bool:
        with connect(gateway.port) as client:
            got = [
                client.request(
                    "POST", "/v1/messages", headers=gateway.headers(), body=b'{"model":"claude-sonnet-5-5","n":%d}' % n
                ).json()["echo"]
                for n in range(number * 10, number * 10 + 10)
            ]
        return got == list(range(number * 10, number * 10 + 10))

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(ask, range(100)))


def test_bytes_after_an_answer_do_not_become_the_next_one(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """A poisoned upstream connection is dropped, not given to the next caller."""
    forged = framing.json_answer({"forged": True})
    upstream.script(framing.json_answer(messages.message()) + forged)
    assert gateway.messages(BODY).json()["type"] == "message"
    assert gateway.messages(BODY).json()["type"] == "message"
    upstream.script(framing.json_answer(messages.message()), forged)
    assert gateway.messages(BODY).json()["type"] == "message"
    assert gateway.messages(BODY).json()["type"] == "message"


def test_a_half_closed_client_gets_its_answer_or_is_let_go(gateway: Gateway) -> None:
    with connect(gateway.port) as client:
        client.send(request_bytes("POST", "/v1/messages", gateway.headers(), BODY))
        client.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ClosedEarlyError):
            assert client.response().status == 200
    eventually(lambda: gateway.status()["open_streams"] == 0, what="no stream open")


def test_a_client_that_takes_no_answers_is_not_served_on(gateway: Gateway) -> None:
    before = gateway.resident_bytes()
    asked = request_bytes("GET", "/protocol", []) * 2000
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(50):
                client.sendall(asked)
            raise AssertionError("100,000 requests were taken from a client that reads no answer")
    assert gateway.resident_bytes() - before < 32 * MIB
