"""Failures inside of a cloud's stream are found wherever the pieces of it end, and nothing else is changed."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standins import messages

from gateway_proxy.providers.streamed_errors import HELD_LIMIT, StreamedErrors
from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.head import ResponseHead

SAID = messages.text("an error in event: error, " + '"error": {"type": "error"}' + "\n\nevent: error\n\n")
EVENTS = b"".join(messages.events(SAID, messages.tool_use("error", {"error": "projects/p"})))
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
QUOTA = b'{"error":{"code":429,"message":"Quota of projects/canary","status":"RESOURCE_EXHAUSTED"}}'
FAILURES = [
    (b"event: error\ndata: %b\n\n" % OVERLOADED, 529, OVERLOADED),
    (b"event:error\r\ndata:%b\r\n\r\n" % OVERLOADED, 529, OVERLOADED),
    (b": hello\ndata: %b\n\n" % OVERLOADED, 529, OVERLOADED),
    (b"data: %b\n\n" % QUOTA, 429, QUOTA),
    (b"data: [%b]\n\n" % QUOTA, 429, b"[%b]" % QUOTA),
    (b"event: error\ndata: an error without a form\n\n", 502, b"an error without a form"),
    (b"data: an error without a form\n\n", 502, b"an error without a form"),
    (b"data: " + QUOTA.replace(b"429", b"7") + b"\n\n", 502, QUOTA.replace(b"429", b"7")),
]


def as_it_is(head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
    return head, body


def fed(pieces: list[bytes]) -> tuple[bytes, StreamedErrors]:
    """What comes out; as an exchange does, nothing more goes in after an error."""
    watched, out = StreamedErrors(as_it_is), b""
    for piece in pieces:
        if watched.error is None:
            out += watched.feed(piece)
    return (out if watched.error is not None else out + watched.end()), watched


def pieces_of(data: bytes, borders: list[int]) -> list[bytes]:
    cuts = sorted({0, len(data), *(border % (len(data) + 1) for border in borders)})
    return [data[start:end] for start, end in pairwise(cuts)]


@given(borders=st.lists(st.integers(0, 1 << 20), max_size=40), crlf=st.booleans())
def test_a_stream_without_a_failure_stays_as_it_is(borders: list[int], crlf: bool) -> None:
    stream = EVENTS.replace(b"\n", b"\r\n") if crlf else EVENTS
    out, watched = fed(pieces_of(stream, borders))
    assert out == stream
    assert watched.error is None


@given(
    borders=st.lists(st.integers(0, 1 << 20), max_size=40),
    failure=st.sampled_from(FAILURES),
    before=st.integers(0, 12),
)
def test_a_failure_ends_it(borders: list[int], failure: tuple[bytes, int, bytes], before: int) -> None:
    told, status, body = failure
    front = b"".join(messages.events(SAID)[:before])
    out, watched = fed(pieces_of(front + told + EVENTS, borders))
    assert out == front
    assert isinstance(watched.error, StreamedError)
    assert (watched.error.head.status, watched.error.body) == (status, body)


WORDS = [
    *(b"\n", b"\n\n", b"\r\n", b"\r", b"event:", b"event: ", b"data:", b"data: ", b": c", b"error", b"ping", b"\xff"),
    *(b'{"error": 1}', b'{"type": "error"}', b'[{"error": {"code": 429}}]', b"{", b"x" * 50, *messages.events(SAID)),
]


@given(words=st.lists(st.sampled_from(WORDS), max_size=20), borders=st.lists(st.integers(0, 1 << 20), max_size=10))
def test_whatever_comes_is_let_through_up_to_the_same_failure(words: list[bytes], borders: list[int]) -> None:
    stream = b"".join(words)
    whole, found = fed([stream])
    out, watched = fed(pieces_of(stream, borders))
    assert stream.startswith(out)
    assert out.rstrip(b"\r\n") == whole.rstrip(b"\r\n"), "where blank lines follow each other is all the same"
    assert [getattr(one.error, "body", None) for one in (found, watched)].count(None) in (0, 2)
    assert found.error is not None or out == stream


@pytest.mark.parametrize(("told", "status", "body"), FAILURES)
def test_a_failure_that_the_stream_ends_in(told: bytes, status: int, body: bytes) -> None:
    out, watched = fed([EVENTS, told.rstrip()])
    assert out == EVENTS
    assert isinstance(watched.error, StreamedError)
    assert (watched.error.head.status, watched.error.body) == (status, body)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_long_event_is_not_held_for_ever(size: int) -> None:
    long = messages.event("content_block_delta", {"text": "error " * (HELD_LIMIT // 2)})
    stream = long + EVENTS
    step = max(size, 64)
    out, watched = fed([stream[at : at + step] for at in range(0, len(stream), step)])
    assert out == stream
    assert watched.error is None
    watched = StreamedErrors(as_it_is)
    assert watched.feed(long[: HELD_LIMIT + 10]), "a part is let through before the event ends"
    rest = watched.feed(long[HELD_LIMIT + 10 :] + FAILURES[0][0])
    assert rest == long[HELD_LIMIT + 10 :]
    assert isinstance(watched.error, StreamedError)


def test_a_long_failure_is_not_let_through() -> None:
    told = json.dumps({"error": {"code": 400, "message": "projects/canary " * HELD_LIMIT}}).encode()
    out, watched = fed(pieces_of(b"data: " + told, list(range(0, len(told), 10_000))))
    assert out == b""
    assert isinstance(watched.error, StreamedError)
    assert len(watched.error.body) < 10_000
