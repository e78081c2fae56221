"""Answers of an upstream that are none, or none that a client could read: for each, what the client is told, what the
metric counts, what the log says, and whether the next upstream is tried (docs/upstream-failures.md)."""

import gzip
import random
from collections.abc import Iterator

import pytest
from tests.gateway.bad_answers import (
    ALL_FAILED,
    EVENTS,
    FULL,
    JSON,
    MESSAGE,
    PAGE,
    UNREADABLE,
    Row,
    envelope,
    error_event,
    events,
    failures,
    packed,
    page,
    two,
)
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Gate, stream
from tests.standins.gateway import Gateway

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'

ANY: dict[str, Row] = {
    "200 with an empty body": Row([framing.whole(200, b"", JSON)], *ALL_FAILED, "BadAnswer"),
    "200 with blanks": Row([framing.whole(200, b" \r\n", JSON)], *ALL_FAILED, "BadAnswer"),
    "200 without any header": Row([framing.whole(200, b"")], *ALL_FAILED, "BadAnswer"),
    "200 that ends with the connection, empty": Row([framing.head(200, JSON), End.CLOSE], *ALL_FAILED, "BadAnswer"),
    "200 with a page": Row([page(200)], *ALL_FAILED, "BadAnswer"),
    "200 with a page that says it is JSON": Row([page(200, "application/json")], *ALL_FAILED, "BadAnswer"),
    "200 with a page and no type": Row([framing.whole(200, PAGE)], *ALL_FAILED, "BadAnswer"),
    "200 with another type": Row([page(200, "text/plain")], *ALL_FAILED, "BadAnswer"),
    "200 with a JSON array": Row([framing.whole(200, b"[1]", JSON)], *ALL_FAILED, "BadAnswer"),
    "200 with another object": Row([framing.whole(200, b'{"status":"ok"}', JSON)], *ALL_FAILED, "BadAnswer"),
    "200 with an object of another type": Row(
        [framing.whole(200, b'{"type":"list","data":[{"type":"message"}]}', JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with a message inside": Row(
        [framing.whole(200, b'{"message":{"type":"message"},"n":[1]}', JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with half an object": Row([framing.whole(200, b'{"id":"m","content":[', JSON)], *ALL_FAILED, "BadAnswer"),
    "200 with a type that is no word": Row(
        [framing.whole(200, b'{"type":{"type":"message"}}', JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with a long object that is no message": Row(
        [framing.whole(200, b'{"type":"page","text":"' + b"x" * 3_000_000 + b'"}', JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with a long page that says it is JSON": Row(
        [framing.whole(200, PAGE + b"x" * 3_000_000, JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with a long text": Row([framing.whole(200, b"Welcome. " * 300_000)], *ALL_FAILED, "BadAnswer"),
    "200 with a long JSON array": Row(
        [framing.whole(200, b"[" + b"1," * 1_500_000 + b"1]", JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with a long script": Row(
        [framing.whole(200, b"{ window.signIn = 1 }" + b" " * 3_000_000, JSON)], *ALL_FAILED, "BadAnswer"
    ),
    "200 with an error behind other members": Row(
        [framing.whole(200, b'{"error":{"type":"overloaded_error","message":"m"},"type":"error"}', JSON)], *FULL, "5xx"
    ),
    "200 with an error": Row([framing.whole(200, envelope("overloaded_error"), JSON)], *FULL, "5xx"),
    "204": Row([framing.head(204)], *ALL_FAILED, "BadAnswer"),
    "a redirect": Row([framing.whole(302, b"", [("location", "https://login.example/")])], *ALL_FAILED, "BadAnswer"),
    "events that are a page": Row([page(200, "text/event-stream")], *ALL_FAILED, "BadAnswer"),
    "no event": Row(stream([]), *ALL_FAILED, "BadAnswer"),
    "comments alone": Row(stream([b": alive\n\n", b"\n\n", b"event: message_start\n\n"]), *ALL_FAILED, "BadAnswer"),
    "comments, then gone": Row(
        [framing.stream_head(), framing.chunk(b": kept alive\n\n"), End.RESET], *ALL_FAILED, "Reset"
    ),
    "comments without an end": Row(
        [framing.stream_head(), *[framing.chunk(b": kept alive\r\n\r\n" * 50)] * 100], *ALL_FAILED, "BadAnswer"
    ),
    "an error event behind a comment": Row(
        events(b": kept alive\n\n", error_event("overloaded_error")), *FULL, "5xx"
    ),
    "half an event": Row(stream([EVENTS[0][:30]]), *ALL_FAILED, "BadAnswer"),
    "half an event, then gone": Row(
        [framing.stream_head(), framing.chunk(EVENTS[0][:30]), End.RESET], *ALL_FAILED, "Reset"
    ),
    "an error event first": Row(events(error_event("overloaded_error")), *FULL, "5xx"),
    "an error event first, of a limit": Row(
        events(error_event("rate_limit_error")), 429, "rate_limit_error", "in words", "429"
    ),
    "an error event first, of the request": Row(
        events(error_event("invalid_request_error")), 400, "invalid_request_error", "in words", "", next=False
    ),
    "an error event first, without words": Row(events(b"event: error\ndata: no\n\n"), *ALL_FAILED, "5xx"),
    "a page with 502": Row([page(502)], *ALL_FAILED, "5xx"),
    "a page with 503": Row([page(503)], *FULL, "5xx"),
    "a page with 401": Row([page(401)], 401, "authentication_error", UNREADABLE, "401"),
    "a page with 403": Row([page(403)], 403, "permission_error", UNREADABLE, "403"),
    "a page with 404": Row([page(404)], 404, "not_found_error", UNREADABLE, "404"),
    "a page with 429": Row([page(429)], 429, "rate_limit_error", UNREADABLE, "429"),
    "a page with 400": Row([page(400)], 400, "invalid_request_error", UNREADABLE, "", next=False),
    "a page with 413": Row([page(413)], 413, "request_too_large", UNREADABLE, "", next=False),
    "401 and nothing": Row([framing.whole(401, b"")], 401, "authentication_error", UNREADABLE, "401"),
    "10 MB of an error": Row(
        [framing.whole(400, b'{"x":"' + b"x" * 10_000_000, JSON)],
        *(400, "invalid_request_error", UNREADABLE, ""),
        next=False,
    ),
    "10 MB of a limit": Row(
        [framing.whole(429, b"x" * 10_000_000, JSON)], 429, "rate_limit_error", UNREADABLE, "429"
    ),
    "10 MB of trouble": Row([framing.whole(500, b"x" * 10_000_000, JSON)], *ALL_FAILED, "5xx"),
    "a compression that was not asked for": Row([packed(b"x", encoding="br")], *ALL_FAILED, "BadAnswer"),
    "gzip that is none": Row([packed(b"{}")], *ALL_FAILED, "Protocol"),
    "gzip that ends in the middle": Row(
        [packed(gzip.compress(MESSAGE)[:-9])], *ALL_FAILED, "Protocol"
    ),
    "a gzip bomb": Row([packed(gzip.compress(b"{" + b" " * 100_000_000))], *ALL_FAILED, "Protocol"),
    "a flood of headers": Row(
        [framing.head(200, [(f"x-{n}", "y" * 500) for n in range(5000)]), End.CLOSE], *ALL_FAILED, "Protocol"
    ),
    "a flood of short headers": Row(
        [framing.head(200, [("a", "") for n in range(30_000)]), End.CLOSE], *ALL_FAILED, "Protocol"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared_second() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server


@pytest.fixture
def second(shared_second: AnthropicUpstream) -> Iterator[AnthropicUpstream]:
    shared_second.begin_test()
    yield shared_second
    assert shared_second.problems == []


@pytest.mark.parametrize("row", ANY.values(), ids=ANY.keys())
@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_alone(gateway: Gateway, upstream: AnthropicUpstream, row: Row, body: bytes) -> None:
    before = failures(gateway)
    upstream.respond = lambda request: row.script
    answer = gateway.messages(body)
    assert (answer.status, answer.error[0]) == (row.status, row.kind)
    assert row.message in answer.error[1]
    if row.message != "in words":
        assert answer.json()["request_id"] == answer.header("x-request-id")
    assert answer.header("content-type") == "application/json"
    assert b"db-7" not in answer.body
    assert gateway.audit_of(answer)["status"] == row.status
    counted = {reason: value - before.get(reason, 0) for reason, value in failures(gateway).items()}
    assert {reason for reason, value in counted.items() if value} == ({row.reason} if row.reason else set())
    upstream.respond = upstream.usual
    assert gateway.messages(body).status == 200, "the next request is not touched by it"


@pytest.mark.parametrize("row", ANY.values(), ids=ANY.keys())
@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_with_another_behind_it(
    gateway: Gateway, upstream: AnthropicUpstream, second: AnthropicUpstream, row: Row, body: bytes
) -> None:
    gateway.load(two(upstream, second))
    upstream.respond = lambda request: row.script
    answer = gateway.messages(body)
    assert answer.status == (200 if row.next else row.status)
    assert len(second.requests) == row.next
    line = gateway.audit_of(answer)
    assert (line["upstream"], list(line.get("passed_over", ()))) == (
        ("claude/second", ["claude/anthropic"]) if row.next else ("claude/anthropic", [])
    )


def test_a_long_answer_that_is_none_is_left(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Whoever sends it without an end holds no connection of the gateway's."""
    head = framing.head(200, [*JSON, ("content-length", "9000000")])
    upstream.script(head + b'{"type":"page","text":"' + b"x" * 3_000_000, Gate())
    assert gateway.messages(BODY).status == 502
    upstream.wait_for(lambda: upstream.last.hung_up_at is not None, what="the gateway leaving")


def test_a_page_is_in_the_log_beside_the_request(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.script(page(403))
    answer = gateway.messages(BODY)
    line = gateway.log_of("upstream.error", request_id=answer.header("x-request-id"))
    assert PAGE.decode() in line["message"]
    assert answer.header("retry-after") == "7"


@pytest.mark.parametrize("asked", ["identity", "gzip", None])
@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_gzip_that_nobody_asked_for_is_unpacked(
    gateway: Gateway, upstream: AnthropicUpstream, body: bytes, asked: str | None
) -> None:
    """Case 13."""
    plain = b"".join(EVENTS) if body is STREAMED else MESSAGE
    zipped = gzip.compress(plain)
    kind = "text/event-stream" if body is STREAMED else "application/json"
    headers = [("content-type", kind), ("content-encoding", "gzip")]
    upstream.script(framing.head(200, [*headers, ("transfer-encoding", "chunked")]),
                    *map(framing.chunk, framing.cut(zipped, 1, 11, 40, 90, 120)), framing.LAST_CHUNK)  # fmt: skip
    given = [("accept-encoding", asked)] if asked is not None else []
    answer = gateway.messages(body, headers=given)
    if answer.header("content-encoding") == "gzip":
        assert (asked, body) == ("gzip", BODY)
        assert gzip.decompress(answer.body) == plain
    else:
        assert (answer.header("content-encoding"), answer.body) == (None, plain)
    assert gateway.audit_of(answer)["tokens"]["output"] == messages.OUTPUT_TOKENS


@pytest.mark.parametrize("asked", ["identity", "gzip"])
def test_an_error_in_gzip_is_read(gateway: Gateway, upstream: AnthropicUpstream, asked: str) -> None:
    data = gzip.compress(envelope("invalid_request_error"))
    upstream.script(framing.whole(400, data, [*JSON, ("content-encoding", "gzip")]))
    answer = gateway.messages(BODY, headers=[("accept-encoding", asked)])
    assert (answer.status, answer.error) == (400, ("invalid_request_error", "in words"))


ZIPPED = {
    "an object that is no message": (gzip.compress(b'{"status":"ok"}'), ALL_FAILED),
    "a message in other bytes": (gzip.compress(b'{"data":{"type":"message"}}'), ALL_FAILED),
    "a page": (gzip.compress(PAGE), ALL_FAILED),
    "an error": (gzip.compress(envelope("overloaded_error")), FULL),
    "an error in members": (gzip.compress(b"") + gzip.compress(envelope("overloaded_error")), FULL),
    "nothing": (gzip.compress(b""), ALL_FAILED),
    "no gzip": (MESSAGE, ALL_FAILED),
}


@pytest.mark.parametrize(("data", "told"), ZIPPED.values(), ids=ZIPPED.keys())
def test_what_a_client_takes_in_gzip_is_looked_into(
    gateway: Gateway, upstream: AnthropicUpstream, data: bytes, told: tuple[int, str, str]
) -> None:
    upstream.script(packed(data))
    answer = gateway.messages(BODY, headers=[("accept-encoding", "gzip")])
    assert (answer.status, answer.error[0]) == told[:2]
    assert told[2] in answer.error[1] or answer.error[1] == "in words"
    assert answer.header("content-encoding") is None


LONG = random.Random(1).randbytes(3_000_000).hex().encode()
"""What stays longer than 1 MiB in gzip too."""


@pytest.mark.parametrize("begun", [b"<html>", b"[1,", b"{ a: ", b'{"type":"page","text":"'])
def test_what_a_client_takes_in_gzip_is_looked_into_where_it_is_long(
    gateway: Gateway, upstream: AnthropicUpstream, begun: bytes
) -> None:
    for data in (begun + b" " * 600_000, begun + LONG):
        upstream.script(packed(gzip.compress(data)))
        answer = gateway.messages(BODY, headers=[("accept-encoding", "gzip")])
        assert (answer.status, answer.error[0]) == ALL_FAILED[:2]


@pytest.mark.parametrize("asked", ["identity", "gzip"])
@pytest.mark.parametrize(
    "message",
    [
        b'{ "usage": {"output_tokens": 37}, "content": [], "ty\\u0070e": "message" }',
        b'{"usage":{"output_tokens":37},"content":[{"text":"' + b"x" * 600_000 + b'"}],"type":"message"}',
        b'{"usage":{"output_tokens":37},"content":[{"text":"' + b"x" * 3_000_000 + b'"}],"type":"message"}',
    ],
    ids=["short", "long", "longer"],
)
def test_a_message_with_its_members_in_another_order_is_one(
    gateway: Gateway, upstream: AnthropicUpstream, asked: str, message: bytes
) -> None:
    upstream.script(packed(gzip.compress(message)) if asked == "gzip" else framing.whole(200, message, JSON))
    answer = gateway.messages(BODY, headers=[("accept-encoding", asked)])
    assert answer.status == 200
    assert (gzip.decompress(answer.body) if asked == "gzip" else answer.body) == message
    assert gateway.audit_of(answer)["tokens"]["output"] == 37


def test_a_gzip_bomb_inside_a_stream_ends_in_band(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    bomb = gzip.compress(EVENTS[0] + b"x" * 100_000_000)
    upstream.script(framing.stream_head([("content-encoding", "gzip")]), framing.chunk(bomb), framing.LAST_CHUNK)
    answer = gateway.messages(STREAMED)
    assert len(answer.body) < 1_000_000
    assert answer.status == 502 or answer.body.endswith(b"\n\n")
    assert gateway.audit_of(answer)["outcome"] != "completed"


def test_json_in_the_place_of_a_stream_is_an_answer(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Some gateways of others do not stream; the client asked for a message, and there it is."""
    upstream.script(framing.whole(200, MESSAGE, JSON))
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.body) == (200, MESSAGE)


def test_a_comment_before_the_first_event_passes_too(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    told = [b": kept alive\r\n\r\n", b"\n", *EVENTS]
    upstream.script(*stream(told))
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.body) == (200, b"".join(told))


@pytest.mark.parametrize("before", [b": kept alive\n", b"id: 1\n", b"retry: 5\r\n", b": kept alive\n\n"])
def test_an_error_is_one_whatever_stands_before_it(
    gateway: Gateway, upstream: AnthropicUpstream, before: bytes
) -> None:
    upstream.script(*stream([before + error_event("overloaded_error")]))
    assert gateway.messages(STREAMED).status == 529


@pytest.mark.parametrize("asked", ["identity", "gzip"])
def test_an_answer_behind_blanks_is_one(gateway: Gateway, upstream: AnthropicUpstream, asked: str) -> None:
    """Proxies send them while they wait, so that the connection stays open."""
    told = b" \r\n" * 2000 + MESSAGE
    upstream.script(packed(gzip.compress(told)) if asked == "gzip" else framing.whole(200, told, JSON))
    answer = gateway.messages(BODY, headers=[("accept-encoding", asked)])
    assert (answer.status, gzip.decompress(answer.body) if asked == "gzip" else answer.body) == (200, told)


def test_a_first_event_in_pieces_is_waited_for(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 11: whether it tells of an error is known once it is whole."""
    error = error_event("overloaded_error")
    upstream.script(framing.stream_head(), *map(framing.chunk, framing.single_bytes(error)), framing.LAST_CHUNK)
    assert gateway.messages(STREAMED).status == 529
