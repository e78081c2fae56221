"""What Bedrock streams, as the server-sent events that the Messages API would have sent.

A frame's event is `{"bytes": …}`, one event of the Messages API in base64. It goes on byte for byte, whatever its type,
unless it tells of a failure. A frame may tell of one by itself: those are named in botocore's model of
`bedrock-runtime`, each with its status. What is said of a failure may name accounts: clients get a translation.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway_proxy import errors
from gateway_proxy.memo import Memo
from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.errors import ProtocolError, UpstreamError
from gateway_proxy.upstream.event_stream import FrameReader, HeaderValue, parse_headers
from gateway_proxy.upstream.head import ResponseHead

_STATUSES: Final = {
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
_UNKNOWN_FAILURE: Final = 500
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}\Z")

_EVENT, _FAILURE, _NOTHING = range(3)
_TYPE: Final = re.compile(rb"[A-Za-z0-9_.-]{1,64}\Z")
_LEADING_TYPE: Final = re.compile(rb'\{"type":"([^"]*)"')
_BEGINNING_BYTES: Final = 30
"""Of an event's data, in which its type stands as a rule and little else."""
_UNTYPED: Final = b"data: "
_EVENT_END: Final = b"\n\n"
_LF, _CR = b"\n\r"
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")
_ERROR_EVENT: Final = b"event: error\ndata: "


class _Chunk(msgspec.Struct):
    bytes: bytes


class _Typed(msgspec.Struct):
    type: str | None = None


_chunk_of = msgspec.json.Decoder(_Chunk).decode
_typed = msgspec.json.Decoder(_Typed).decode


def _kind(raw: bytes) -> int:
    """What a frame tells, by its headers as they came. Raises ProtocolError."""
    headers = parse_headers(raw)
    if headers.get(":message-type") in ("exception", "error"):
        return _FAILURE
    return _EVENT if headers.get(":event-type") == "chunk" else _NOTHING


def _start(beginning: bytes) -> bytes:
    """What an event begins with whose data begin so; empty where they must be parsed for it."""
    found = _LEADING_TYPE.match(beginning)
    return _named(found[1]) if found is not None else b""


def _named(name: bytes) -> bytes:
    """What an event of this type begins with; empty for a type that cannot stand there as it is."""
    return b"event: " + name + b"\ndata: " if _TYPE.match(name) else b""


_kinds: Final = Memo(_kind, longest=256)
_starts: Final = Memo(_start)


class BedrockStream:
    """A Decoder of one stream."""

    __slots__ = ("_frames", "_request_id", "_translated", "error")

    def __init__(
        self, head: ResponseHead, translated: Callable[[ResponseHead, bytes], tuple[ResponseHead, bytes]]
    ) -> None:
        """`head`: the stream's own; `translated`: an error as the client gets it."""
        self._frames = FrameReader()
        self._translated = translated
        self._request_id = head.get(b"x-amzn-requestid")
        self.error: UpstreamError | None = None

    def feed(self, payload: bytes) -> bytes:
        frames = self._frames
        events: list[bytes] = []  # each in three parts: copied once, with all others
        try:
            for headers, content in frames.feed(payload):
                kind = _kinds[headers]
                if kind == _EVENT:
                    start, data = _event(content)
                    if start == _ERROR_EVENT:
                        self.error = self._told(data)
                        break
                    events += (start, data, _EVENT_END)
                elif kind == _FAILURE:
                    self.error = self._failed(parse_headers(headers), content)
                    break
            else:
                self.error = frames.error
        except ProtocolError as error:
            self.error = error
        return b"".join(events)

    def end(self) -> bytes:
        if self._frames.partial:
            self.error = ProtocolError("an event stream that ended inside of a frame")
        return b""

    def _failed(self, headers: Mapping[str, HeaderValue], content: bytes) -> StreamedError:
        """As Bedrock would have answered, had it known before it began to stream."""
        name = headers.get(":exception-type", headers.get(":error-code"))
        if not isinstance(name, str) or not _NAME.match(name):
            name = "unknown"
        if not content:
            message = headers.get(":error-message")
            content = msgspec.json.encode({"message": message if isinstance(message, str) else ""})
        status = _STATUSES.get(name.lower(), _UNKNOWN_FAILURE)
        return self._error(status, content, (b"x-amzn-errortype", (name[0].upper() + name[1:]).encode()))

    def _told(self, envelope: bytes) -> StreamedError:
        """The same where the model tells of a failure in an event."""
        return self._error(errors.status_of_envelope(envelope), envelope)

    def _error(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> StreamedError:
        ids = [] if self._request_id is None else [(b"x-amzn-requestid", self._request_id)]
        head = ResponseHead.answered(status, *headers, *ids)
        return StreamedError(head, body, in_band=lambda: self._translated(head, body)[1])


def _event(content: bytes) -> tuple[bytes, bytes]:
    """What an event begins with, and its data. Raises ProtocolError."""
    try:
        data = _chunk_of(content).bytes
    except (ValueError, RecursionError):
        raise ProtocolError("an event stream that makes no sense: a chunk without bytes in base64") from None
    start = _starts[data[:_BEGINNING_BYTES]] or _parsed_start(data)
    if _LF in data or _CR in data:
        # In JSON they stand between members alone, and a line of data cannot hold them.
        data = data.translate(_LINE_ENDS)
    return start, data


def _parsed_start(data: bytes) -> bytes:
    """The same for an event that is written in another way. Raises ProtocolError for what is no JSON object."""
    try:
        name = _typed(data).type
    except (ValueError, RecursionError):
        raise ProtocolError("an event stream that makes no sense: a chunk that is no event") from None
    return (_named(name.encode("utf-8", "replace")) if name is not None else b"") or _UNTYPED
