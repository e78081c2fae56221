"""What Bedrock streams becomes the server-sent events that the Messages API would have sent, byte for byte."""

import base64
import json

import pytest
from tests.standins import event_frames, messages

from gateway_proxy.providers.bedrock_stream import BedrockStream
from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.errors import ProtocolError, UpstreamError
from gateway_proxy.upstream.head import ResponseHead

EVENTS = messages.events(messages.thinking("hm"), messages.text("héllo"), messages.tool_use("look", {"n": 1}))
HEAD = ResponseHead(
    200, [(b"x-amzn-requestid", b"7e6f")], content_length=None, chunked=True, keep_alive=True
)  # fmt: skip


def translated(head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
    return head, b"told: %d" % head.status


def relayed(*packets: bytes) -> tuple[bytes, UpstreamError | None]:
    decoder, said = BedrockStream(HEAD, translated), b""
    for packet in packets:
        said += decoder.feed(packet)
        if decoder.error is not None:
            return said, decoder.error
    said += decoder.end()
    return said, decoder.error


def failure(*packets: bytes) -> StreamedError:
    said, error = relayed(*packets)
    assert said == b""
    assert isinstance(error, StreamedError)
    return error


def test_events_are_the_same_in_any_packets() -> None:
    frames = event_frames.stream(EVENTS)
    whole = b"".join(frames)
    for packets in frames, [whole], [whole[at : at + 7] for at in range(0, len(whole), 7)]:
        assert relayed(*packets) == (b"".join(EVENTS), None)


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"ping"}',
        b'{"type":"of_next_year","n":12345678901234567890,"x":1.0}',
        b'{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1e2}}',
        b'{ "type" : "content_block_stop" , "index" : 0 }',
        b'{"index":0,"type":"content_block_stop"}',
    ],
)
@pytest.mark.parametrize("padding", ["", "abc", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"])
def test_an_event_of_any_type_passes_as_it_is(data: bytes, padding: str) -> None:
    kind = json.loads(data)["type"].encode()
    said, error = relayed(event_frames.chunk(data, padding=padding))
    assert (said, error) == (b"event: " + kind + b"\ndata: " + data + b"\n\n", None)


@pytest.mark.parametrize("data", [b"{}", b'{"type":null}', b'{"type":"a b"}', b'{"type":"a\\nb"}', b'{"type":""}'])
def test_an_event_whose_type_names_none_has_only_data(data: bytes) -> None:
    assert relayed(event_frames.chunk(data)) == (b"data: " + data + b"\n\n", None)


def test_line_ends_between_members_become_blanks() -> None:
    said, error = relayed(event_frames.chunk(b'{\r\n"type": "ping",\n"n": 1}'))
    assert (said, error) == (b'event: ping\ndata: {  "type": "ping", "n": 1}\n\n', None)


def test_members_of_a_chunk_in_another_order_and_spelling() -> None:
    encoded = base64.b64encode(b'{"type":"ping","said":"??>"}').decode()
    assert "/" in encoded
    payload = '{ "p" : "x", "n": [1], "bytes" : "' + encoded.replace("/", "\\/") + '" }'
    said, error = relayed(event_frames.message(payload.encode(), event_type="chunk", message_type="event"))
    assert (said, error) == (b'event: ping\ndata: {"type":"ping","said":"??>"}\n\n', None)


def test_frames_that_carry_no_event_are_passed_over() -> None:
    others = [
        event_frames.message(b"{}", event_type="initial-response", message_type="event"),
        event_frames.message(b"", message_type="event"),
        event_frames.frame(b"", b"anything"),
    ]
    assert relayed(*others, event_frames.chunk(b'{"type":"ping"}'))[0] == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]", b'{"bytes":7}', b'{"bytes":"a"}', b'{"bytes":"%%%%"}', b'{"bytes":"e30="', b"[" * 100_000,
     *(b'{"bytes":"%b"}' % base64.b64encode(data) for data in (b"", b"[]", b"7", b"{", b'{"a":', b"\xff", b"<html>"))],
    ids=range(15),
)  # fmt: skip
def test_a_chunk_that_makes_no_sense_ends_the_stream(payload: bytes) -> None:
    bad = event_frames.message(payload, event_type="chunk", message_type="event")
    said, error = relayed(event_frames.chunk(b'{"type":"ping"}') + bad)
    assert said == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert isinstance(error, ProtocolError)


def test_malformed_headers_end_the_stream() -> None:
    assert isinstance(relayed(event_frames.frame(b"\x05abc", b""))[1], ProtocolError)


def test_an_end_inside_of_a_frame_is_an_error() -> None:
    whole = event_frames.chunk(b'{"type":"ping"}')
    said, error = relayed(whole, whole[:-1])
    assert said == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert isinstance(error, ProtocolError)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("internalServerException", 500),
        ("modelStreamErrorException", 424),
        ("validationException", 400),
        ("throttlingException", 429),
        ("modelTimeoutException", 408),
        ("serviceUnavailableException", 503),
        ("ofNextYearException", 500),
    ],
)
def test_an_exception_is_the_answer_that_it_would_have_been(name: str, status: int) -> None:
    error = failure(event_frames.exception(name, "something about arn:aws:iam::123456789012:role/x"))
    assert error.head.status == status
    assert error.head.get(b"x-amzn-errortype") == (name[0].upper() + name[1:]).encode()
    assert error.head.get(b"x-amzn-requestid") == b"7e6f"
    assert json.loads(error.body) == {"message": "something about arn:aws:iam::123456789012:role/x"}
    assert "arn:" not in str(error), "texts of errors are logged beside the request"


@pytest.mark.parametrize(("kind", "status"), [("overloaded_error", 529), ("api_error", 500), ("of_next_year", 502)])
@pytest.mark.parametrize("spaced", [False, True])
def test_an_error_event_is_the_answer_that_it_would_have_been(kind: str, status: int, spaced: bool) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    data = json.dumps({"type": "error", "error": {"type": kind, "message": "m"}}, separators=separators).encode()
    error = failure(event_frames.chunk(data))
    assert (error.head.status, error.body) == (status, data)


def test_what_came_before_an_exception_is_relayed_and_nothing_behind_it() -> None:
    frames = event_frames.stream(EVENTS[:3])
    failed = event_frames.exception("throttlingException", "slow down")
    said, error = relayed(b"".join([*frames, failed, *frames]))
    assert said == b"".join(EVENTS[:3])
    assert isinstance(error, StreamedError)
    assert error.in_band is not None
    assert error.in_band() == b"told: 429"


def test_an_error_without_a_payload_says_what_its_headers_say() -> None:
    error = failure(event_frames.error("InternalServerException", "broken"))
    assert (error.head.status, json.loads(error.body)) == (500, {"message": "broken"})


@pytest.mark.parametrize("name", ["", "a\r\nx: y", "é", "a" * 200])
def test_a_name_that_no_header_can_carry_stays_behind(name: str) -> None:
    error = failure(event_frames.exception(name))
    assert error.head.get(b"x-amzn-errortype") == b"Unknown"
    assert error.head.status == 500
