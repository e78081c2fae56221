"""Frames of AWS event streams: found wherever packets are cut, and believed only when both checksums are right."""

import itertools
import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standins import event_frames
from tests.standins.event_frames import frame, frame_of_lengths, headers_of, text

from gateway_proxy.upstream.event_stream import HEADERS_LIMIT, PAYLOAD_LIMIT, FrameReader, parse_headers

FRAMES = st.lists(st.tuples(st.binary(max_size=60), st.binary(max_size=300)), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


def read(packets: list[bytes]) -> tuple[list[tuple[bytes, bytes]], FrameReader]:
    reader = FrameReader()
    return [one for packet in packets for one in reader.feed(packet)], reader


@given(FRAMES, st.lists(st.integers(0, 10_000), max_size=12))
def test_frames_are_the_same_wherever_packets_are_cut(frames: list[tuple[bytes, bytes]], places: list[int]) -> None:
    found, reader = read(cut(b"".join(frame(*one) for one in frames), places))
    assert found == frames
    assert reader.error is None
    assert not reader.partial


def test_a_stream_that_comes_byte_by_byte() -> None:
    whole = event_frames.chunk(b'{"type":"ping"}') * 3
    found, reader = read([whole[at : at + 1] for at in range(len(whole))])
    assert len(found) == 3
    assert not reader.partial


@pytest.mark.parametrize("left", range(1, 16))
def test_a_frame_that_is_not_whole_is_waited_for(left: int) -> None:
    whole = frame(b"", b"")
    found, reader = read([whole, whole[:left]])
    assert (found, reader.partial, reader.error) == ([(b"", b"")], True, None)


@pytest.mark.parametrize("at", range(16 + 4 + 5))
def test_any_wrong_byte_is_found(at: int) -> None:
    good = frame(b"abcd", b"12345")
    bad = bytearray(good)
    bad[at] ^= 0x10
    found, reader = read([good + bytes(bad) + good])
    assert found == [(b"abcd", b"12345")], "nothing behind it, and not it"
    assert reader.error is not None


@pytest.mark.parametrize(
    ("total", "headers"),
    [(0, 0), (4, 0), (15, 0), (16, 1), (20, 4 + 1), (16 + HEADERS_LIMIT + 1, HEADERS_LIMIT + 1),
     (16 + PAYLOAD_LIMIT + 1, 0), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0xFFFFFFFF), (16, 0xFFFFFFFF)],
)  # fmt: skip
def test_impossible_lengths_are_refused_before_anything_is_held(total: int, headers: int) -> None:
    found, reader = read([frame_of_lengths(total, headers, b"1234")])
    assert found == []
    assert reader.error is not None
    assert not reader.partial


def test_the_largest_frame_passes() -> None:
    headers, payload = bytes(HEADERS_LIMIT), bytes(PAYLOAD_LIMIT)
    whole = frame(headers, payload)
    found, reader = read([whole[start : start + 65536] for start in range(0, len(whole), 65536)])
    assert [(len(one), len(other)) for one, other in found] == [(HEADERS_LIMIT, PAYLOAD_LIMIT)]
    assert reader.error is None


def test_headers_of_every_type() -> None:
    identifier = uuid.UUID(int=7)
    raw = headers_of(
        {
            "true": (0, b""),
            "false": (1, b""),
            "byte": (2, struct.pack(">b", -2)),
            "short": (3, struct.pack(">h", -300)),
            "integer": (4, struct.pack(">i", -70_000)),
            "long": (5, struct.pack(">q", -(2**40))),
            "bytes": (6, struct.pack(">H", 3) + b"\xff\x00a"),
            "text": text("hé"),
            "time": (8, struct.pack(">q", 1_790_000_000_000)),
            "uuid": (9, identifier.bytes),
            "empty": text(""),
        }
    )
    assert parse_headers(raw) == {
        "true": True,
        "false": False,
        "byte": -2,
        "short": -300,
        "integer": -70_000,
        "long": -(2**40),
        "bytes": b"\xff\x00a",
        "text": "hé",
        "time": 1_790_000_000_000,
        "uuid": identifier.bytes,
        "empty": "",
    }
