"""Frames of AWS event streams (`application/vnd.amazon.eventstream`), read as they come and checked by both checksums.

A frame is: its length, the length of its headers, a CRC-32 of these eight bytes; headers; payload; a CRC-32 of all
before it. Numbers are big-endian. The format is that of botocore's `eventstream` module, and so are the size limits.
"""

from binascii import crc32
from collections.abc import Mapping
from struct import Struct
from struct import error as StructError  # noqa: N812 - an exception's name
from typing import Final

from gateway_proxy.memo import Memo
from gateway_proxy.upstream.errors import ProtocolError

HEADERS_LIMIT: Final = 128 * 1024
"""Bytes of one frame's headers."""
PAYLOAD_LIMIT: Final = 24 * 1024 * 1024
"""Bytes of one frame's payload."""

_PRELUDE: Final = Struct(">III")
_CHECKSUM: Final = Struct(">I")
_checksum_at = _CHECKSUM.unpack_from
_AROUND: Final = _PRELUDE.size + _CHECKSUM.size
"""Bytes of a frame that has neither headers nor payload."""

HeaderValue = bool | int | bytes | str

_TRUE, _FALSE, _BYTES, _TEXT, _UUID = 0, 1, 6, 7, 9
_NUMBERS: Final = {2: Struct(">b"), 3: Struct(">h"), 4: Struct(">i"), 5: Struct(">q"), 8: Struct(">q")}
"""Header types that are a number: of one, two, four and eight bytes, and a time in milliseconds."""
_LENGTH: Final = Struct(">H")
_UUID_BYTES: Final = 16


class FrameReader:
    """Takes a stream in any portions. After an `error` nothing more is read."""

    __slots__ = ("_held", "_needed", "error")

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = _PRELUDE.size
        """Bytes that must be held before it is worth looking at them again."""
        self.error: ProtocolError | None = None

    @property
    def partial(self) -> bool:
        """Whether a frame has begun that is not whole yet."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Headers, not looked at, and payload of each frame that is whole now, up to an error."""
        held = self._held
        if held:
            held += data
            if len(held) < self._needed:
                return []
            data = bytes(held)
            held.clear()
        frames: list[tuple[bytes, bytes]] = []
        position, length = 0, len(data)
        needed = _PRELUDE.size
        while length - position >= _PRELUDE.size:
            try:
                size, before_payload = _beginnings[data[position : position + _PRELUDE.size]]
            except ProtocolError as error:
                self.error = error
                return frames
            end = position + size
            if end > length:
                needed = size
                break
            if crc32(data[position : end - 4]) != _checksum_at(data, end - 4)[0]:
                self.error = _nonsense("a frame's checksum is wrong")
                return frames
            payload = position + before_payload
            frames.append((data[position + _PRELUDE.size : payload], data[payload : end - 4]))
            position = end
        if position < length:
            held += data[position:] if position else data
            self._needed = needed
        return frames


def _beginning(raw: bytes) -> tuple[int, int]:
    """Of a frame's first twelve bytes: its size, and the bytes before its payload. Raises ProtocolError."""
    size, headers_size, checksum = _PRELUDE.unpack(raw)
    if crc32(raw[:8]) != checksum:
        raise _nonsense("the checksum of a frame's beginning is wrong")
    payload_size = size - headers_size - _AROUND
    if payload_size < 0 or headers_size > HEADERS_LIMIT or payload_size > PAYLOAD_LIMIT:
        raise _nonsense("a frame's lengths are impossible")
    return size, _PRELUDE.size + headers_size


_beginnings: Final = Memo(_beginning)


def _nonsense(what: str) -> ProtocolError:
    return ProtocolError(f"an event stream that makes no sense: {what}")


def parse_headers(raw: bytes) -> Mapping[str, HeaderValue]:
    """A frame's headers. Raises ProtocolError, also for a name that stands there twice."""
    headers: dict[str, HeaderValue] = {}
    position, length = 0, len(raw)
    try:
        while position < length:
            start = position + 1
            position = start + raw[position]
            name = raw[start:position].decode()
            value, position = _value(raw, position)
            if position > length or name in headers:
                raise ValueError("cut off, or there twice")
            headers[name] = value
    except (IndexError, ValueError, StructError):
        raise _nonsense("a frame's headers are malformed") from None
    return headers


def _value(raw: bytes, position: int) -> tuple[HeaderValue, int]:
    """The value whose type stands at `position`, and where it ends: beyond the end of `raw` for one that is cut off.
    Raises IndexError, ValueError or StructError."""
    kind = raw[position]
    position += 1
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, position
    number = _NUMBERS.get(kind)
    if number is not None:
        return number.unpack_from(raw, position)[0], position + number.size
    if kind == _UUID:
        end = position + _UUID_BYTES
        return raw[position:end], end
    if kind not in (_BYTES, _TEXT):
        raise ValueError("a type that there is not")
    position += _LENGTH.size
    end = position + _LENGTH.unpack_from(raw, position - _LENGTH.size)[0]
    value = raw[position:end]
    return (value.decode() if kind == _TEXT else value), end
