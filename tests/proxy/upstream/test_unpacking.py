"""Gzip that comes although nobody asked for it: unpacked as it comes, bounded, and never half of it for the whole."""

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.upstream.errors import ProtocolError
from gateway_proxy.upstream.unpacking import FREE_BYTES, RATIO, Gunzip


def unpacked(*packets: bytes) -> tuple[bytes, object]:
    decoder = Gunzip()
    out = b""
    for packet in packets:
        out += decoder.feed(packet)
        if decoder.error is not None:
            return out, type(decoder.error)
    out += decoder.end()
    return out, None if decoder.error is None else type(decoder.error)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.lists(st.integers(0, 900), max_size=5))
def test_members_in_whatever_pieces(members: list[bytes], borders: list[int]) -> None:
    data = b"".join(map(gzip.compress, members))
    at = [0, *sorted(min(border, len(data)) for border in borders), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(at)]
    assert unpacked(*pieces) == (b"".join(members), None)


@given(st.binary(max_size=200))
def test_whatever_else_comes_is_an_error(data: bytes) -> None:
    out, error = unpacked(data)
    assert (out == b"" and not data) or error is ProtocolError


def test_nothing_is_nothing() -> None:
    assert unpacked() == (b"", None)


@pytest.mark.parametrize("end", [1, 9, 10, 11, -9, -8, -1])
def test_an_end_in_the_middle_is_an_error(end: int) -> None:
    assert unpacked(gzip.compress(b"one two three")[:end])[1] is ProtocolError


def test_what_follows_is_an_error() -> None:
    assert unpacked(gzip.compress(b"one") + b"\x00")[1] is ProtocolError


@pytest.mark.parametrize("packet", [100, 65536])
def test_a_bomb_is_bounded(packet: int) -> None:
    bomb = gzip.compress(b"\x00" * 100_000_000)
    decoder = Gunzip()
    most = 0
    for at in range(0, len(bomb), packet):
        most = max(most, len(decoder.feed(bomb[at : at + packet])))
        if decoder.error is not None:
            break
    assert isinstance(decoder.error, ProtocolError)
    assert most <= FREE_BYTES + RATIO * packet


def test_long_text_passes() -> None:
    text = b"event: content_block_delta\ndata: {}\n\n" * 100_000
    data = gzip.compress(text, 1)
    assert unpacked(*[data[at : at + 4096] for at in range(0, len(data), 4096)]) == (text, None)
