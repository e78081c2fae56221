"""Through nginx with the settings of the gateway's own Ingress: nothing is held back, nothing is cut."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.node.gateways import BODY, STREAMED, NodeGateway
from tests.node.ingress_proxies import IngressProxy
from tests.node.kubernetes import ADDRESS
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate, Script
from tests.standins.raw_client import Connection, fetch, request_bytes
from tests.standins.requests_seen import Received

TARGET = "/v1/messages?beta=true"
STREAMS = 40
MEBIBYTE = 1 << 20
SILENT_SECONDS = 25.0
"""The gateway pings after 15 s of silence."""


@pytest.fixture
def proxy(shared_gateway: NodeGateway, tmp_path: Path) -> Iterator[IngressProxy]:
    ingress = shared_gateway.child("networking.k8s.io/v1", "Ingress")
    assert ingress is not None
    backend = f"{shared_gateway.host}:{shared_gateway.port}"
    with IngressProxy(ingress, backend=backend, folder=tmp_path) as running:
        yield running


def begin(proxy: IngressProxy) -> Connection:
    connection = Connection(proxy.port, host=ADDRESS, timeout=SILENT_SECONDS)
    connection.send(request_bytes("POST", TARGET, NodeGateway.headers(), STREAMED))
    return connection


def test_each_event_passes_before_the_next_is_written(proxy: IngressProxy, upstream: AnthropicUpstream) -> None:
    # nobody waits an hour here: it is nginx's own clock, which has to be told
    assert "proxy_read_timeout 3600s;" in proxy.text
    events = messages.events()
    gates = [Gate() for _ in events]
    steps = [step for event, gate in zip(events, gates, strict=True) for step in (framing.chunk(event), gate)]
    upstream.script(framing.stream_head(), *steps, framing.LAST_CHUNK)
    connection = begin(proxy)
    assert connection.head().status == 200
    for event, gate in zip(events, gates, strict=True):
        assert connection.event() == event
        gate.open()
    assert list(connection.pieces()) == []
    connection.close()


def test_many_streams_at_once_are_all_open_and_all_end(proxy: IngressProxy, upstream: AnthropicUpstream) -> None:
    gate = Gate()
    first, *rest = messages.events()

    def respond(request: Received) -> Script:
        return [framing.stream_head(), framing.chunk(first), gate, *map(framing.chunk, rest), framing.LAST_CHUNK]

    upstream.respond = respond
    connections = [begin(proxy) for _ in range(STREAMS)]
    for connection in connections:
        assert connection.head().status == 200
        assert connection.event() == first
    gate.open()
    for connection in connections:
        assert b"".join(connection.pieces()) == b"".join(rest)
        connection.close()


def test_a_silent_stream_is_kept_alive_by_pings(proxy: IngressProxy, upstream: AnthropicUpstream) -> None:
    gate = Gate()
    first, *rest = [event for event in messages.events() if event != messages.PING]
    upstream.script(framing.stream_head(), framing.chunk(first), gate, *map(framing.chunk, rest), framing.LAST_CHUNK)
    connection = begin(proxy)
    connection.head()
    assert connection.event() == first
    assert connection.event().startswith(b"event: ping\n")
    gate.open()
    assert b"".join(connection.pieces()) == b"".join(rest)
    connection.close()


def test_a_request_of_30_megabytes_comes_whole(proxy: IngressProxy, upstream: AnthropicUpstream) -> None:
    request = json.loads(BODY) | {"messages": [{"role": "user", "content": "x" * (30 * MEBIBYTE)}]}
    body = json.dumps(request).encode()
    answer = fetch(proxy.port, "POST", TARGET, headers=NodeGateway.headers(), body=body, host=ADDRESS)
    assert answer.status == 200, answer
    assert upstream.last.json() == request
