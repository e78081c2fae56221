"""What of an upstream's response head reaches the client: an explicit list, with `anthropic-*` open."""

from typing import Final

from gateway_proxy.memo import Memo
from gateway_proxy.upstream import retry_after
from gateway_proxy.upstream.head import ResponseHead

_PASSED: Final = frozenset(
    {
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"date",
        b"request-id",
        retry_after.NAME,
        b"vary",
        b"x-content-type-options",
        b"x-should-retry",
    }
)
_OPEN_PREFIX: Final = b"anthropic-"
# The organization's quota and name are the operator's business, not the developer's.
_KEPT_BACK: Final = (b"anthropic-ratelimit-", b"anthropic-organization-id")


def _decision(name: bytes) -> bytes:
    """Its `name: ` for the client, empty when it stays behind. `name` is in lower case."""
    passes = name in _PASSED or (name.startswith(_OPEN_PREFIX) and not name.startswith(_KEPT_BACK))
    return name + b": " if passes else b""


_decisions: Final = Memo(_decision)


def passed_headers(head: ResponseHead) -> list[bytes]:
    """The lines that go on, each with its line end. A `retry-after` that no client could read is none."""
    return [
        before + value + b"\r\n"
        for name, value in head.headers
        if (before := _decisions[name]) and retry_after.passes(name, value)
    ]
