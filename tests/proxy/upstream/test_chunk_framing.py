"""Chunked framing, cut anywhere: the payload is found, and hostile framing is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.upstream.errors import ProtocolError
from gateway_proxy.upstream.framing import LAST_CHUNK, ChunkWalker, chunk

PAYLOADS = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


def walk(packets: list[bytes]) -> tuple[bytes, ChunkWalker, bytes]:
    """The payload, the walker, and everything that the walker said may be sent on as it is."""
    walker, payload, plain = ChunkWalker(), b"", b""
    for packet in packets:
        spans = walker.feed(packet)
        payload += b"".join(packet[start:end] for start, end in spans)
        plain += packet[: walker.border]
    return payload, walker, plain


@given(PAYLOADS, st.lists(st.integers(0, 10_000), max_size=12))
def test_the_payload_is_the_same_wherever_packets_are_cut(payloads: list[bytes], places: list[int]) -> None:
    framed = b"".join(chunk(part) for part in payloads) + LAST_CHUNK
    payload, walker, _ = walk(cut(framed, places))
    assert payload == b"".join(payloads)
    assert walker.done
    assert walker.excess == 0


@given(PAYLOADS, st.lists(st.integers(0, 10_000), max_size=12))
def test_what_may_be_sent_on_as_it_is_consists_of_whole_chunks(payloads: list[bytes], places: list[int]) -> None:
    framed = b"".join(chunk(part) for part in payloads)
    for packet in cut(framed, places):
        walker = ChunkWalker()
        try:
            walker.feed(packet)
        except ProtocolError:
            continue
        whole, again, _ = walk([packet[: walker.border], LAST_CHUNK])
        assert again.done
        assert chunk(whole) == b"" or len(whole) < walker.border


def test_one_packet_with_one_chunk_is_plain_to_its_end() -> None:
    walker = ChunkWalker()
    assert walker.feed(b"5\r\nhello\r\n") == [(3, 8)]
    assert walker.border == 10


@pytest.mark.parametrize("framed", [b"5;name=value\r\nhello\r\n", b'5 ; q="x"\r\nhello\r\n', b"0005;a\r\nhello\r\n"])
def test_chunk_extensions_are_read_over_and_never_sent_on(framed: bytes) -> None:
    payload, walker, plain = walk([framed + LAST_CHUNK])
    assert payload == b"hello"
    assert plain == b""
    assert walker.done


def test_trailers_are_dropped() -> None:
    payload, walker, plain = walk([b"2\r\nok\r\n0\r\nx-checksum: 1\r\n", b"x-other: 2\r\n\r", b"\n"])
    assert payload == b"ok"
    assert plain == b"2\r\nok\r\n"
    assert walker.done


def test_bytes_behind_the_end_are_counted() -> None:
    _, walker, _ = walk([b"0\r\n\r\nHTTP/1.1 200 OK\r\n"])
    assert walker.done
    assert walker.excess == 17


@pytest.mark.parametrize(
    "framed",
    [
        b"-5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"\r\nhello\r\n",
        b";x\r\nhello\r\n",
        b"g\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\r\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"5\r\nhelloo\r\n",
        b"5\r\nhello\n\n",
        b"5\r\nhello\r\r",
        b"1000000000000000\r\n",
        b"0" * 5000 + b"1\r\n",
        b"5;" + b"a" * 5000,
        b"0\r\nx: y\n\r\n",
        b"0\r\n" + b"x: y\r\n" * 5000,
    ],
)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_hostile_framing_is_refused(framed: bytes, step: int) -> None:
    with pytest.raises(ProtocolError):
        walk([framed[start : start + step] for start in range(0, len(framed), step)])
