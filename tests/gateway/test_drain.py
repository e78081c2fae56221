"""SIGTERM: not ready at once, five more seconds of accepting, then the open streams up to their limit."""

import json
import time

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.raw_client import Connection, connect, request_bytes

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events()
ACCEPT_SECONDS = 5.0
QUICK = ("--drain-accept", "0.3")
"""For what does not depend on the five seconds."""


def begin_stream(gateway: Gateway, upstream: AnthropicUpstream) -> tuple[Connection, Gate]:
    gate = Gate()
    upstream.script(
        framing.stream_head(), framing.chunk(EVENTS[0]), gate, *map(framing.chunk, EVENTS[1:]), framing.LAST_CHUNK
    )
    client = gateway.begin(STREAMED)
    client.head()
    assert client.event() == EVENTS[0]
    return client, gate


def not_ready(gateway: Gateway) -> bool:
    return gateway.get("/readyz").status == 503


def refuses(gateway: Gateway) -> bool:
    try:
        Connection(gateway.port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_whole_sequence(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway = own_gateway
    gateway.load(smallest(upstream.url, drain="60s"))
    gateway.start()
    stream, gate = begin_stream(gateway, upstream)
    kept = Connection(gateway.port)
    assert kept.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY).header("connection") != "close"

    asked_to_end = time.monotonic()
    gateway.signal("SIGTERM")
    eventually(lambda: not_ready(gateway), what="not ready", deadline=ACCEPT_SECONDS - 1)
    assert gateway.get("/healthz").status == 200, "alive all the while"
    assert gateway.metric("claude_gateway_draining") == 1
    assert gateway.status()["draining"] is True

    answer = gateway.messages(BODY)
    assert answer.status == 200, "still accepted"
    assert answer.header("connection") == "close"
    last = kept.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY)
    assert (last.status, last.header("connection")) == (200, "close")
    kept.close()

    eventually(lambda: refuses(gateway), what="the listener closed", deadline=ACCEPT_SECONDS + 5)
    assert time.monotonic() - asked_to_end > ACCEPT_SECONDS - 0.5
    assert gateway.running, "a stream is still open"
    gate.open()
    assert b"".join(stream.pieces()) == b"".join(EVENTS[1:]), "the stream ended by itself"
    stream.close()
    assert gateway.wait_for_exit() == 0
    assert [line["outcome"] for line in gateway.audit("inference")].count("completed") == 4


def test_a_stream_beyond_the_limit_ends_with_an_error_event(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    own_gateway.load(smallest(upstream.url, drain="1s"))
    own_gateway.start(*QUICK)
    stream, _ = begin_stream(own_gateway, upstream)
    own_gateway.signal("SIGTERM")
    rest = b"".join(stream.pieces())
    name, data = rest.strip().split(b"\n")
    assert name == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["error"]["type"] == "api_error"
    assert own_gateway.wait_for_exit() == 0
    upstream.wait_for(lambda: upstream.last.hung_up_at is not None, what="its stream given up")
    assert own_gateway.audit("inference")[-1]["outcome"] == "drained"


def test_an_idle_client_does_not_keep_it(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    own_gateway.load(smallest(upstream.url, drain="60s"))
    own_gateway.start(*QUICK)
    with connect(own_gateway.port) as idle:
        assert idle.request("GET", "/healthz").status == 200
        own_gateway.signal("SIGTERM")
        assert own_gateway.wait_for_exit(8.0) == 0
        assert idle.at_end()


@pytest.mark.parametrize("again", ["SIGTERM", "SIGINT"])
def test_a_second_signal_ends_it_at_once(own_gateway: Gateway, upstream: AnthropicUpstream, again: str) -> None:
    own_gateway.load(smallest(upstream.url, drain="60s"))
    own_gateway.start()
    begin_stream(own_gateway, upstream)
    own_gateway.signal("SIGTERM")
    eventually(lambda: not_ready(own_gateway), what="not ready")
    own_gateway.signal(again)
    own_gateway.wait_for_exit(4.0)


def read_slowly(client: Connection) -> bytes:
    """All that comes, a little every few milliseconds: the gateway is done long before."""
    got = bytearray()
    while data := client.socket.recv(65536):
        got += data
        time.sleep(0.005)
    return bytes(got)


def test_a_slow_client_gets_the_rest_of_its_answers(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """More than the kernel takes at once: the end of it lies in the gateway when its request is done. What the client
    sent behind it may go unanswered, but no answer is cut."""
    count, size = 12, 900_000
    upstream.respond = lambda request: [framing.json_answer({"type": "message", "pad": "x" * size})]
    own_gateway.load(smallest(upstream.url, drain="60s"))
    own_gateway.start(*QUICK)
    client = Connection(own_gateway.port)
    client.send(request_bytes("POST", "/v1/messages", own_gateway.headers(), BODY) * count)
    own_gateway.wait_for_audit(1)
    own_gateway.signal("SIGTERM")
    said = read_slowly(client)
    client.close()
    assert said.count(b"x" * size) == said.count(b"HTTP/1.1 200 OK") >= 1
    assert own_gateway.wait_for_exit() == 0


def test_a_slow_client_gets_the_error_that_ends_its_stream(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    text = messages.event(
        "content_block_delta",
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 20_000}},
    )
    upstream.script(framing.stream_head(), framing.chunk(EVENTS[0]), *[framing.chunk(text)] * 1000, Gate())
    own_gateway.load(smallest(upstream.url, drain="1s"))
    own_gateway.start(*QUICK)
    upstream.blocked.clear()
    stream = own_gateway.begin(STREAMED)
    assert upstream.blocked.wait(10), "the client's slowness has reached the upstream"
    own_gateway.signal("SIGTERM")
    eventually(lambda: own_gateway.audit("inference"), what="the stream ended by the drain")
    rest = read_slowly(stream)
    assert b"event: error\ndata: " in rest
    assert rest.endswith(b"\r\n0\r\n\r\n")
    assert own_gateway.wait_for_exit() == 0
