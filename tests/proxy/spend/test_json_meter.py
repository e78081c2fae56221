"""Usage read from a whole JSON answer."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.spend.meter import INLINE_BYTES, meter_json, meter_json_at_once
from gateway_proxy.spend.usage import Usage


def message(usage: Any) -> bytes:
    return json.dumps({"id": "msg_1", "content": [{"type": "text", "text": "x" * 100}], "usage": usage}).encode()


COUNTED = message({"input_tokens": 12, "output_tokens": 34})


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (COUNTED, None),
        (COUNTED, "identity"),
        (gzip.compress(COUNTED), "gzip"),
        (gzip.compress(COUNTED), " GZIP "),
        (gzip.compress(COUNTED[:20]) + gzip.compress(b"") + gzip.compress(COUNTED[20:]), "gzip"),
        (b"".join(gzip.compress(COUNTED[at : at + 1]) for at in range(len(COUNTED))), "gzip"),
        (gzip.compress(COUNTED) + b"\0" * 512, "gzip"),
    ],
)
def test_a_counted_answer(body: bytes, encoding: str | None) -> None:
    assert meter_json(body, encoding) == Usage(input_tokens=12, output_tokens=34)


@pytest.mark.parametrize(
    ("usage", "five_minutes", "one_hour"),
    [
        ({"cache_creation_input_tokens": 10}, 10, 0),
        ({"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 4}}, 6, 4),
        ({"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 99}}, 0, 10),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}, 3, 4),
    ],
)
def test_cache_writes_by_kind(usage: dict[str, Any], five_minutes: int, one_hour: int) -> None:
    found = meter_json(message(usage), None)
    assert (found.cache_creation_5m_input_tokens, found.cache_creation_1h_input_tokens) == (five_minutes, one_hour)


@pytest.mark.parametrize(
    "body",
    [b"{" * 4000, b"[]" + b" " * 3998, b"\xff" * 4000, message(None) + b" " * (4000 - len(message(None)))],
)
def test_an_answer_without_a_count_is_estimated(body: bytes) -> None:
    found = meter_json(body, None)
    assert (found.output_tokens, found.estimated) == (1000, True)


def test_an_unreadable_encoding_is_estimated() -> None:
    assert meter_json(b"x" * 400, "br") == Usage(output_tokens=100, estimated=True)
    assert meter_json(b"x" * 400, "gzip") == Usage(output_tokens=100, estimated=True)
    assert meter_json(gzip.compress(COUNTED)[:-4], "gzip").estimated
    assert meter_json(gzip.compress(COUNTED[:20]) + gzip.compress(COUNTED[20:])[:-4], "gzip").estimated


def test_a_body_that_inflates_without_end() -> None:
    bomb = gzip.compress(b"0" * (128 * 1024 * 1024), compresslevel=9)
    assert meter_json_at_once(bomb, "gzip") is None
    assert meter_json(bomb, "gzip").estimated
    parts = gzip.compress(b"0" * INLINE_BYTES) * 33
    assert meter_json_at_once(parts, "gzip") is None
    assert meter_json(parts, "gzip").estimated
    assert meter_json(gzip.compress(b"") * 100_000, "gzip").estimated


def test_a_long_answer_is_left_to_a_thread_and_counted_right() -> None:
    counted = message({"input_tokens": 12, "output_tokens": 34}).replace(b"x" * 100, b"x" * 2 * INLINE_BYTES)
    sent = gzip.compress(counted)
    assert meter_json_at_once(sent, "gzip") is None
    assert meter_json(sent, "gzip") == Usage(input_tokens=12, output_tokens=34)
    assert meter_json_at_once(counted, None) == Usage(input_tokens=12, output_tokens=34), "nothing to inflate"


@given(st.binary(max_size=300), st.sampled_from([None, "gzip", "deflate", "br", "", "gzip, gzip"]))
def test_arbitrary_bytes_never_raise(body: bytes, encoding: str | None) -> None:
    assert meter_json_at_once(body, encoding) == meter_json(body, encoding)
