"""Providers that speak Anthropic's Messages API at an address of their own: what a request to any looks like."""

from collections.abc import Awaitable, Iterable, Iterator
from functools import lru_cache
from typing import Any, ClassVar, Final
from urllib.parse import quote

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.identity.principal import Principal
from gateway_proxy.memo import Memo
from gateway_proxy.messages import betas
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.providers.client import Call, UpstreamClient
from gateway_proxy.upstream.errors import CredentialError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.pool import Pool

_PASSED: Final = frozenset({b"content-type", b"accept", b"user-agent", b"x-app"})
_PASSED_PREFIXES: Final = (b"anthropic-", b"x-stainless-")
_BETA: Final = betas.HEADER + b": "
_TARGETS_LIMIT: Final = 64

_VISIBLE: Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
"""Of ASCII, what `quote` would take for its own; `%` is not among it."""

_IDENTITY: Final = b"accept-encoding: identity"
_GZIP: Final = b"accept-encoding: gzip"


class HeaderChoice(Memo[bytes]):
    """Header name as written → its `name: ` for the upstream, empty when it stays behind."""

    def __init__(self, *withheld: bytes) -> None:
        """`withheld`: names in lower case that stay behind although their like passes. So do betas, which a request
        has apart."""
        behind = frozenset((betas.HEADER, *withheld))

        def choose(name: bytes) -> bytes:
            lower = name.lower()
            passes = lower in _PASSED or lower.startswith(_PASSED_PREFIXES)
            return lower + b": " if passes and lower not in behind else b""

        super().__init__(choose)


class FixedLine:
    """A credential that is sent as it is, where others are renewed."""

    __slots__ = ("current",)

    def __init__(self, upstream: Upstream, before: bytes, value: str) -> None:
        """The header line `before` begins. Raises ValueError for a value that no header can carry; the text never holds
        it."""
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError(f"the credential of {upstream.name} is empty or holds characters that no header can carry")
        self.current = before + value.encode()

    async def get(self) -> bytes:
        return self.current


class MessagesAPIUpstream(UpstreamClient):
    """One binding. What a provider may change: `choice`, `packs`, `prefix`, `body`, `lines`, `betas` and
    `authorization`."""

    __slots__ = ("_forwards_identity", "_prefixes", "credential")

    choice: ClassVar[HeaderChoice] = HeaderChoice()
    """Which headers of the client go on."""
    packs: ClassVar[bool] = True
    """Whether it may send an answer compressed."""

    def __init__(self, upstream: Upstream, pool: Pool, credential: FixedLine | Renewing[Any]) -> None:
        """A credential whose value is no header line is for an `authorization` of the provider's own."""
        super().__init__(upstream, pool)
        self.credential = credential
        if isinstance(credential, Renewing):
            self.renewing = credential
        self._forwards_identity = upstream.forward_user_identity
        self._prefixes: dict[bytes, bytes] = {}

    def send(self, call: Call, model: str) -> Awaitable[Exchange]:
        body = self.body(call, model)
        lines = self.lines(call)
        authorization = self.authorization(call, model, body)
        if authorization is None:
            return self._send_later(call, model, lines, body)
        return self._exchange(call, model, authorization, lines, body)

    def prefix(self, call: Call, model: str) -> bytes:
        """What a request begins with: its first line and those that name the host."""
        return self.prefix_of(call.target)

    def body(self, call: Call, model: str) -> bytes:
        """What is sent."""
        members = call.members
        return members.body if model == call.model else members.with_model(model)

    def lines(self, call: Call) -> list[bytes]:
        """Header lines without their ends, in a list that is the caller's."""
        choice = self.choice
        lines = [before + value for name, value in call.headers if (before := choice[name])]
        lines += [_BETA + value for value in self.betas(call)]
        return [*lines, *identity_lines(call.principal)] if self._forwards_identity else lines

    def betas(self, call: Call) -> BetaValues:
        """What headers list them."""
        return call.betas

    def authorization(self, call: Call, model: str, body: bytes) -> bytes | None:
        """The header line that proves who asks, or several with line ends between them; `body` is what is sent with it.
        None while there is no credential."""
        line: bytes | None = self.credential.current
        return line

    def prefix_of(self, target: bytes) -> bytes:
        """The same with this path, and perhaps a query, behind the base URL."""
        prefix = self._prefixes.get(target)
        if prefix is None:
            prefix = b"POST " + self.path + target + b" HTTP/1.1\r\n" + self.host
            if len(self._prefixes) < _TARGETS_LIMIT:
                self._prefixes[target] = prefix
        return prefix

    async def _send_later(self, call: Call, model: str, lines: list[bytes], body: bytes) -> Exchange:
        await self.credential.get()
        authorization = self.authorization(call, model, body)
        if authorization is None:
            raise CredentialError("the credential ended as it came")
        return await self._exchange(call, model, authorization, lines, body)

    def _exchange(
        self, call: Call, model: str, authorization: bytes, lines: list[bytes], body: bytes
    ) -> Awaitable[Exchange]:
        packed = self.packs and _takes_packed(call)
        head = _head(self.prefix(call, model), authorization, lines, body, packed=packed)
        return self.pool.exchange(head, body, timeouts=self.timeouts, packed=packed)


def identity_lines(principal: Principal) -> Iterator[bytes]:
    """Who asks, for an upstream that wants to know: a gateway of one's own, a ledger. A client cannot say it itself:
    these names are not among those that pass. What no header can carry is percent-encoded, as UTF-8."""
    caller = principal.caller
    if caller is None:
        return
    user = _header_text(caller.user)
    yield b"x-claude-gateway-user-id: " + user
    if caller.email_address is not None:
        yield b"x-claude-gateway-user-email: " + _header_text(caller.email_address)
    # LiteLLM's name for it, so that a gateway of that kind counts by person.
    yield b"x-litellm-end-user-id: " + user


@lru_cache(maxsize=4096)
def _header_text(text: str) -> bytes:
    return quote(text, safe=_VISIBLE, errors="surrogatepass").encode()


def _takes_packed(call: Call) -> bool:
    return not call.stream and call.accept_encoding is not None and _takes_gzip(call.accept_encoding)


def _head(prefix: bytes, authorization: bytes, lines: Iterable[bytes], body: bytes, *, packed: bool) -> bytes:
    encoding = _GZIP if packed else _IDENTITY
    return b"\r\n".join((prefix, authorization, *lines, encoding, b"content-length: %d\r\n\r\n" % len(body)))


@lru_cache(maxsize=64)
def _takes_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip: of all codings the only one asked for, because the usage meter can read it."""
    for entry in accept_encoding.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False
