"""The stand-in itself: it must see what is wrong, and fail in the way it is told to."""

import gzip
import json
from collections.abc import Iterator

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream, End, Gate, stream
from tests.standins.raw_client import ClosedEarlyError, connect
from tests.standins.requests_seen import Expected

BODY = b'{"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []}'
STREAMED = b'{"model": "claude-sonnet-5-5", "max_tokens": 5, "stream": true, "messages": []}'


@pytest.fixture
def upstream() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server


def good_headers(upstream: AnthropicUpstream) -> list[tuple[str, str]]:
    return [
        ("host", f"127.0.0.1:{upstream.port}"),
        ("x-api-key", API_KEY),
        ("accept-encoding", "identity"),
        ("anthropic-version", "2023-06-01"),
    ]


def test_a_correct_request_is_answered_without_a_problem(upstream: AnthropicUpstream) -> None:
    with connect(upstream.port) as client:
        answer = client.request("POST", "/v1/messages?beta=true", headers=good_headers(upstream), body=BODY)
        assert answer.json()["content"][0]["text"] == "Hello from the upstream."
        streamed = client.request("POST", "/v1/messages", headers=good_headers(upstream), body=STREAMED)
        assert streamed.body == b"".join(messages.events())
        counted = client.request("POST", "/v1/messages/count_tokens", headers=good_headers(upstream), body=BODY)
        assert counted.json() == {"input_tokens": 1190}
    assert upstream.problems == []
    assert [one.body for one in upstream.requests] == [BODY, STREAMED, BODY]
    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (("cookie", "a=b"), "header cookie must not be forwarded"),
        (("connection", "keep-alive"), "header connection must not be forwarded"),
        (("x-forwarded-for", "10.0.0.1"), "header x-forwarded-for must not be forwarded"),
        (("x-claude-code-session-id", "1"), "header x-claude-code-session-id must not be forwarded"),
        (("authorization", "Bearer of-the-caller"), "credential headers"),
        (("content-type", "a"), None),
    ],
)
def test_a_header_that_must_stay_behind_is_a_problem(
    upstream: AnthropicUpstream, extra: tuple[str, str], problem: str | None
) -> None:
    with connect(upstream.port) as client:
        client.request("POST", "/v1/messages", headers=[*good_headers(upstream), extra], body=BODY)
    assert [found.partition(": ")[2].partition(" [")[0] for found in upstream.problems] == (
        [problem] if problem else []
    )


def test_a_stream_must_ask_for_identity(upstream: AnthropicUpstream) -> None:
    headers = [(name, value) for name, value in good_headers(upstream) if name != "accept-encoding"]
    with connect(upstream.port) as client:
        client.request("POST", "/v1/messages", headers=headers, body=STREAMED)
    assert any("accept-encoding" in found for found in upstream.problems)


def test_an_oauth_token_needs_its_beta(upstream: AnthropicUpstream) -> None:
    upstream.expected = [Expected.oauth("sk-ant-oat01-x")]
    headers = [(name, value) for name, value in good_headers(upstream) if name != "x-api-key"]
    headers.append(("authorization", "Bearer sk-ant-oat01-x"))
    with connect(upstream.port) as client:
        client.request("POST", "/v1/messages", headers=headers, body=BODY)
        assert "oauth-2025-04-20" in upstream.problems[0]
        client.request("POST", "/v1/messages", headers=[*headers, ("anthropic-beta", "a,oauth-2025-04-20")], body=BODY)
    assert len(upstream.problems) == 1


def test_a_gate_holds_an_event_back_until_the_test_opens_it(upstream: AnthropicUpstream) -> None:
    gate = Gate()
    upstream.script(framing.stream_head(), framing.chunk(messages.PING), gate, framing.chunk(messages.PING))
    with connect(upstream.port) as client:
        client.send(framing_request(upstream))
        client.head()
        assert client.event() == messages.PING
        gate.wait_until_reached()
        gate.open()
        assert client.event() == messages.PING


def framing_request(upstream: AnthropicUpstream) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in good_headers(upstream))
    return f"POST /v1/messages HTTP/1.1\r\n{lines}content-length: {len(STREAMED)}\r\n\r\n".encode() + STREAMED


def test_it_sees_when_its_client_leaves(upstream: AnthropicUpstream) -> None:
    gate = Gate()
    upstream.script(framing.stream_head(), gate)
    with connect(upstream.port) as client:
        client.send(framing_request(upstream))
        gate.wait_until_reached()
        assert upstream.last.hung_up_at is None
    upstream.wait_for(lambda: upstream.last.hung_up_at is not None, what="its client leaving")


@pytest.mark.parametrize("end", list(End))
def test_it_ends_in_mid_stream(upstream: AnthropicUpstream, end: End) -> None:
    upstream.script(framing.stream_head(), framing.chunk(messages.PING)[:-5], end)
    with connect(upstream.port) as client:
        client.send(framing_request(upstream))
        with pytest.raises((ClosedEarlyError, ConnectionResetError)):
            client.response()


def test_it_sends_gzip_one_byte_at_a_time(upstream: AnthropicUpstream) -> None:
    answer = framing.json_answer(messages.message(), packed=True)
    upstream.script(*framing.single_bytes(answer))
    with connect(upstream.port) as client:
        got = client.request("POST", "/v1/messages", headers=good_headers(upstream), body=BODY)
    assert got.header("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(got.body)) == messages.message()


def test_it_refuses_a_reused_connection(upstream: AnthropicUpstream) -> None:
    upstream.refuse_reused = True
    with connect(upstream.port) as client:
        client.send(framing_request(upstream))
        client.response()
        with pytest.raises((ClosedEarlyError, ConnectionResetError)):
            client.request("POST", "/v1/messages", headers=good_headers(upstream), body=BODY)


def test_chunk_extensions_and_trailers_stand_around_the_same_events(upstream: AnthropicUpstream) -> None:
    upstream.script(
        framing.stream_head(),
        framing.chunk(messages.PING, extension=b";a=b"),
        framing.last_chunk([("x-trailer", "late")]),
    )
    with connect(upstream.port) as client:
        client.send(framing_request(upstream))
        assert client.response().body == messages.PING


def test_a_whole_stream_is_one_script(upstream: AnthropicUpstream) -> None:
    upstream.script(
        *stream(messages.events(messages.thinking("let me see"), messages.text("so")), headers=[("a", "b")])
    )
    with connect(upstream.port) as client:
        client.send(framing_request(upstream))
        assert b"thinking_delta" in client.response().body
