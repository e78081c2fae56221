"""The Anthropic API, or whatever speaks it at a binding's base URL: what a request to it looks like."""

from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gateway_config.contract import Timeouts, Upstream
from gateway_proxy.identity.principal import Principal
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool

OAUTH_BETA: Final = b"oauth-2025-04-20"
"""The capability without which the Anthropic API takes no OAuth token."""

RawHeaders = Sequence[tuple[bytes, bytes]]

_PASSED: Final = frozenset({b"content-type", b"accept", b"user-agent", b"x-app"})
_PASSED_PREFIXES: Final = (b"anthropic-", b"x-stainless-")
_OF_THE_UPSTREAM: Final = frozenset({401, 403, 404, 429})
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


class AnthropicUpstream:
    """One binding of type Anthropic."""

    __slots__ = (
        "_credential",
        "_host",
        "_oauth",
        "_path",
        "_prefixes",
        "models",
        "name",
        "pool",
        "priority",
        "timeouts",
    )

    def __init__(self, upstream: Upstream, credential: str, pool: Pool) -> None:
        """Raises ValueError for a credential that cannot stand in a header; the text never holds it."""
        if not credential or not credential.isascii() or not credential.isprintable() or " " in credential:
            raise ValueError(f"the credential of {upstream.name} is empty or holds characters that no header can carry")
        self.name = upstream.name
        self.priority = upstream.priority
        self.models = upstream.models
        self.timeouts: Timeouts = upstream.timeouts
        self.pool = pool
        self._oauth = upstream.credential.kind == "OAuthToken"
        scheme = b"authorization: Bearer " if self._oauth else b"x-api-key: "
        self._credential = scheme + credential.encode()
        route = pool.route
        self._path = (route.absolute_form + urlsplit(upstream.base_url).path.rstrip("/")).encode()
        self._host = b"host: " + route.origin.authority.encode()
        if route.proxy_authorization is not None:
            self._host += b"\r\nproxy-authorization: " + route.proxy_authorization.encode()
        self._prefixes: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"<AnthropicUpstream {self.name}>"

    def fails_over(self, head: ResponseHead, body: bytes | None) -> bool:
        """Whether an answer tells of the upstream's state, so that another one may do better. `body`: the payload, None
        where it has not been read to its end."""
        status = head.status
        return status >= 500 or status in _OF_THE_UPSTREAM

    def send(
        self,
        target: bytes,
        headers: RawHeaders,
        body: bytes,
        *,
        principal: Principal,
        stream: bool,
        accept_encoding: str | None,
    ) -> Awaitable[Exchange]:
        """Sends a request and returns with its response head. `target` is path and query. Raises UpstreamError."""
        head = self.request_head(
            target, headers, len(body), principal=principal, stream=stream, accept_encoding=accept_encoding
        )
        return self.pool.exchange(head, body, timeouts=self.timeouts)

    def request_head(
        self,
        target: bytes,
        headers: RawHeaders,
        body_bytes: int,
        *,
        principal: Principal,
        stream: bool,
        accept_encoding: str | None,
    ) -> bytes:
        """The request's head. `headers` are the client's as its parser gave them: without line ends in values."""
        own = principal.passthrough_authorization
        lines = [before + value for name, value in headers if (before := _decisions[name])]
        if self._oauth and own is None:
            _add_oauth_beta(lines)
        credential = self._credential if own is None else b"authorization: " + own.encode("utf-8", "surrogateescape")
        encoding = _IDENTITY
        if not stream and accept_encoding is not None and _takes_gzip(accept_encoding):
            encoding = _GZIP
        return b"\r\n".join(
            (self._prefix(target), credential, *lines, encoding, b"content-length: %d\r\n\r\n" % body_bytes)
        )

    def _prefix(self, target: bytes) -> bytes:
        prefix = self._prefixes.get(target)
        if prefix is None:
            prefix = b"POST " + self._path + target + b" HTTP/1.1\r\n" + self._host
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
