"""Answers that come compressed: unpacked for a client that did not ask for it, or to be looked into."""

import zlib
from typing import Final

from gateway_proxy.upstream.errors import BadAnswerError, ProtocolError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead

FREE_BYTES: Final = 1024 * 1024
"""What any gzip may unpack to. Beyond it the ratio counts."""
RATIO: Final = 200
"""How many times its size a gzip may unpack to: text comes to twenty, what is made to exhaust memory to a thousand."""
MEMBERS_LIMIT: Final = 1000
"""Members of one gzip, of which each costs some microseconds whatever is in it."""
MEMBER_BYTES: Final = 16
"""What members hold on average where there are more in what is unpacked as it comes, such as one for each event."""

_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16
_GZIP_MAGIC: Final = b"\x1f\x8b"
_SLICE: Final = 16 * 1024
"""What is behind a member's end is copied for the next one."""


class TooLongError(Exception):
    """What is packed is longer than it may be."""


def is_packed(head: ResponseHead) -> bool:
    """Whether the payload is gzip. Raises BadAnswerError for another compression: no other is ever asked for."""
    encoding = (head.get(b"content-encoding") or b"identity").strip().lower()
    if encoding in (b"identity", b""):
        return False
    if encoding not in (b"gzip", b"x-gzip"):
        raise BadAnswerError("an answer in a compression that was not asked for")
    return True


def unpack(exchange: Exchange, head: ResponseHead) -> Exchange:
    """The exchange, which unpacks its payload where that is gzip. Raises BadAnswerError for another compression."""
    try:
        if not is_packed(head):
            return exchange
    except BadAnswerError:
        exchange.abort()
        raise
    exchange.decode_with(Gunzip(), head.with_headers((b"content-encoding", None), (b"content-length", None)))
    return exchange


class Gunzip:
    """Unpacks gzip, one member behind another. A Decoder."""

    __slots__ = ("_begun", "_in", "_member", "_members", "_out", "error")

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False
        self._members = 0
        self._in = 0
        self._out = 0

    def feed(self, payload: bytes) -> bytes:
        self._in += len(payload)
        view = memoryview(payload)
        parts: list[bytes] = []
        position = 0
        try:
            while position < len(view):
                piece = view[position : position + _SLICE]
                left = max(FREE_BYTES, RATIO * self._in) - self._out
                part = self._member.decompress(piece, left + 1)
                if len(part) > left:
                    self.error = ProtocolError("a gzip that unpacks to far more than text does")
                    return b""  # megabytes of nothing, in which an error would find no place
                self._out += len(part)
                parts.append(part)
                position += len(piece) - len(self._member.unused_data)
                self._begun = not self._member.eof
                if not self._begun:
                    self._member = zlib.decompressobj(_GZIP_WINDOW)
                    self._members += 1
                    if self._members > MEMBERS_LIMIT and self._members * MEMBER_BYTES > self._out:
                        self.error = ProtocolError("a gzip of members with hardly anything in them")
                        break
        except zlib.error:
            self.error = ProtocolError("a gzip that cannot be unpacked")
        return b"".join(parts)

    def end(self) -> bytes:
        if self._begun:
            self.error = ProtocolError("a gzip that ends in the middle")
        return b""


def beginning(packed: bytes, size: int) -> bytes:
    """The beginning of what a gzip holds: at most `size` bytes, out of its first `size`. Raises ProtocolError."""
    packed = packed[:size]
    try:
        while packed:
            member = zlib.decompressobj(_GZIP_WINDOW)
            part = member.decompress(packed, size)
            if part:
                return part
            packed = member.unused_data
    except zlib.error:
        raise ProtocolError("a gzip that cannot be unpacked") from None
    return b""


def inflated(packed: bytes, *, limit: int) -> bytes | None:
    """A whole gzip, however many members it has (RFC 1952, 2.2); None for one that is broken or ends in
    the middle. What follows the last member is no part of it. Raises TooLongError beyond `limit` bytes."""
    view = memoryview(packed)
    parts: list[bytes] = []
    position = 0
    for _ in range(MEMBERS_LIMIT):
        member = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            piece = view[position : position + _SLICE]
            if not piece:
                return None
            try:
                part = member.decompress(piece, limit + 1)
            except zlib.error:
                return None
            limit -= len(part)
            if limit < 0:
                raise TooLongError
            parts.append(part)
            position += len(piece) - len(member.unused_data)
        if packed[position : position + 2] != _GZIP_MAGIC:
            return b"".join(parts)
    raise TooLongError
