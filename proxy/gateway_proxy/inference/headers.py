"""What of an upstream's response head reaches the client: an explicit list, with `anthropic-*` open."""

from typing import Final

from gateway_proxy.upstream.head import ResponseHead

_PASSED: Final = frozenset(
    {
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"date",
        b"request-id",
        b"retry-after",
        b"vary",
        b"x-content-type-options",
        b"x-should-retry",
    }
)
_OPEN_PREFIX: Final = b"anthropic-"
# The organization's quota and name are the operator's business, not the developer's.
_KEPT_BACK: Final = (b"anthropic-ratelimit-", b"anthropic-organization-id")
_DECISIONS_LIMIT: Final = 1024
_decisions: dict[bytes, bytes] = {}
"""Name in lower case → its `name: ` for the client, empty when it stays behind. Bounded."""


def passed_headers(head: ResponseHead) -> list[bytes]:
    """The lines that go on, each with its line end."""
    lines: list[bytes] = []
    for name, value in head.headers:
        decision = _decisions.get(name)
        if decision is None:
            decision = _decide(name)
        if decision:
            lines.append(decision + value + b"\r\n")
    return lines


def _decide(name: bytes) -> bytes:
    passes = name in _PASSED or (name.startswith(_OPEN_PREFIX) and not name.startswith(_KEPT_BACK))
    decision = name + b": " if passes else b""
    if len(_decisions) < _DECISIONS_LIMIT and len(name) <= 64:
        _decisions[name] = decision
    return decision
