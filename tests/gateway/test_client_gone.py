"""When a client hangs up, its upstream request ends at once and is metered (gateway case 19)."""

import time

from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.gateway import Gateway, eventually

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
SECONDS = 0.1
"""The mark. A test machine may be busy, so one try of several has to meet it; that it happens at all, all have to."""
TRIES = 5


def test_the_upstream_request_is_aborted_within_100_ms(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    took = []
    for _ in range(TRIES):
        gate = Gate()
        upstream.script(framing.stream_head(), framing.chunk(messages.events()[0]), gate)
        client = gateway.begin(STREAMED)
        client.head()
        client.event()
        gate.wait_until_reached()
        left = time.monotonic()
        client.close()
        upstream.wait_for(lambda: upstream.last.hung_up_at is not None, what="its client leaving")
        took.append((upstream.last.hung_up_at or 0) - left)
    assert min(took) < SECONDS, took


def test_also_before_the_first_byte(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gate = Gate()
    upstream.script(gate, *framing.single_bytes(b"HTTP/1.1 200 OK\r\n"))
    client = gateway.begin(b'{"model":"claude-sonnet-5-5"}')
    gate.wait_until_reached()
    client.close()
    upstream.wait_for(lambda: upstream.last.hung_up_at is not None, what="its client leaving")
    eventually(lambda: gateway.status()["open_streams"] == 0, what="no stream open")


def test_what_was_said_until_then_is_metered(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 19: not 0 and not 1 output tokens, but about a token for four characters."""
    gate = Gate()
    events = messages.events(messages.text("x" * 4000))
    upstream.script(framing.stream_head(), *map(framing.chunk, events[:4]), gate)
    client = gateway.begin(STREAMED)
    head = client.head()
    for _ in range(4):
        client.event()
    client.close()
    line = gateway.audit_of(head)
    assert line["tokens"]["input"] == 25
    assert line["tokens"]["cache_read"] == 4000
    assert 400 <= line["tokens"]["output"] <= 600
    assert line["outcome"] == "client_gone"


def test_the_others_streams_go_on(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    events = messages.events()
    gates = [Gate(), Gate()]
    clients = []
    for gate in gates:
        upstream.script(
            framing.stream_head(), framing.chunk(events[0]), gate, *map(framing.chunk, events[1:]), framing.LAST_CHUNK
        )
        client = gateway.begin(STREAMED)
        client.head()
        client.event()
        gate.wait_until_reached()
        clients.append(client)
    clients[0].close()
    upstream.wait_for(lambda: any(one.hung_up_at for one in upstream.requests), what="a client leaving")
    gates[1].open()
    assert b"".join(clients[1].pieces()) == b"".join(events[1:])
    clients[1].close()
