"""Reads the usage out of an answer as it passes. Nothing here changes a byte, and nothing here raises.

Most of a stream is `content_block_delta`: of those only the length of the text is taken, by one pattern, because it is
the estimate that an aborted stream is billed by. Every other event that says `"usage"` is parsed.
"""

import re
from typing import Annotated, Any, Final

import msgspec
import orjson

from gateway_proxy.spend.usage import MAX_COUNT, Usage, count, estimated_tokens, split_cache_creation, usage_of
from gateway_proxy.upstream.unpacking import TooLongError, inflated

__all__ = ["StreamMeter", "Usage", "meter_json", "meter_json_at_once"]

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""A longer line of a stream is passed over unread; usage events have under a kilobyte."""
MAX_INFLATED_BYTES: Final = 16 * 1024 * 1024
"""Of a whole answer. The longest output of a model has under a megabyte; the rest is documents that it was given."""
INLINE_BYTES: Final = 512 * 1024
"""What is inflated on the event loop: about a millisecond."""

_DATA: Final = b"data:"
_DELTA_TYPE: Final = b'"content_block_delta"'
_USAGE: Final = b'"usage"'
_TEXT_DELTA: Final = re.compile(
    rb'event: content_block_delta\ndata: \{"type":"content_block_delta","index":\d+,"delta":'
    rb'\{"type":"[a-z_]+_delta","(?:text|thinking|partial_json)":"(?>(.*)")[^"\n]*\Z'
)
"""An event with text as the API writes it, and nothing behind it: of one line of data, whose last quotation mark ends
the text."""
_DELTA_KIND_OFFSET: Final = 40
"""Of the delta's own type in a data line as the Anthropic API writes it; the first `_delta` is the event's."""
_TEXT_MEMBERS: Final = ("text", "thinking", "partial_json")
_TEXT_STARTS: Final = tuple(f'"{name}":"'.encode() for name in _TEXT_MEMBERS)


class StreamMeter:
    """Fed with a stream's bytes in any portions; cheapest when each is whole events."""

    __slots__ = ("_characters", "_final", "_held", "_pieces", "_skipping", "_usage")

    def __init__(self) -> None:
        self._usage = Usage()
        self._characters = 0
        self._final = False
        self._pieces: list[bytes] = []
        self._held = 0
        self._skipping = False

    def feed(self, data: bytes) -> None:
        if self._held or self._skipping or not data.endswith(b"\n\n") or len(data) > MAX_LINE_BYTES:
            self._feed_part(data)
            return
        for event in data[:-2].split(b"\n\n"):
            found = _TEXT_DELTA.match(event)
            if found is not None:
                self._characters += len(found[1])
                continue
            for line in event.split(b"\n"):
                if line.startswith(_DATA):
                    self._take(line)

    def _feed_part(self, data: bytes) -> None:
        """Takes what may begin or end inside of a line."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._skipping:
            self._skipping = False
            del lines[0]
        elif lines and self._held:
            self._pieces.append(lines.pop(0))
            self._take_held()
        for line in lines:
            if line.startswith(_DATA):
                self._take(line)
        if rest and not self._skipping:
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > MAX_LINE_BYTES:
                self._pieces.clear()
                self._held = 0
                self._skipping = True

    def usage(self) -> Usage:
        """What the stream used up to now; the output is estimated while no final count has come."""
        if self._held:
            self._take_held()
        if not self._final and self._characters:
            estimate = estimated_tokens(self._characters)
            if estimate > self._usage.output_tokens:
                self._usage.output_tokens = estimate
                self._usage.estimated = True
        return self._usage

    def _take_held(self) -> None:
        line = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if line.startswith(_DATA):
            self._take(line)

    def _take(self, line: bytes) -> None:
        """Takes a data line."""
        if len(line) > MAX_LINE_BYTES:
            return
        if _DELTA_TYPE in line[:64]:
            self._characters += _delta_characters(line)
        elif _USAGE in line:
            self._read(line)

    def _read(self, line: bytes) -> None:
        try:
            event: Any = orjson.loads(line[len(_DATA) :])
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind == "message_start":
            message = event.get("message")
            if isinstance(message, dict):
                started = usage_of(message.get("usage"))
                self._usage.raise_to(started)
                self._usage.speed = started.speed
                self._usage.output_tokens = max(self._usage.output_tokens, started.output_tokens)
        elif kind == "message_delta":
            members = event.get("usage")
            self._usage.raise_to(usage_of(members))
            if isinstance(members, dict) and type(members.get("output_tokens")) is int:
                self._usage.output_tokens = count(members["output_tokens"])
                self._final = True


def _delta_characters(line: bytes) -> int:
    """Characters of text in a data line, taken as its bytes; a signature or a citation is no output.

    The end is the last quotation mark, not the line's: the API pads some events with blanks.
    """
    member = line.find(b'_delta",', _DELTA_KIND_OFFSET) + len(b'_delta",')
    if not line.startswith(_TEXT_STARTS, member):
        return _parsed_delta_characters(line)
    return max(line.rfind(b'"') - line.find(b':"', member) - 2, 0)


def _parsed_delta_characters(line: bytes) -> int:
    """The same for a line that is no text, or has another member order or white space than the API's."""
    try:
        event: Any = orjson.loads(line[len(_DATA) :])
    except ValueError:
        return 0
    delta = event.get("delta") if isinstance(event, dict) else None
    if not isinstance(delta, dict):
        return 0
    return sum(len(text.encode()) for name in _TEXT_MEMBERS if isinstance(text := delta.get(name), str))


class _Message(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"null")


_message_decoder = msgspec.json.Decoder(_Message)

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: _Count = 0
    ephemeral_1h_input_tokens: _Count = 0


class _Tools(msgspec.Struct):
    web_search_requests: _Count = 0


class _Counts(msgspec.Struct):
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    cache_read_input_tokens: _Count = 0
    cache_creation_input_tokens: _Count = 0
    cache_creation: _CacheCreation | None = None
    server_tool_use: _Tools | None = None
    speed: Annotated[str, msgspec.Meta(max_length=32)] | None = None


class _RegularMessage(msgspec.Struct):
    usage: _Counts


_regular_decoder = msgspec.json.Decoder(_RegularMessage)


def _regular_usage(body: bytes) -> Usage | None:
    """The usage of an answer as the API writes it, read in one go; None for any other, which `usage_of` reads."""
    try:
        counts = _regular_decoder.decode(body).usage
    except (ValueError, RecursionError):
        return None
    usage = Usage(counts.input_tokens, counts.output_tokens, counts.cache_read_input_tokens, speed=counts.speed)
    written, created = counts.cache_creation_input_tokens, counts.cache_creation
    if written or created is not None:
        split_cache_creation(
            usage,
            written=written,
            five_minutes=created.ephemeral_5m_input_tokens if created is not None else 0,
            one_hour=created.ephemeral_1h_input_tokens if created is not None else 0,
        )
    if counts.server_tool_use is not None:
        usage.web_search_requests = counts.server_tool_use.web_search_requests
    return usage


def meter_json_at_once(body: bytes, content_encoding: str | None) -> Usage | None:
    """What `meter_json` says, where that is quickly said; None for a body that inflates to more than INLINE_BYTES:
    that one belongs in a thread."""
    try:
        plain = _decoded(body, content_encoding, limit=INLINE_BYTES)
    except TooLongError:
        return None
    return _usage_in(plain, sent=len(body))


def meter_json(body: bytes, content_encoding: str | None) -> Usage:
    """The usage of a whole JSON answer. Without a readable one the output is estimated by the body's length, since an
    answer that was given is never free."""
    try:
        plain = _decoded(body, content_encoding, limit=MAX_INFLATED_BYTES)
    except TooLongError:
        plain = None
    return _usage_in(plain, sent=len(body))


def _usage_in(plain: bytes | None, *, sent: int) -> Usage:
    if plain is None:
        return Usage(output_tokens=estimated_tokens(sent), estimated=True)
    usage = _regular_usage(plain)
    if usage is not None:
        return usage
    try:
        members = msgspec.json.decode(_message_decoder.decode(plain).usage)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        return Usage(output_tokens=estimated_tokens(len(plain)), estimated=True)
    return usage_of(members)


def _decoded(body: bytes, content_encoding: str | None, *, limit: int) -> bytes | None:
    """The body without gzip; None when it cannot be decoded here. Raises TooLongError."""
    encoding = (content_encoding or "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        return None
    return inflated(body, limit=limit)
