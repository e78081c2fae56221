"""Gzip that comes although nobody asked for it: unpacked as it comes, bounded, and never half of it for the whole."""

import gzip
import itertools
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.upstream import unpacking
from gateway_proxy.upstream.errors import ProtocolError
from gateway_proxy.upstream.unpacking import FREE_BYTES, MEMBERS_LIMIT, RATIO, Gunzip


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


def test_an_event_in_each_member_passes() -> None:
    event = b"event: content_block_delta\ndata: {}\n\n"
    data = gzip.compress(event) * (2 * MEMBERS_LIMIT)
    assert unpacked(*[data[at : at + 4096] for at in range(0, len(data), 4096)]) == (event * 2 * MEMBERS_LIMIT, None)


@pytest.mark.parametrize("packet", [100, 262_144])
@pytest.mark.parametrize("content", [b"", b"x"])
def test_members_with_hardly_anything_in_them_come_to_an_end(content: bytes, packet: int) -> None:
    data = gzip.compress(content) * (2 * MEMBERS_LIMIT)
    out, error = unpacked(*[data[at : at + packet] for at in range(0, len(data), packet)])
    assert (len(out) <= MEMBERS_LIMIT + 1, error) == (True, ProtocolError)


def test_what_is_behind_a_member_is_not_copied_again_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    handed = 0

    class Counting:
        """zlib's own, and how many bytes it is handed."""

        def __init__(self, window: int) -> None:
            self._real = zlib.decompressobj(window)

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal handed
            handed += len(data)
            return self._real.decompress(data, limit)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    monkeypatch.setattr(unpacking, "zlib", SimpleNamespace(decompressobj=Counting, error=zlib.error))
    member = gzip.compress(bytes(range(64)))

    def work(members: int) -> int:
        nonlocal handed
        handed = 0
        assert unpacked(member * members) == (bytes(range(64)) * members, None)
        return handed

    assert work(8 * MEMBERS_LIMIT) < 9 * work(MEMBERS_LIMIT)
