"""Answers that come compressed although nobody asked for it."""

import zlib
from typing import Final

from gateway_proxy.upstream.errors import BadAnswerError, ProtocolError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead

FREE_BYTES: Final = 1024 * 1024
"""What any gzip may unpack to. Beyond it the ratio counts."""
RATIO: Final = 200
"""How many times its size a gzip may unpack to: text comes to twenty, what is made to exhaust memory to a thousand."""
_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16


def unpack(exchange: Exchange, head: ResponseHead) -> Exchange:
    """The exchange, which unpacks its payload where that is gzip. Raises BadAnswerError for another compression."""
    encoding = (head.get(b"content-encoding") or b"identity").strip().lower()
    if encoding in (b"identity", b""):
        return exchange
    if encoding not in (b"gzip", b"x-gzip"):
        exchange.abort()
        raise BadAnswerError("an answer in a compression that was not asked for")
    exchange.decode_with(Gunzip(), head.with_headers((b"content-encoding", None), (b"content-length", None)))
    return exchange


class Gunzip:
    """Unpacks gzip, one member behind another. A Decoder."""

    __slots__ = ("_begun", "_in", "_member", "_out", "error")

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False
        self._in = 0
        self._out = 0

    def feed(self, payload: bytes) -> bytes:
        self._in += len(payload)
        parts: list[bytes] = []
        try:
            while payload:
                self._begun = True
                left = max(FREE_BYTES, RATIO * self._in) - self._out
                part = self._member.decompress(payload, left + 1)
                if len(part) > left:
                    self.error = ProtocolError("a gzip that unpacks to far more than text does")
                    break
                self._out += len(part)
                parts.append(part)
                payload = self._member.unused_data
                if self._member.eof:
                    self._begun = False
                    self._member = zlib.decompressobj(_GZIP_WINDOW)
        except zlib.error:
            self.error = ProtocolError("a gzip that cannot be unpacked")
        return b"".join(parts)

    def end(self) -> bytes:
        if self._begun:
            self.error = ProtocolError("a gzip that ends in the middle")
        return b""
