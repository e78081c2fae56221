"""The Anthropic API, or whatever speaks it at a binding's base URL: what a request to it looks like."""

from collections.abc import Awaitable
from functools import lru_cache
from typing import Final

from gateway_config.contract import Upstream
from gateway_proxy.providers.client import Call, UpstreamClient
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.pool import Pool

OAUTH_BETA: Final = b"oauth-2025-04-20"
"""The capability without which the Anthropic API takes no OAuth token."""

_PASSED: Final = frozenset({b"content-type", b"accept", b"user-agent", b"x-app"})
_PASSED_PREFIXES: Final = (b"anthropic-", b"x-stainless-")
_DECISIONS_LIMIT: Final = 1024
_TARGETS_LIMIT: Final = 64


class _Decisions(dict[bytes, bytes]):
    """Header name as written → its `name: ` for the upstream, empty when it stays behind. Bounded."""

    def __missing__(self, name: bytes) -> bytes:
        lower = name.lower()
        decision = lower + b": " if lower in _PASSED or lower.startswith(_PASSED_PREFIXES) else b""
        if len(self) < _DECISIONS_LIMIT and len(name) <= 64:
            self[name] = decision
        return decision


_decisions = _Decisions()

_IDENTITY: Final = b"accept-encoding: identity"
_GZIP: Final = b"accept-encoding: gzip"
_BETA: Final = b"anthropic-beta: "


class AnthropicUpstream(UpstreamClient):
    """One binding of type Anthropic."""

    __slots__ = ("_credential", "_oauth", "_prefixes")

    def __init__(self, upstream: Upstream, pool: Pool, credential: str) -> None:
        """Raises ValueError for a credential that cannot stand in a header; the text never holds it."""
        super().__init__(upstream, pool)
        if not credential or not credential.isascii() or not credential.isprintable() or " " in credential:
            raise ValueError(f"the credential of {upstream.name} is empty or holds characters that no header can carry")
        self._oauth = upstream.credential.kind == "OAuthToken"
        scheme = b"authorization: Bearer " if self._oauth else b"x-api-key: "
        self._credential = scheme + credential.encode()
        self._prefixes: dict[bytes, bytes] = {}

    def send(self, call: Call, model: str) -> Awaitable[Exchange]:
        members = call.members
        body = members.body if model == call.model else members.with_model(model)
        return self.pool.exchange(self._request_head(call, len(body)), body, timeouts=self.timeouts)

    def _request_head(self, call: Call, body_bytes: int) -> bytes:
        own = call.principal.passthrough_authorization
        lines = [before + value for name, value in call.headers if (before := _decisions[name])]
        if self._oauth and own is None:
            _add_oauth_beta(lines)
        credential = self._credential if own is None else b"authorization: " + own.encode("utf-8", "surrogateescape")
        encoding = _IDENTITY
        if not call.stream and call.accept_encoding is not None and _takes_gzip(call.accept_encoding):
            encoding = _GZIP
        return b"\r\n".join(
            (self._prefix(call.target), credential, *lines, encoding, b"content-length: %d\r\n\r\n" % body_bytes)
        )

    def _prefix(self, target: bytes) -> bytes:
        prefix = self._prefixes.get(target)
        if prefix is None:
            prefix = b"POST " + self.path + target + b" HTTP/1.1\r\n" + self.host
            if len(self._prefixes) < _TARGETS_LIMIT:
                self._prefixes[target] = prefix
        return prefix


def _add_oauth_beta(lines: list[bytes]) -> None:
    """Names the capability behind the client's own, unless it is among them."""
    present = [number for number, line in enumerate(lines) if line.startswith(_BETA)]
    if not present:
        lines.append(_BETA + OAUTH_BETA)
        return
    named = [value.strip() for number in present for value in lines[number][len(_BETA) :].split(b",")]
    if OAUTH_BETA not in named:
        last = present[-1]
        lines[last] += (b"," if len(lines[last]) > len(_BETA) else b"") + OAUTH_BETA


@lru_cache(maxsize=64)
def _takes_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip: of all codings the only one asked for, because the usage meter can read it."""
    for entry in accept_encoding.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False
