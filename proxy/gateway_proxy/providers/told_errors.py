"""Errors of upstreams as they are told: to the operator whole, to the client where it can read them."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway_proxy import errors, failure_answers
from gateway_proxy.access.windows import SlidingWindow
from gateway_proxy.upstream.head import ResponseHead

log = logging.getLogger(__name__)

LINES_A_MINUTE: Final = 300
"""Of each upstream and level: one client that tries again and again causes ten times as many."""

_LOGGED_BYTES: Final = 7000
_KEPT: Final = (b"retry-after", b"x-should-retry", b"request-id", b"x-amzn-requestid")
_REQUEST_IDS: Final = (
    b"x-amzn-requestid",
    b"request-id",
    b"apim-request-id",
    b"x-ms-request-id",
    b"x-request-id",
    b"x-goog-request-id",
)

_object_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Lines:
    """How many lines there were lately, and how many were withheld since the last one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window = SlidingWindow(LINES_A_MINUTE, 60.0)
        self._withheld: Counter[str] = Counter()

    def admit(self, upstream: str, level: int) -> int | None:
        """How many were withheld before this line; None: it is one more of them."""
        key = f"{level} {upstream}"
        if self._window.admit(key, self._clock()) is not None:
            self._withheld[key] += 1
            return None
        return self._withheld.pop(key, 0)


_lines = Lines()


def kept_headers(head: ResponseHead) -> list[tuple[bytes, bytes]]:
    """What stays of an upstream's head in an error that is told in our words."""
    return [(name, value) for name in _KEPT if (value := head.get(name)) is not None]


def readable(upstream: str, request_id: str, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
    """An error of an upstream that speaks the Messages API: as it came, but for one that is no JSON object."""
    try:
        _object_of(body)
    except (ValueError, RecursionError):
        error = failure_answers.unreadable(head.status)
        log_error(upstream, request_id, head, text_of(body), told=error.status)
        return ResponseHead.answered(error.status, *kept_headers(head)), errors.envelope(error, request_id)
    return head, body


def text_of(body: bytes) -> str:
    """As much of an error as the log takes."""
    return body[:_LOGGED_BYTES].decode("utf-8", "replace")


def log_error(
    upstream: str, request_id: str, head: ResponseHead, text: str, *, told: int, ids: Iterable[str] = ()
) -> None:
    """`text`: what the upstream said; `told`: the status that the client gets; `ids`: those of the request at the
    upstream that its head does not name. Beyond LINES_A_MINUTE nothing is written, and the next line says of how many
    (`withheld`)."""
    level = logging.WARNING if told >= 500 or told in (401, 403, 404, 429) else logging.INFO
    withheld = _lines.admit(upstream, level)
    if withheld is None:
        return
    given = [value.decode("latin-1") for name in _REQUEST_IDS if (value := head.get(name)) is not None]
    log.log(
        level,
        "upstream %s: status %d, told to the client as %d: %s",
        upstream,
        head.status,
        told,
        text,
        extra={
            "event": "upstream.error",
            "upstream": upstream,
            "request_id": request_id,
            "upstream_request_id": " ".join(dict.fromkeys([*given, *ids]))[:200],
            "status": head.status,
            **({"withheld": withheld} if withheld else {}),
        },
    )
