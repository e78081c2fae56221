"""Chunked transfer coding, walked across packet borders without copying the payload (RFC 9112, section 7.1)."""

from typing import Final

from gateway_proxy.memo import Memo
from gateway_proxy.upstream.errors import ProtocolError

_SIZE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)

_LINE_LIMIT: Final = 4096
"""Bytes of a chunk-size line with its extensions."""
_TRAILER_LIMIT: Final = 16 * 1024
_SIZE_DIGITS: Final = 15
_HEX: Final = b"0123456789abcdefABCDEF"

LAST_CHUNK: Final = b"0\r\n\r\n"


class ChunkWalker:
    """Follows the framing of one chunked body.

    `feed` returns where payload lies in the packet, as (start, end) pairs. After it, `border` tells how many of the
    packet's first bytes are nothing but whole, plain chunks (no extension), which may be sent on as they are; `done`
    tells that the body has ended, `excess` how many bytes follow it.
    """

    __slots__ = ("_left", "_line", "_state", "_trailer_bytes", "border", "done", "excess")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0
        self._line = b""
        self._trailer_bytes = 0
        self.border = 0
        self.done = False
        self.excess = 0

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """Walks one packet. Raises ProtocolError on framing that RFC 9112 does not allow."""
        spans: list[tuple[int, int]] = []
        position, length = 0, len(data)
        plain = self._state == _SIZE and not self._line
        self.border = 0
        while position < length:
            state = self._state
            if state == _SIZE:
                end = data.find(b"\n", position)
                if end < 0:
                    self._hold(data[position:], _LINE_LIMIT)
                    break
                line = data[position:end]
                if self._line:
                    line, self._line = self._line + line, b""
                position = end + 1
                size, extended = _chunk_sizes[line]
                if extended:
                    plain = False
                end = position + size
                if size and data[end : end + 2] == b"\r\n":
                    # A whole chunk: how an event of a stream comes as a rule.
                    spans.append((position, end))
                    position = end + 2
                    if plain:
                        self.border = position
                elif size:
                    self._left, self._state = size, _DATA
                else:
                    self._state, plain = _TRAILER, False
            elif state == _DATA:
                take = min(self._left, length - position)
                spans.append((position, position + take))
                position += take
                self._left -= take
                if not self._left:
                    self._left, self._state = 2, _DATA_END
            elif state == _DATA_END:
                if data[position] != (13 if self._left == 2 else 10):
                    raise ProtocolError("a chunk is longer than its size says")
                position += 1
                self._left -= 1
                if not self._left:
                    self._state = _SIZE
                    if plain:
                        self.border = position
            elif state == _TRAILER:
                position = self._trailer(data, position)
            else:
                self.excess += length - position
                break
        return spans

    def _hold(self, part: bytes, limit: int) -> None:
        self._line += part
        if len(self._line) > limit:
            raise ProtocolError("a chunk-size or trailer line is too long")

    def _trailer(self, data: bytes, position: int) -> int:
        """Reads and drops one trailer line; an empty one ends the body."""
        end = data.find(b"\n", position)
        if end < 0:
            self._trailer_bytes += len(data) - position
            self._hold(data[position:], _TRAILER_LIMIT)
            return len(data)
        line = self._line + data[position:end]
        self._line = b""
        self._trailer_bytes += end - position
        if self._trailer_bytes > _TRAILER_LIMIT:
            raise ProtocolError("the trailers are too long")
        if not line.endswith(b"\r"):
            raise ProtocolError("a trailer line does not end in CRLF")
        if line == b"\r":
            self._state, self.done = _DONE, True
        return end + 1


def _chunk_size(line: bytes) -> tuple[int, bool]:
    """The size in a chunk-size line that still has its CR, and whether the line holds extensions."""
    if len(line) > _LINE_LIMIT or not line.endswith(b"\r"):
        raise ProtocolError("a chunk-size line does not end in CRLF or is too long")
    digits, semicolon, extension = line[:-1].partition(b";")
    if semicolon:
        digits = digits.rstrip(b" \t")
        if b"\r" in extension:
            raise ProtocolError("a chunk extension holds a bare CR")
    # int() alone would take signs, blanks, underscores and 0x.
    if not 0 < len(digits) <= _SIZE_DIGITS or digits.translate(None, _HEX):
        raise ProtocolError("a chunk size is not a hexadecimal number")
    return int(digits, 16), bool(semicolon)


_chunk_sizes: Final = Memo(_chunk_size)


def chunk(payload: bytes) -> bytes:
    """One chunk of the chunked transfer coding. Empty payload gives nothing: an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
