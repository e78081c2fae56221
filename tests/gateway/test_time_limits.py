"""Clients that are slow, silent or gone, against a process whose time limits are short."""

from collections.abc import Callable, Iterator

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.raw_client import Connection, connect, request_bytes

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events()


@pytest.fixture
def limited(own_gateway: Gateway, upstream: AnthropicUpstream) -> Iterator[Callable[..., Gateway]]:
    def start(**limits: float) -> Gateway:
        own_gateway.load(smallest(upstream.url))
        own_gateway.start(*[word for name, value in limits.items() for word in ("--limit", f"{name}={value}")])
        return own_gateway

    yield start
    upstream.begin_test()  # a body that was cut is what these tests are about


def assert_too_late(client: Connection) -> None:
    answer = client.response()
    assert (answer.status, answer.error[0], answer.header("connection")) == (408, "invalid_request_error", "close")
    assert client.at_end()


def begun(gateway: Gateway, length: int) -> bytes:
    return request_bytes("POST", "/v1/messages", [*gateway.headers(), ("content-length", str(length))])


def test_a_head_that_does_not_end(limited: Callable[..., Gateway]) -> None:
    gateway = limited(head=1)
    with connect(gateway.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n")
        assert_too_late(client)


def test_a_body_that_falls_silent(limited: Callable[..., Gateway]) -> None:
    gateway = limited(silence=1)
    with connect(gateway.port) as client:
        client.send(begun(gateway, 1000) + b"{")
        assert_too_late(client)


def test_a_body_that_trickles(limited: Callable[..., Gateway]) -> None:
    gateway = limited(body=1)
    with connect(gateway.port) as client:
        client.send(begun(gateway, 1_000_000))
        client.socket.settimeout(0.05)
        sent = 0
        while True:
            try:
                client.send(b"x")
                sent += 1
                if client._receive():
                    break
            except TimeoutError:
                assert sent < 400, "it was never ended"
        client.socket.settimeout(10)
        assert_too_late(client)


def test_a_connection_without_a_request(limited: Callable[..., Gateway]) -> None:
    gateway = limited(idle=1)
    with connect(gateway.port) as client:
        assert client.request("GET", "/healthz").status == 200
        assert client.at_end()


def test_a_client_that_takes_nothing(limited: Callable[..., Gateway], upstream: AnthropicUpstream) -> None:
    gateway = limited(stall=1)
    text = framing.chunk(messages.event("content_block_delta", {"pad": "x" * 20_000}))
    upstream.script(framing.stream_head(), framing.chunk(EVENTS[0]), *[text] * 1000, Gate())
    stream = gateway.begin(STREAMED)
    assert gateway.wait_for_audit(1)[-1]["outcome"] == "client_stalled"
    eventually(lambda: gateway.status()["open_streams"] == 0, what="its stream ended")
    stream.close()


def test_a_silent_upstream_is_filled_with_pings(limited: Callable[..., Gateway], upstream: AnthropicUpstream) -> None:
    gateway = limited(ping=1)
    gate = Gate()
    upstream.script(framing.stream_head(), gate, *map(framing.chunk, EVENTS), framing.LAST_CHUNK)
    stream = gateway.begin(STREAMED)
    assert stream.head().status == 200
    assert stream.event().startswith(b"event: ping\n")
    assert stream.event().startswith(b"event: ping\n")
    gate.open()
    assert b"".join(stream.pieces()).endswith(b"".join(EVENTS))
