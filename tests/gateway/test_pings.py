"""Silence of an upstream is filled with pings, so that nothing on the way gives the stream up (gateway case 12)."""

import contextlib
import json

from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.gateway import Gateway
from tests.standins.manifests import smallest
from tests.standins.raw_client import Connection

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events()


def test_pings_stand_between_events_only(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Three streams fall silent at once: after an event, inside an event, and before their first event."""
    gateway = own_gateway
    gateway.load(smallest(upstream.url))
    gateway.start("--limit", "ping=2")
    gates = [Gate(), Gate(), Gate()]
    half, other_half = EVENTS[2][:25], EVENTS[2][25:]
    rest = [*map(framing.chunk, EVENTS[3:]), framing.LAST_CHUNK]
    begun = (framing.stream_head(), framing.chunk(EVENTS[0]))
    with contextlib.ExitStack() as stack:

        def open_stream() -> Connection:
            return stack.enter_context(contextlib.closing(gateway.begin(STREAMED)))

        upstream.script(*begun, gates[0], framing.chunk(EVENTS[2]), *rest)
        between = open_stream()
        gates[0].wait_until_reached()
        upstream.script(*begun, framing.chunk(half), gates[1], framing.chunk(other_half), *rest)
        inside = open_stream()
        gates[1].wait_until_reached()
        upstream.script(framing.stream_head(), gates[2], *map(framing.chunk, EVENTS), framing.LAST_CHUNK)
        before = open_stream()
        gates[2].wait_until_reached()

        for client in (between, inside):
            client.head()
            assert client.event() == EVENTS[0]
        assert is_ping(between.event())
        assert before.head().status == 200
        assert is_ping(before.event())

        for gate in gates:
            gate.open()
        whole = b"".join(EVENTS)
        assert b"".join(between.pieces()) == b"".join(EVENTS[2:])
        assert b"".join(before.pieces()) == whole
        assert b"".join(inside.pieces()).replace(messages.PING, b"") == b"".join(EVENTS[2:])


def is_ping(event: bytes) -> bool:
    return event.startswith(b"event: ping\n") and json.loads(event.partition(b"data: ")[2]) == {"type": "ping"}
