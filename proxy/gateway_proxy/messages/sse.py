"""Server-sent events as far as a relay must know them: where one ends, and which kinds have passed."""

import re
from typing import Final

import orjson

from gateway_proxy.upstream.head import ResponseHead

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
BORDER: Final = re.compile(rb"\n\n|\n\r\n|\r\r")
"""A blank line, behind the end of the one before. The event stream format lets lines end in LF, CRLF or CR."""

_DATA: Final = b"data:"
_EVENT: Final = b"event:"
_SAID: Final = re.compile(rb"(?:\A|[\r\n])data:[ \t]*[^ \t\r\n]")
_MARKS: Final = (b"message_stop", b"error")
"""In an event that ends a message."""
_EVENT_STREAM: Final = b"text/event-stream"


def is_events(head: ResponseHead) -> bool:
    """Whether a body is a stream of server-sent events, not compressed."""
    content_type = head.get(b"content-type")
    if content_type is None or not content_type.lower().startswith(_EVENT_STREAM):
        return False
    encoding = head.get(b"content-encoding")
    return encoding is None or encoding.lower() == b"identity"


def last_border(data: bytes | bytearray, start: int = 0) -> int:
    """The offset behind the last BORDER that lies at `start` or later, or 0: an event ends there."""
    found = data.rfind(b"\n\n", start)
    border = found + 2 if found >= 0 else 0
    if b"\r" in data:
        for blank in (b"\n\r\n", b"\r\r"):
            found = data.rfind(blank, start)
            if found >= 0:
                border = max(border, found + len(blank))
    return border


def error_event(envelope: bytes) -> bytes:
    """An error in Anthropic's form, on one line, as an event."""
    return b"event: error\ndata: " + envelope + b"\n\n"


def has_data(events: bytes) -> bool:
    """Whether a client is told anything by them. What has no data is passed over by whoever reads such a stream (HTML,
    9.2.6): comments, blank lines, an event's name alone."""
    return _SAID.search(events) is not None


def first_event(payload: bytes) -> bytes | None:
    """The first event with data, once it is whole."""
    said = _SAID.search(payload)
    border = BORDER.search(payload, said.end()) if said is not None else None
    if said is None or border is None:
        return None
    return payload[last_border(payload[: said.start() + 1]) : border.end()]


def error_in(event: bytes | None) -> bytes | None:
    """The data of an event, where that is an `error` event in one line of data."""
    if event is None:
        return None
    lines = event.splitlines()
    if not any(line.startswith(_EVENT) and line[len(_EVENT) :].strip() == b"error" for line in lines):
        return None
    return next(line[len(_DATA) :].strip() for line in lines if line.startswith(_DATA))


class StreamState:
    """Which of the events that end a message have passed."""

    __slots__ = ("error", "stop")

    def __init__(self) -> None:
        self.stop = False
        """`message_stop`: the message is whole."""
        self.error = False

    def observe(self, events: bytes) -> None:
        """Looks at whole events. Cheap to skip: needed only for data that holds `message_stop` or `error`."""
        marks = [at for mark in _MARKS if (at := events.find(mark)) >= 0]
        if not marks:
            return
        for line in events[events.rfind(b"\n", 0, min(marks)) + 1 :].splitlines():
            if line.startswith(_EVENT):
                self._seen(line[6:].strip())
            elif line.startswith(_DATA) and (b"message_stop" in line or b"error" in line):
                try:
                    event = orjson.loads(line[5:])
                except ValueError:
                    continue
                kind = event.get("type") if isinstance(event, dict) else None
                if isinstance(kind, str):
                    self._seen(kind.encode())

    def _seen(self, kind: bytes) -> None:
        if kind == b"message_stop":
            self.stop = True
        elif kind == b"error":
            self.error = True
