"""Silence of an upstream is filled with pings, so that nothing on the way gives the stream up (gateway case 12)."""

import itertools
import json

from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.gateway import Gateway
from tests.standins.manifests import smallest

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events()
QUICK = {"CLAUDE_GATEWAY_PING_SECONDS": "0.2"}


def test_pings_fill_the_silence_between_events(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    own_gateway.load(smallest(upstream.url))
    own_gateway.start(environment=QUICK)
    gate = Gate()
    upstream.script(
        framing.stream_head(), framing.chunk(EVENTS[0]), gate, *map(framing.chunk, EVENTS[1:]), framing.LAST_CHUNK
    )
    client = own_gateway.begin(STREAMED)
    client.head()
    assert client.event() == EVENTS[0]
    for _ in range(3):
        assert is_ping(client.event())
    gate.open()
    rest = b"".join(client.pieces())
    assert rest.replace(messages.PING, b"").endswith(b"".join(EVENTS[2:]))
    client.close()


def test_no_ping_lands_inside_an_event(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    own_gateway.load(smallest(upstream.url))
    own_gateway.start(environment=QUICK)
    half, gate, other = EVENTS[2][:25], Gate(), Gate()
    upstream.script(
        *(framing.stream_head(), framing.chunk(EVENTS[0]), framing.chunk(half), gate),
        *(framing.chunk(EVENTS[2][25:]), other, framing.chunk(b"".join(EVENTS[3:])), framing.LAST_CHUNK),
    )
    client = own_gateway.begin(STREAMED)
    client.head()
    assert client.event() == EVENTS[0]
    gate.wait_until_reached()
    # A second stream's pings show that the interval has passed while the first stood in mid-event.
    upstream.script(framing.stream_head(), framing.chunk(EVENTS[0]), other, *map(framing.chunk, EVENTS[1:]))
    beside = own_gateway.begin(STREAMED)
    beside.head()
    assert [is_ping(event) for event in (beside.event(), beside.event(), beside.event())] == [False, True, True]
    gate.open()
    assert client.event() == EVENTS[2], "the event is whole"
    assert is_ping(client.event()), "then the silence is filled again"
    other.open()
    client.close()
    beside.close()


def test_a_client_that_waits_for_the_first_event_hears_pings(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Once the upstream has said 200, a quiet start is a quiet stream."""
    own_gateway.load(smallest(upstream.url))
    own_gateway.start(environment=QUICK)
    gate = Gate()
    upstream.script(framing.stream_head(), gate, *map(framing.chunk, EVENTS), framing.LAST_CHUNK)
    client = own_gateway.begin(STREAMED)
    assert client.head().status == 200
    assert is_ping(client.event())
    gate.open()
    events = [client.event() for _ in itertools.repeat(None, len(EVENTS))]
    assert EVENTS[0] in events
    client.close()


def is_ping(event: bytes) -> bool:
    return event.startswith(b"event: ping\n") and json.loads(event.partition(b"data: ")[2]) == {"type": "ping"}
