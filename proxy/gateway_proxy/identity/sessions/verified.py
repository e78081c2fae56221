"""Session tokens that were verified before: by their SHA-256, within a bound in bytes."""

import sys
from typing import Final, NamedTuple

from gateway_proxy.identity.principal import Principal

MAX_BYTES: Final = 32 * 1024 * 1024
"""About 20,000 tokens, as long as none carries groups for request tags; above it the oldest makes room."""
ENTRY_BYTES: Final = 1200
"""Of a token without groups, names aside."""


class Verified(NamedTuple):
    expires: float
    session_id: str
    principal: Principal
    size: int
    """In bytes; what it shares with others is counted as its own."""


class VerifiedTokens:
    def __init__(self) -> None:
        self._by_digest: dict[bytes, Verified] = {}
        self._bytes = 0
        self.get = self._by_digest.get

    def __len__(self) -> int:
        return len(self._by_digest)

    def keep(self, digest: bytes, *, expires: float, session_id: str, principal: Principal, now: float) -> None:
        """And drops the oldest: those that are out of date, and those that there is no room for."""
        self.drop(digest)
        entry = Verified(expires, session_id, principal, _size(principal))
        self._by_digest[digest] = entry
        self._bytes += entry.size
        while self._by_digest:
            oldest = next(iter(self._by_digest))
            if self._bytes <= MAX_BYTES and self._by_digest[oldest].expires > now:
                break
            self.drop(oldest)

    def drop(self, digest: bytes) -> None:
        entry = self._by_digest.pop(digest, None)
        if entry is not None:
            self._bytes -= entry.size

    def clear(self) -> None:
        self._by_digest.clear()
        self._bytes = 0


def _size(principal: Principal) -> int:
    size = ENTRY_BYTES
    caller = principal.caller
    if caller is not None:
        size += sum(sys.getsizeof(text) for text in (caller.user, caller.email or ""))
        size += sys.getsizeof(caller.groups) + sum(map(sys.getsizeof, caller.groups))
    return size
