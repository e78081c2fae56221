"""Response heads, parsed by hand and strictly: what RFC 9112 forbids is an error, never a guess."""

import re
from typing import Final

from gateway_proxy.memo import Memo
from gateway_proxy.upstream.errors import ProtocolError

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a response head; more is a ProtocolError."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\x00]*)?\Z")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_LENGTH_DIGITS: Final = 18
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})


def _status(line: bytes) -> tuple[bool, int]:
    """Whether a status line says HTTP/1.0, and the status."""
    matched = _STATUS_LINE.match(line)
    if matched is None:
        raise ProtocolError("the status line is malformed")
    return matched[1] == b"0", int(matched[2])


def _valid(name: bytes) -> bytes:
    """A header's name in lower case."""
    # A line that begins with a blank (obs-fold) and a blank before the colon both fail here.
    if not _TOKEN.match(name):
        raise ProtocolError("a header name is malformed")
    return name.lower()


_status_of: Final = Memo(_status)
_lower: Final = Memo(_valid)


class ResponseHead:
    """A final response head. `headers` are (name in lower case, value as sent without blanks around it)."""

    __slots__ = ("_values", "chunked", "content_length", "headers", "keep_alive", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        *,
        content_length: int | None,
        chunked: bool,
        keep_alive: bool,
    ) -> None:
        self.status = status
        self.headers = headers
        self._values = dict(headers)
        self.content_length = content_length
        """None: chunked, or until the connection ends."""
        self.chunked = chunked
        self.keep_alive = keep_alive

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status}>"

    def with_headers(self, *changed: tuple[bytes, bytes | None]) -> "ResponseHead":
        """The same with other values for some headers, or without them (None); names in lower case."""
        names = {name for name, _ in changed}
        kept = [header for header in self.headers if header[0] not in names]
        return ResponseHead(
            self.status,
            kept + [(name, value) for name, value in changed if value is not None],
            content_length=None,
            chunked=True,
            keep_alive=self.keep_alive,
        )

    @classmethod
    def answered(cls, status: int, *headers: tuple[bytes, bytes]) -> "ResponseHead":
        """The head of an answer in JSON that did not come with one of its own."""
        return cls(
            status,
            [(b"content-type", b"application/json"), *headers],
            content_length=None,
            chunked=True,
            keep_alive=False,
        )

    def get(self, name: bytes) -> bytes | None:
        """The last value of a header; `name` in lower case."""
        return self._values.get(name)


def find_head_end(buffer: bytes | bytearray, start: int = 0) -> int:
    """The offset just behind the empty line that ends a head, or -1 while it is not there. Bounded by HEAD_LIMIT."""
    end = buffer.find(b"\r\n\r\n", start)
    if end < 0:
        if len(buffer) > HEAD_LIMIT:
            raise ProtocolError("the response head is too long")
        return -1
    if end > HEAD_LIMIT:
        raise ProtocolError("the response head is too long")
    return end + 4


def parse_head(head: bytes) -> ResponseHead:
    """Parses a head without its final empty line. Raises ProtocolError."""
    status_line, *lines = head.split(b"\r\n")
    # Line ends anywhere else would make one value two headers for whoever reads it next.
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\x00" in head:
        raise ProtocolError("the head holds a bare line end or a zero byte")
    http_1_0, status = _status_of[status_line]
    try:
        headers = [(_lower[name], value.strip(b" \t")) for name, value in [line.split(b":", 1) for line in lines]]
    except ValueError:
        raise ProtocolError("a header line has no colon") from None
    content_length: int | None = None
    chunked = False
    keep_alive = not http_1_0
    for name, value in headers:
        if name not in _FRAMING:
            continue
        if name == b"content-length":
            if content_length is not None:
                raise ProtocolError("more than one content-length")
            if not value.isdigit() or len(value) > _LENGTH_DIGITS:
                raise ProtocolError("the content-length is not a number")
            content_length = int(value)
        elif name == b"transfer-encoding":
            if chunked or http_1_0 or value.lower() != b"chunked":
                raise ProtocolError("the transfer-encoding is not one `chunked`")
            chunked = True
        else:
            options = [option.strip(b" \t") for option in value.lower().split(b",")]
            if b"close" in options:
                keep_alive = False
            elif http_1_0 and b"keep-alive" in options:
                keep_alive = True
    if chunked and content_length is not None:
        raise ProtocolError("both content-length and transfer-encoding")
    if status in (204, 304):
        content_length, chunked = 0, False
    if content_length is None and not chunked:
        keep_alive = False
    return ResponseHead(status, headers, content_length=content_length, chunked=chunked, keep_alive=keep_alive)
