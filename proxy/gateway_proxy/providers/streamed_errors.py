"""Failures that a cloud tells of inside of a stream of server-sent events."""

import re
from collections.abc import Callable
from typing import Final

import orjson

from gateway_proxy import errors
from gateway_proxy.messages import sse
from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.errors import UpstreamError
from gateway_proxy.upstream.head import ResponseHead

HELD_LIMIT: Final = 256 * 1024
"""Bytes of an unfinished event that are held back. Of a longer one only the beginning says what it is."""
_TOLD_BYTES: Final = 4096
"""Of a failure that is longer than that."""

_NAMED: Final = re.compile(rb"event:[ \t]*(?!error)[a-z]")
"""What nearly all events begin with: the name of another kind."""


class StreamedErrors:
    """Lets a stream through, event by event, up to one that tells of a failure: its text may name accounts and
    projects, which are the operator's business. A Decoder."""

    __slots__ = ("_held", "_said", "_seam", "_translated", "error")

    def __init__(self, translated: Callable[[ResponseHead, bytes], tuple[ResponseHead, bytes]]) -> None:
        """`translated`: an error as the client gets it, in Anthropic's form on one line."""
        self.error: UpstreamError | None = None
        self._translated = translated
        self._held = b""
        """The beginning of an event."""
        self._seam: bytes | None = None
        """The last bytes of an event of which a part has been let through."""
        self._said = False
        """Whether what has been let through tells a client anything."""

    def feed(self, payload: bytes) -> bytes:
        through = self._rest_of_long(payload) if self._seam is not None else self._fed(payload)
        self._said = self._said or sse.has_data(through)
        return through

    def _fed(self, payload: bytes) -> bytes:
        held = self._held
        data = held + payload if held else payload
        border = sse.last_border(data, max(len(held) - 3, 0))
        if border == len(data):
            self._held = b""
            return self._checked(data) if b"error" in data else data
        self._held = data[border:]
        whole = data[:border]
        if b"error" in whole:
            whole = self._checked(whole)
        if len(self._held) > HELD_LIMIT and self.error is None:
            long, self._held = self._held, b""
            if not _NAMED.match(long):
                self._tell(long[:_TOLD_BYTES], behind=whole)
                return whole
            self._seam = long[-3:]
            return whole + long
        return whole

    def end(self) -> bytes:
        left, self._held = self._held, b""
        return self._checked(left + b"\n\n")[: len(left)] if b"error" in left else left

    def _rest_of_long(self, payload: bytes) -> bytes:
        seam = self._seam or b""
        joined = seam + payload
        border = sse.BORDER.search(joined)
        if border is None:
            self._seam = joined[-3:]
            return payload
        self._seam = None
        end = border.end() - len(seam)
        return payload[:end] + self.feed(payload[end:])

    def _checked(self, events: bytes) -> bytes:
        """The events in front of the first that tells of a failure."""
        if _NAMED.match(events) and events.find(b"\n\n") == len(events) - 2 and b"\r" not in events:
            return events  # one event, as packets have them; the word is in what a model says
        start = 0
        for border in sse.BORDER.finditer(events):
            event = events[start : border.end()]
            failure = None if _NAMED.match(event) else failure_in(event)
            if failure is not None:
                self._held = b""
                self._tell(failure, behind=events[:start])
                return events[:start]
            start = border.end()
        return events

    def _tell(self, failure: bytes, *, behind: bytes) -> None:
        head = ResponseHead.answered(_status_of(failure))
        leads = not (self._said or sse.has_data(behind))
        self.error = StreamedError(head, failure, in_band=lambda: self._translated(head, failure)[1], leads=leads)


def failure_in(event: bytes) -> bytes | None:
    """The data of an event that tells of a failure: one of that name, or one without a name whose data are an error in
    any cloud's form."""
    name, data = b"", []
    for line in event.splitlines():
        field, _, value = line.partition(b":")
        if field == b"event":
            name = value.strip()
        elif field == b"data":
            data.append(value.strip())
    text = b"\n".join(data)
    if name:
        return text if name == b"error" else None
    if b"error" not in text:
        return None
    try:
        value = orjson.loads(text)
    except ValueError:
        return text
    first = value[0] if isinstance(value, list) and value else value
    return text if isinstance(first, dict) and ("error" in first or first.get("type") == "error") else None


def _status_of(failure: bytes) -> int:
    """That of the envelope's type, or the one that a cloud's own form names; 502 for what is neither."""
    try:
        value = orjson.loads(failure)
        status = (value[0] if isinstance(value, list) else value)["error"]["code"]
    except (ValueError, KeyError, TypeError, IndexError):
        return errors.status_of_envelope(failure)
    return status if isinstance(status, int) and 400 <= status < 600 else 502
