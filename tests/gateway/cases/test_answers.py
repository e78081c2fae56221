"""What becomes of an upstream's answer on its way to the client (gateway cases 9 to 13, 16, 18 and 27)."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.cases.clients import KINDS, SIGNED_IN, Client
from tests.gateway.cases.gateways import CaseGateway, through
from tests.standins import framing, messages
from tests.standins.identity_provider import IdentityProvider
from tests.standins.providers import EVERY_TYPE, MESSAGES, OVERFLOW, Anthropic, Provider
from tests.standins.raw_client import Connection, connect, request_bytes
from tests.standins.upstream import End, Gate

EVENTS = messages.events(messages.thinking("hm"), messages.text("half of the answer was said"))
SAID = [event for event in EVENTS if event != messages.PING]


def events_of(body: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in body.split(b"\n\n") if part]


def data_of(event: bytes) -> Any:
    return json.loads(event.partition(b"data: ")[2])


def is_ping(event: bytes) -> bool:
    return event.startswith(b"event: ping\n")


def after_pings(stream: Connection) -> bytes:
    while is_ping(event := stream.event()):
        pass
    return event


def hop_by_hop(headers: list[tuple[str, str]]) -> set[str]:
    names = {"connection", "keep-alive", "te", "trailer", "upgrade", "proxy-authorization", "transfer-encoding"}
    return names & {name.lower() for name, _ in headers}


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "json"])
@through(*EVERY_TYPE)
def test_case_09_an_upstream_at_capacity_is_529_in_the_envelope(
    client: Client, provider: Provider, streamed: bool
) -> None:
    provider.server.respond = lambda request: provider.overloaded()
    answer = client.ask(client.body(stream=streamed))
    assert answer.status == 529
    assert answer.error[0] == "overloaded_error"
    assert answer.json()["request_id"] == answer.header("x-request-id")


@pytest.mark.parametrize("failed_over", [False, True], ids=["at once", "after failover"])
@through(*EVERY_TYPE)
def test_case_10_the_words_of_an_overflow_reach_the_client(
    client: Client, provider: Provider, stage: CaseGateway, failed_over: bool
) -> None:
    """One of the three forms that it knows."""
    with Anthropic("first") as first:
        if failed_over:
            stage.use(first, provider)
            first.server.respond = lambda request: first.overloaded()
        for script, told in provider.overflows():
            assert told in (OVERFLOW, "Input is too long.", "capability_rejected: prompt_too_long")
            provider.server.script(*script)
            answer = client.ask()
            assert (answer.status, answer.error) == (400, ("invalid_request_error", told))
        assert bool(first.server.requests) == failed_over


@pytest.mark.parametrize("end", list(End), ids=lambda end: end.name.lower())
@through(*EVERY_TYPE)
def test_case_11_a_failure_in_mid_stream_is_an_error_event(client: Client, provider: Provider, end: End) -> None:
    provider.server.script(*provider.breaks_off(EVENTS[:5], end))
    answer = client.ask()
    events = events_of(answer.body)
    assert answer.status == 200
    assert [data_of(event) for event in events[:-1]] == [data_of(event) for event in EVENTS[:5]]
    assert events[-1].startswith(b"event: error\n")
    assert data_of(events[-1])["error"]["type"] == "api_error"
    assert b"message_stop" not in answer.body
    assert b"end_turn" not in answer.body


@pytest.mark.parametrize("end", list(End), ids=lambda end: end.name.lower())
@through(*EVERY_TYPE)
def test_case_11_nothing_is_200_before_the_first_event(client: Client, provider: Provider, end: End) -> None:
    provider.server.respond = lambda request: provider.breaks_off([], end)
    answer = client.ask()
    assert (answer.status, answer.error[0]) == (502, "api_error")


@pytest.mark.parametrize("said", [SAID[:4], []], ids=["in mid-stream", "first"])
@through(*EVERY_TYPE)
def test_case_11_a_failure_that_the_upstream_tells_of_is_an_error(
    client: Client, provider: Provider, said: list[bytes]
) -> None:
    """And before the first event one with a status, so that another upstream could still answer."""
    provider.server.respond = lambda request: provider.tells_of_failure(said)
    answer = client.ask()
    if said:
        events = events_of(answer.body)
        assert (answer.status, [data_of(event) for event in events[:-1]]) == (200, [data_of(event) for event in said])
        assert events[-1].startswith(b"event: error\n")
        kind = data_of(events[-1])["error"]["type"]
    else:
        assert answer.status in (429, 529)
        kind = answer.error[0]
    assert kind in ("overloaded_error", "rate_limit_error")
    assert b"message_stop" not in answer.body
    assert b"123456789012" not in answer.body, "whose account it is"


@pytest.fixture(scope="module")
def short_pings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseGateway]:
    """A gateway that takes one second of silence for fifteen."""
    folder = tmp_path_factory.mktemp("pings")
    with IdentityProvider() as idp, CaseGateway(folder, idp, "--limit", "ping=1") as gateway:
        yield gateway


@pytest.fixture(params=KINDS)
def pinged(request: pytest.FixtureRequest, short_pings: CaseGateway) -> Client:
    """A client of either kind at that gateway."""
    return short_pings.signed_in() if request.param == SIGNED_IN else short_pings.pointed_at()


@through(*EVERY_TYPE)
def test_case_12_silence_is_filled_with_pings(pinged: Client, short_pings: CaseGateway, provider: Provider) -> None:
    """Both before the first event and between two."""
    short_pings.use(provider)
    head, *rest = provider.streams(SAID)
    gates = Gate(), Gate()
    provider.server.script(head, gates[0], rest[0], gates[1], *rest[1:])
    with pinged.begun() as stream:
        assert stream.head().status == 200
        assert is_ping(stream.event())
        gates[0].open()
        assert data_of(after_pings(stream)) == data_of(SAID[0])
        gates[1].wait_until_reached()
        assert is_ping(stream.event())
        gates[1].open()
        assert [data_of(event) for event in events_of(b"".join(stream.pieces())) if not is_ping(event)] == [
            data_of(event) for event in SAID[1:]
        ]


@through(*EVERY_TYPE)
def test_case_13_streams_are_asked_for_plainly_and_hop_by_hop_headers_stay(client: Client, provider: Provider) -> None:
    hops = [("te", "trailers"), ("keep-alive", "timeout=5"), ("proxy-authorization", "Basic eA==")]
    answer = client.ask(headers=[("accept-encoding", "gzip, br, zstd"), *hops])
    assert answer.status == 200
    assert answer.header("content-encoding") is None
    assert provider.last.all("accept-encoding") == ["identity"]
    assert hop_by_hop(provider.last.headers) == set()
    assert provider.last.header("content-length") == str(len(provider.last.body))


@through(*EVERY_TYPE)
def test_case_13_a_chunked_request_is_taken_and_goes_on_with_its_length(client: Client, provider: Provider) -> None:
    body = client.body()
    chunked = framing.chunk(body[:100]) + framing.chunk(body[100:]) + framing.LAST_CHUNK
    with connect(client.gateway.port) as connection:
        headers = [*client.headers(), ("transfer-encoding", "chunked")]
        connection.send(request_bytes("POST", MESSAGES, headers, chunked))
        assert connection.response().status == 200
    assert provider.last.header("content-length") == str(len(provider.last.body))
    assert provider.value(provider.last)["messages"] == client.value()["messages"]


@pytest.mark.parametrize("asked", ["gzip", "identity"])
@through(*EVERY_TYPE)
def test_case_13_a_packed_answer_is_named_as_what_it_is(client: Client, provider: Provider, asked: str) -> None:
    provider.server.script(framing.json_answer(messages.message(), packed=True))
    answer = client.ask(client.body(stream=False), headers=[("accept-encoding", asked)])
    packed = answer.header("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(answer.body) if packed else answer.body) == messages.message()
    assert client.line_of(answer)["tokens"]["output"] == messages.OUTPUT_TOKENS


@through(*EVERY_TYPE)
def test_case_16_silence_has_a_limit_and_ends_in_band(client: Client, provider: Provider, stage: CaseGateway) -> None:
    stage.use(provider, binding={"timeouts": {"idle": "1s"}})
    head, first, *_ = provider.streams(EVENTS)
    provider.server.script(head, first, Gate())
    answer = client.ask()
    events = events_of(answer.body)
    assert data_of(events[0]) == data_of(EVENTS[0])
    assert events[-1].startswith(b"event: error\n")
    provider.server.wait_for(lambda: provider.last.hung_up_at is not None, what="the stream given up")


@through("Anthropic", "Bedrock")
def test_case_16_the_whole_stream_has_no_limit(pinged: Client, short_pings: CaseGateway, provider: Provider) -> None:
    """It lasts longer than a silence or a first byte may: four silences of a ping each."""
    short_pings.use(provider, binding={"timeouts": {"idle": "3s", "firstByte": "3s"}})
    head, *rest = provider.streams(SAID)
    gates = [Gate() for _ in range(4)]
    silent = [step for gate, event in zip(gates, rest, strict=False) for step in (gate, event)]
    provider.server.script(head, *silent, *rest[4:])
    with pinged.begun() as stream:
        stream.head()
        for gate in gates:
            gate.wait_until_reached()
            while not is_ping(stream.event()):
                pass
            gate.open()
        assert data_of(events_of(b"".join(stream.pieces()))[-1]) == {"type": "message_stop"}


USAGE: dict[str, Any] = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "cache_read_input_tokens": 4000,
    "output_tokens": 1,
    "counter_of_next_year": {"a": 1.5},
}


@through(*EVERY_TYPE)
def test_case_18_usage_comes_back_as_the_upstream_said_it(client: Client, provider: Provider) -> None:
    begun = messages.event("message_start", {"type": "message_start", "message": messages.message() | {"usage": USAGE}})
    provider.server.script(*provider.streams([begun, *EVENTS[1:]]))
    streamed = client.ask()
    assert data_of(events_of(streamed.body)[0])["message"]["usage"] == USAGE
    provider.server.script(*provider.answers(messages.message() | {"usage": USAGE}))
    assert client.ask(client.body(stream=False)).json()["usage"] == USAGE
    tokens = client.line_of(streamed)["tokens"]
    assert (tokens["cache_write_5m"], tokens["cache_write_1h"], tokens["cache_read"]) == (100, 200, 4000)


@through(*EVERY_TYPE)
def test_case_27_one_event_of_the_upstream_is_one_event(client: Client, provider: Provider) -> None:
    told = [
        *EVENTS[:2],
        messages.event("event_of_next_year", {"type": "event_of_next_year", "n": 1}),
        *EVENTS[2:],
    ]
    provider.server.script(*provider.streams(told))
    answer = client.ask()
    assert answer.body == b"".join(told)
