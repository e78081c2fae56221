"""100,000 streams, most of them damaged: botocore's own reader is the judge of what is in them."""

import random
import struct
from binascii import crc32
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer, EventStreamHeaderParser, ParserError
from tests.standins import event_frames, messages

from gateway_proxy.providers.bedrock_stream import BedrockStream
from gateway_proxy.upstream.errors import ProtocolError
from gateway_proxy.upstream.event_stream import FrameReader, parse_headers
from gateway_proxy.upstream.head import ResponseHead

SEEDS = 20
STREAMS_PER_SEED = 5_000

Frame = tuple[dict[str, Any], bytes]

EVENTS = messages.events(messages.thinking("hm"), messages.text("héllo \U0001f600"), messages.tool_use("t", {"a": 1}))
FRAMES = {event: event_frames.chunk(event_frames.data_of(event)) for event in EVENTS}


class _StrictHeaders(EventStreamHeaderParser):  # type: ignore[misc] # botocore has no types
    """botocore takes a value that is cut off for a shorter one."""

    def _advance_data(self, consumed: int) -> None:
        if consumed > len(self._data):
            raise ParserError("cut off")
        super()._advance_data(consumed)


class _Judge(EventStreamBuffer):  # type: ignore[misc] # botocore has no types
    def __init__(self) -> None:
        super().__init__()
        self._header_parser = _StrictHeaders()

    def _validate_prelude(self, prelude: Any) -> None:
        if prelude.payload_length < 0:
            raise ParserError("the headers are longer than the frame")
        super()._validate_prelude(prelude)


def judged(data: bytes) -> tuple[list[Frame], bool, bool]:
    """What is in a stream, whether it goes wrong then, and whether it ends inside of a frame."""
    judge = _Judge()
    judge.add_data(data)
    frames: list[Frame] = []
    try:
        frames.extend((message.headers, message.payload) for message in judge)
    except Exception:  # noqa: BLE001 - botocore lets errors of any kind through
        return frames, True, False
    return frames, False, bool(judge._data)


def ours(packets: list[bytes]) -> tuple[list[Frame], bool, bool]:
    reader, frames = FrameReader(), []
    for packet in packets:
        for raw, payload in reader.feed(packet):
            try:
                frames.append((dict(parse_headers(raw)), payload))
            except ProtocolError:
                return frames, True, False
        if reader.error is not None:
            return frames, True, False
    return frames, False, reader.partial


def relayed(packets: list[bytes]) -> tuple[bytes, bool]:
    decoder, said = BedrockStream(ResponseHead.answered(200), lambda head, body: (head, body)), b""
    for packet in packets:
        said += decoder.feed(packet)
        if decoder.error is not None:
            return said, True
    said += decoder.end()
    return said, decoder.error is not None


def random_cut(chance: random.Random, data: bytes) -> list[bytes]:
    packets, position = [], 0
    longest = chance.choice((1, 3, 20, 200, 5_000))
    while position < len(data):
        step = chance.randint(1, longest)
        packets.append(data[position : position + step])
        position += step
    return packets


def damaged(chance: random.Random, data: bytes) -> bytes:
    """The stream with what goes wrong on a wire, or with what no wire does: checksums that are made to fit."""
    changed = bytearray(data)
    place = chance.randrange(len(changed))
    match chance.randrange(7):
        case 0:
            changed[place] ^= 1 << chance.randrange(8)
        case 1:
            del changed[place:]
        case 2:
            del changed[place : place + chance.randint(1, 40)]
        case 3:
            changed[place:place] = chance.randbytes(chance.randint(1, 40))
        case 4:
            changed[place : place + 12] = event_frames.frame(b"", b"")[:12]
        case 5:
            total, headers, _ = struct.unpack_from(">III", changed)
            lengths = struct.pack(
                ">II",
                chance.choice((total, total + chance.randint(-30, 30), chance.getrandbits(32))) % 2**32,
                chance.choice((headers, headers + chance.randint(-30, 30), chance.getrandbits(32))) % 2**32,
            )
            changed[:12] = lengths + struct.pack(">I", crc32(lengths))
        case 6:
            total, headers, _ = struct.unpack_from(">III", changed)
            for _ in range(chance.randint(1, 3)):
                changed[12 + chance.randrange(headers)] = chance.randrange(256)
            struct.pack_into(">I", changed, total - 4, crc32(changed[: total - 4]))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_botocore_finds_is_what_is_found(seed: int) -> None:
    chance = random.Random(seed)
    for number in range(STREAMS_PER_SEED):
        frames = [FRAMES[chance.choice(EVENTS)] for _ in range(chance.randint(1, 4))]
        data = b"".join(frames)
        if number % 5:
            data = damaged(chance, data)
        packets = random_cut(chance, data)
        expected = judged(data)
        assert ours(packets) == expected, data
        said, failed = relayed(packets)
        found, wrong, partial = expected
        assert said == sse_of(found), data
        assert failed == (wrong or partial), data


def sse_of(frames: list[Frame]) -> bytes:
    """The events of these frames; damage may have turned a frame into one of another kind, never into another event."""
    by_payload = {frame[12 + struct.unpack_from(">I", frame, 4)[0] : -4]: event for event, frame in FRAMES.items()}
    return b"".join(by_payload[payload] for headers, payload in frames if headers.get(":event-type") == "chunk")
