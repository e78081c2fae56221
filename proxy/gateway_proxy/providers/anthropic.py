"""The Anthropic API, or whatever speaks it at a binding's base URL: what a request to it looks like."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from gateway_config.contract import Timeouts, Upstream
from gateway_proxy.identity.principal import Principal
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.pool import Pool

OAUTH_BETA: Final = b"oauth-2025-04-20"
"""The capability without which the Anthropic API takes no OAuth token."""

RawHeaders = Sequence[tuple[bytes, bytes]]

_PASSED: Final = frozenset({b"content-type", b"accept", b"user-agent", b"x-app"})
_PASSED_PREFIXES: Final = (b"anthropic-", b"x-stainless-")
_DECISIONS_LIMIT: Final = 1024
_TARGETS_LIMIT: Final = 64
_decisions: dict[bytes, bytes] = {}
"""Header name as written → its `name: ` for the upstream, empty when it stays behind. Bounded."""

_IDENTITY: Final = b"accept-encoding: identity\r\n"
_GZIP: Final = b"accept-encoding: gzip\r\n"


class AnthropicUpstream:
    """One binding of type Anthropic."""

    __slots__ = ("_credential", "_host", "_oauth", "_path", "_prefixes", "models", "name", "pool", "priority", "timeouts")

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
        self._credential = scheme + credential.encode() + b"\r\n"
        route = pool.route
        self._path = (route.absolute_form + urlsplit(upstream.base_url).path.rstrip("/")).encode()
        self._host = b"host: " + route.origin.authority.encode() + b"\r\n"
        if route.proxy_authorization is not None:
            self._host += b"proxy-authorization: " + route.proxy_authorization.encode() + b"\r\n"
        self._prefixes: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"<AnthropicUpstream {self.name}>"

    async def send(
        self, target: bytes, headers: RawHeaders, body: bytes, *, principal: Principal, stream: bool
    ) -> Exchange:
        """Sends a request and returns with its response head. `target` is path and query. Raises UpstreamError."""
        head = self.request_head(target, headers, len(body), principal=principal, stream=stream)
        return await self.pool.exchange(head, body, timeouts=self.timeouts)

    def request_head(
        self, target: bytes, headers: RawHeaders, body_bytes: int, *, principal: Principal, stream: bool
    ) -> bytes:
        """The request's head. `headers` are the client's as its parser gave them: without line ends in values."""
        own = principal.passthrough_authorization
        parts = [self._prefix(target)]
        if own is not None:
            parts.append(b"authorization: " + own.encode("utf-8", "surrogateescape") + b"\r\n")
        else:
            parts.append(self._credential)
        encoding = _IDENTITY
        beta = -1
        for name, value in headers:
            decision = _decisions.get(name)
            if decision is None:
                decision = _decide(name)
            if decision:
                if decision == b"anthropic-beta: ":
                    beta = len(parts)
                parts.append(decision + value + b"\r\n")
            elif not stream and len(name) == 15 and name.lower() == b"accept-encoding" and _takes_gzip(value):
                encoding = _GZIP
        parts.append(encoding)
        if self._oauth and own is None:
            self._add_oauth_beta(parts, beta)
        parts.append(b"content-length: %d\r\n\r\n" % body_bytes)
        return b"".join(parts)

    def _prefix(self, target: bytes) -> bytes:
        prefix = self._prefixes.get(target)
        if prefix is None:
            prefix = b"POST " + self._path + target + b" HTTP/1.1\r\n" + self._host
            if len(self._prefixes) < _TARGETS_LIMIT:
                self._prefixes[target] = prefix
        return prefix

    @staticmethod
    def _add_oauth_beta(parts: list[bytes], beta: int) -> None:
        if beta < 0:
            parts.append(b"anthropic-beta: " + OAUTH_BETA + b"\r\n")
            return
        present = b",".join(part[16:-2] for part in parts if part.startswith(b"anthropic-beta: "))
        if OAUTH_BETA not in [value.strip() for value in present.split(b",")]:
            line = parts[beta][:-2]
            parts[beta] = line + (b"," if len(line) > 16 else b"") + OAUTH_BETA + b"\r\n"


def _decide(name: bytes) -> bytes:
    lower = name.lower()
    decision = lower + b": " if lower in _PASSED or lower.startswith(_PASSED_PREFIXES) else b""
    if len(_decisions) < _DECISIONS_LIMIT and len(name) <= 64:
        _decisions[name] = decision
    return decision


def _takes_gzip(accept_encoding: bytes) -> bool:
    """Whether a client takes gzip: of all codings the only one asked for, because the usage meter can read it."""
    for entry in accept_encoding.lower().split(b","):
        coding, _, weight = entry.partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            return weight.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False
