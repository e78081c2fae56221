"""HTTP/1.1 bytes made by hand, so that a test decides where every byte and every border lies."""

import gzip
import http.client
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

Headers = Iterable[tuple[str, str]] | Mapping[str, str]

LAST_CHUNK = b"0\r\n\r\n"


def pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


def head(status: int, headers: Headers = (), *, version: str = "HTTP/1.1") -> bytes:
    """A response head, without any header that was not asked for."""
    lines = [
        f"{version} {status} {http.client.responses.get(status, 'Other')}",
        *(f"{name}: {value}" for name, value in pairs(headers)),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def stream_head(headers: Headers = (), *, status: int = 200) -> bytes:
    """The head of a chunked SSE answer."""
    fixed = [("content-type", "text/event-stream; charset=utf-8"), ("transfer-encoding", "chunked")]
    return head(status, [*fixed, ("cache-control", "no-cache"), ("request-id", "req_upstream"), *pairs(headers)])


def chunk(data: bytes, *, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def last_chunk(trailers: Headers) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs(trailers))
    return b"0\r\n" + lines.encode("latin-1") + b"\r\n"


def whole(status: int, body: bytes, headers: Headers = ()) -> bytes:
    """A complete answer with its length."""
    return head(status, [*pairs(headers), ("content-length", str(len(body)))]) + body


def json_answer(value: Any, *, status: int = 200, headers: Headers = (), packed: bool = False) -> bytes:
    """A JSON answer, written as a value that no serialiser of ours would write: spaces kept, keys in their order."""
    body = json.dumps(value, ensure_ascii=False, indent=1).encode()
    given = [("content-type", "application/json"), ("request-id", "req_upstream"), *pairs(headers)]
    if packed:
        return whole(status, gzip.compress(body, mtime=0), [*given, ("content-encoding", "gzip")])
    return whole(status, body, given)


def error_answer(status: int, kind: str, message: str, *, headers: Headers = ()) -> bytes:
    """An error in the Messages API's envelope."""
    value = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"}
    return json_answer(value, status=status, headers=headers)


def single_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, *positions: int) -> list[bytes]:
    """`data` in the pieces that end at `positions`."""
    borders = [0, *positions, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(borders) if end > start]
