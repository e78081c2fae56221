"""Frames of AWS event streams, written by hand: botocore reads them and writes none."""

import base64
import json
import struct
from binascii import crc32
from collections.abc import Mapping
from typing import Any

HeaderValue = tuple[int, bytes]
"""A header's type, and its value as the frame has it."""

MEDIA_TYPE = "application/vnd.amazon.eventstream"


def text(value: str) -> HeaderValue:
    encoded = value.encode()
    return 7, struct.pack(">H", len(encoded)) + encoded


def headers_of(headers: Mapping[str, str | HeaderValue]) -> bytes:
    found = b""
    for name, given in headers.items():
        kind, value = text(given) if isinstance(given, str) else given
        encoded = name.encode()
        found += bytes([len(encoded)]) + encoded + bytes([kind]) + value
    return found


def frame(headers: bytes, payload: bytes) -> bytes:
    """A frame whose checksums are right, whatever its headers are."""
    return frame_of_lengths(16 + len(headers) + len(payload), len(headers), headers + payload)


def frame_of_lengths(total: int, headers: int, content: bytes) -> bytes:
    """The same with lengths that need not be true."""
    prelude = struct.pack(">II", total, headers)
    prelude += struct.pack(">I", crc32(prelude))
    return prelude + content + struct.pack(">I", crc32(prelude + content))


def message(payload: bytes, **headers: str) -> bytes:
    """A frame as Bedrock has them: `message_type="event"` stands for the header `:message-type`."""
    return frame(headers_of({":" + name.replace("_", "-"): value for name, value in headers.items()}), payload)


def chunk(event: bytes, *, padding: str = "abcdefghijkl") -> bytes:
    """One event of the Messages API. Bedrock pads what it streams, so that lengths tell nothing of the text."""
    value = {"bytes": base64.b64encode(event).decode()} | ({"p": padding} if padding else {})
    payload = json.dumps(value, separators=(",", ":")).encode()
    return message(payload, event_type="chunk", content_type="application/json", message_type="event")


def exception(name: str, text: str = "", **more: Any) -> bytes:
    """A failure that the stream's model names, as `throttlingException`."""
    payload = json.dumps({"message": text} | more).encode()
    return message(payload, exception_type=name, content_type="application/json", message_type="exception")


def error(code: str, text: str) -> bytes:
    """A failure that no model names: it has no payload."""
    return message(b"", message_type="error", error_code=code, error_message=text)


def data_of(event: bytes) -> bytes:
    """The data of a server-sent event: what a chunk carries."""
    return event.partition(b"\ndata: ")[2].removesuffix(b"\n\n")


def stream(events: list[bytes]) -> list[bytes]:
    """Frames that carry these server-sent events."""
    return [chunk(data_of(event)) for event in events]
