"""What a request may look like: one reading of it only, within limits (gateway cases 13 and 15)."""

import json

import pytest
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.raw_client import connect, request_bytes

MODEL = b'"model":"claude-sonnet-5-5"'
LIMIT = 32 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    {
        "model twice": b'{%b,"model":"claude-opus-5-5"}' % MODEL,
        "model twice, the same": b"{%b,%b}" % (MODEL, MODEL),
        "model escaped": b'{"\\u006dodel":"claude-sonnet-5-5"}',
        "model plain and escaped": b'{%b,"mode\\u006c":"claude-opus-5-5"}' % MODEL,
        "stream twice": b'{%b,"stream":false,"stream":true}' % MODEL,
        "stream escaped": b'{%b,"stre\\u0061m":true}' % MODEL,
        "max_tokens twice": b'{%b,"max_tokens":1,"max_tokens":2}' % MODEL,
        "tags escaped": b'{%b,"t\\u0061gs":[]}' % MODEL,
    }.items(),
    ids=lambda named: str(named[0]),
)
def test_a_member_that_routes_has_one_spelling(
    gateway: Gateway, upstream: AnthropicUpstream, body: tuple[str, bytes]
) -> None:
    answer = gateway.messages(body[1])
    assert (answer.status, answer.error[0]) == (400, "invalid_request_error")
    assert upstream.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b'{%b,"a":1,"a":2}' % MODEL,
        b'{%b,"\\u0061":{"model":"x","model":"y"}}' % MODEL,
        b'{%b,"model ":"x","Model":"y"}' % MODEL,
    ],
)
def test_other_members_may_be_spelled_as_they_like(gateway: Gateway, upstream: AnthropicUpstream, body: bytes) -> None:
    assert gateway.messages(body).status == 200
    assert upstream.last.body == body


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"null", b'"model"', b"{", b"{%b" % MODEL, b"{%b,}" % MODEL, b"{%b}x" % MODEL,
     b'{%b,"a":NaN}' % MODEL, b'{%b,"a":01}' % MODEL, b"{'model':'claude-sonnet-5-5'}", b'\xff\xfe{"a":1}',
     b'{%b,"a":"\xff"}' % MODEL, b'{%b,"a":"\x01"}' % MODEL, b'{%b,"a":"\\x"}' % MODEL],
)  # fmt: skip
def test_a_body_that_is_no_json_object(gateway: Gateway, upstream: AnthropicUpstream, body: bytes) -> None:
    answer = gateway.messages(body)
    assert (answer.status, answer.error[0]) == (400, "invalid_request_error")
    assert upstream.requests == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "x"])
def test_a_content_encoding_is_415(gateway: Gateway, upstream: AnthropicUpstream, encoding: str) -> None:
    answer = gateway.messages(b"{%b}" % MODEL, headers=[("content-encoding", encoding)])
    assert (answer.status, answer.error[0]) == (415, "invalid_request_error")
    assert upstream.requests == []


def test_a_chunked_body_arrives_with_its_length(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    body = b'{%b, "system":"%b"}' % (MODEL, b"x" * 300_000)
    parts = [body[:1], body[1:9], body[9:200_000], body[200_000:]]
    chunked = b"".join(framing.chunk(part, extension=b";x=1") for part in parts) + framing.last_chunk([("t", "1")])
    with connect(gateway.port) as client:
        headers = [*gateway.headers(), ("transfer-encoding", "chunked")]
        for _ in range(2):
            client.send(request_bytes("POST", "/v1/messages", headers, chunked))
            assert client.response().status == 200
            assert upstream.last.body == body
            assert upstream.last.header("content-length") == str(len(body))


def test_32_mib_are_taken(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 15: no smaller default of a library's gets in the way."""
    body = b'{%b,"system":"%b"}' % (MODEL, b"x" * (LIMIT - len(MODEL) - 14))
    assert len(body) == LIMIT
    assert gateway.messages(body).status == 200
    assert upstream.last.body == body


def test_more_is_413_before_it_is_read(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    with connect(gateway.port) as client:
        headers = [*gateway.headers(), ("content-length", str(LIMIT + 1))]
        client.send(request_bytes("POST", "/v1/messages", headers))
        answer = client.response()
    assert (answer.status, answer.error[0]) == (413, "request_too_large")
    assert str(LIMIT) in answer.error[1]
    assert upstream.requests == []


def test_the_limit_is_the_gateway_s_to_set(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, http={"maxRequestBytes": 100_000}))
    body = b'{%b,"system":"%b"}' % (MODEL, b"x" * 100_000)
    assert gateway.messages(body).status == 413
    assert gateway.messages(body[:90_000] + b'"}').status == 200


def test_a_client_that_sends_all_of_it_can_read_the_413(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, http={"maxRequestBytes": 100_000}))
    with connect(gateway.port) as client:
        body = b"x" * 8_000_000
        client.send(request_bytes("POST", "/v1/messages", gateway.headers(), body))
        assert client.response().status == 413


def test_a_chunked_body_above_the_limit_is_413(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, http={"maxRequestBytes": 100_000}))
    with connect(gateway.port) as client:
        client.send(request_bytes("POST", "/v1/messages", [*gateway.headers(), ("transfer-encoding", "chunked")]))
        for _ in range(3):
            client.send(framing.chunk(b"x" * 50_000))
        assert client.response().status == 413
    assert upstream.requests == []


def test_expect_100_continue_is_answered_before_the_body(gateway: Gateway) -> None:
    body = b"{%b}" % MODEL
    with connect(gateway.port) as client:
        headers = [*gateway.headers(), ("content-length", str(len(body))), ("expect", "100-continue")]
        client.send(request_bytes("POST", "/v1/messages", headers))
        assert client.head().status == 100
        client.send(body)
        assert client.response().status == 200


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ([("content-length", str(LIMIT + 1))], 413),
        ([("content-length", "10"), ("content-encoding", "gzip")], 415),
        ([("content-length", "10"), ("authorization", "Bearer wrong")], 401),
    ],
)
def test_expect_100_continue_is_refused_without_a_continue(
    gateway: Gateway, extra: list[tuple[str, str]], status: int
) -> None:
    names = {name for name, _ in extra}
    kept = [(name, value) for name, value in gateway.headers() if name not in names]
    with connect(gateway.port) as client:
        client.send(request_bytes("POST", "/v1/messages", [*kept, *extra, ("expect", "100-continue")]))
        assert client.head().status == status


def test_bodies_in_memory_are_bounded_together(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, http={"maxRequestBytes": 100_000, "maxBufferedBytes": 150_000}))
    headers = [*gateway.headers(), ("content-length", "100000"), ("expect", "100-continue")]
    asked = request_bytes("POST", "/v1/messages", headers)

    def refused() -> bool:
        with connect(gateway.port) as other:
            other.send(asked)
            if other.head().status == 100:
                return False  # what the slow one sent has not been read yet
        with connect(gateway.port) as other:
            other.send(asked)
            answer = other.response()
        assert (answer.status, answer.error[0]) == (429, "rate_limit_error")
        assert answer.header("retry-after")
        return True

    with connect(gateway.port) as slow:
        slow.send(asked)
        assert slow.head().status == 100
        assert not refused(), "a length that is only declared takes no room"
        body = b'{%b,"a":"' % MODEL + b"x" * 80_000
        slow.send(body)
        eventually(refused, what="no room beside what has come")
        slow.send(b"x" * (100_000 - len(body) - 2) + b'"}')
        assert slow.response().status == 200
    assert gateway.messages(b'{%b,"a":"%b"}' % (MODEL, b"x" * 60_000)).status == 200, "the room is free again"


def test_clients_that_leave_while_sending_leave_their_room(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, http={"maxRequestBytes": 100_000, "maxBufferedBytes": 150_000}))
    begun = request_bytes("POST", "/v1/messages", [*gateway.headers(), ("content-length", "100000")]) + b"{" * 50_000
    for _ in range(10):
        with connect(gateway.port) as client:
            client.send(begun)
    body = b'{%b,"a":"%b"}' % (MODEL, b"x" * 90_000)
    eventually(lambda: gateway.messages(body).status == 200, what="room for a large body again")


def test_deep_nesting_is_no_crash(gateway: Gateway) -> None:
    deep = b'{%b,"a":%b%b}' % (MODEL, b"[" * 100_000, b"]" * 100_000)
    answer = gateway.messages(deep)
    assert answer.status in (200, 400)
    assert json.loads(answer.body)
