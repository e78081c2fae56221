"""Attributes taken out of reports, and reports as gRPC carries them."""

import gzip
import json
import zlib
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from tests.standins.collector import REQUESTS, attribute_keys
from tests.standins.otlp import EMAIL, MESSAGES, as_json

from gateway_proxy.telemetry.relay import codec
from gateway_proxy.telemetry.relay.batch import JSON, PROTOBUF, SIGNALS, Batch, Signal, UndecodableError

signals = pytest.mark.parametrize("signal", SIGNALS)


def message(signal: Signal) -> Any:
    return MESSAGES[signal.lower()]


def batch(signal: Signal, body: bytes, *, content_type: str = PROTOBUF, encoding: str | None = None) -> Batch:
    return Batch(signal, body, content_type, encoding, 0.0)


def keys(signal: Signal, body: bytes) -> list[str]:
    return sorted(attribute_keys(MessageToDict(REQUESTS[signal.lower()].FromString(body))))


@signals
@pytest.mark.parametrize("compressed", [False, True])
def test_an_attribute_goes_wherever_it_stands(signal: Signal, compressed: bool) -> None:
    plain = message(signal).SerializeToString()
    given = batch(signal, gzip.compress(plain) if compressed else plain, encoding="gzip" if compressed else None)
    redacted = codec.redacted(given, {EMAIL})
    assert (redacted.content_type, redacted.encoding) == (given.content_type, given.encoding)
    body = gzip.decompress(redacted.body) if compressed else redacted.body
    assert keys(signal, plain).count(EMAIL) >= 6
    assert keys(signal, body) == [key for key in keys(signal, plain) if key != EMAIL]


@signals
def test_json_stays_json(signal: Signal) -> None:
    given = as_json(message(signal))
    redacted = codec.redacted(
        batch(signal, json.dumps(given).encode(), content_type="application/json; charset=utf-8"), {EMAIL}
    )
    left = json.loads(redacted.body)
    assert sorted(attribute_keys(left)) == [key for key in sorted(attribute_keys(given)) if key != EMAIL]


def test_a_spelling_with_escapes_is_the_same_name() -> None:
    body = b'{"resourceLogs":[{"resource":{"attributes":[{"key":"user\\u002eemail"},{"key":"kept"}]}}]}'
    redacted = codec.redacted(batch("Logs", body, content_type=JSON), {EMAIL})
    assert list(attribute_keys(json.loads(redacted.body))) == ["kept"]


@signals
def test_without_the_attribute_it_goes_on_as_it_came(signal: Signal) -> None:
    given = batch(signal, gzip.compress(message(signal).SerializeToString()), encoding="gzip")
    assert codec.redacted(given, {"tool.input"}) is given


@signals
@pytest.mark.parametrize("compressed", [False, True])
def test_json_becomes_the_same_protobuf(signal: Signal, compressed: bool) -> None:
    body = json.dumps({**as_json(message(signal)), "unknown": {"x": 1}}).encode()
    given = batch(
        signal,
        gzip.compress(body) if compressed else body,
        content_type=JSON,
        encoding="gzip" if compressed else None,
    )
    assert REQUESTS[signal.lower()].FromString(codec.protobuf(given)) == message(signal)


def test_protobuf_goes_on_as_it_came() -> None:
    assert codec.protobuf(batch("Logs", gzip.compress(b"whatever"), encoding="gzip")) == b"whatever"


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        (b"\xff\xff" + EMAIL.encode(), PROTOBUF, None),
        (b"[", JSON, None),
        (b"no gzip", PROTOBUF, "gzip"),
        (gzip.compress(b"x" * 100)[:-10], PROTOBUF, "gzip"),
        (zlib.compress(b"x"), PROTOBUF, "deflate"),
        (gzip.compress(b"") + gzip.compress(EMAIL.encode()), PROTOBUF, "gzip"),
        (b'[{"key":"user.email"}]', "text/json", None),
        (gzip.compress(bytes(codec.MAX_INFLATED_BYTES + 1)), PROTOBUF, "gzip"),
        (b"[" * 1000 + b"]" * 1000, JSON, None),
        (b"[" * 100_000, JSON, None),
    ],
    ids=["protobuf", "json", "gzip", "cut", "deflate", "two", "text", "bomb", "deep", "deeper"],
)
def test_what_is_not_what_it_says_is_not_sent(body: bytes, content_type: str, encoding: str | None) -> None:
    with pytest.raises(UndecodableError):
        codec.redacted(batch("Metrics", body, content_type=content_type, encoding=encoding), {EMAIL})


@pytest.mark.parametrize(
    "document",
    [[], 5, {"resourceLogs": 5}, {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "xyz"}]}]}]}],
)
def test_json_of_another_shape_is_no_protobuf(document: Any) -> None:
    with pytest.raises(UndecodableError):
        codec.protobuf(batch("Logs", json.dumps(document).encode(), content_type=JSON))
