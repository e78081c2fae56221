"""What the relay needs of any upstream, whoever provides it."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import urlsplit

from gateway_config.contract import Timeouts, Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.identity.principal import Principal
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.messages.body import Members
from gateway_proxy.messages.filters import Filters
from gateway_proxy.providers import told_errors
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool

_OF_THE_UPSTREAM: Final = frozenset({401, 403, 404, 429})


class Call(NamedTuple):
    """A request of a client, as every upstream that is tried for it gets it. Nobody changes it."""

    target: bytes
    """Path and query as the client sent them."""
    headers: Sequence[tuple[bytes, bytes]]
    """The client's that are meant for the end of the way: without line ends in values."""
    betas: BetaValues
    """What goes on of those headers that are `anthropic-beta`."""
    members: Members
    principal: Principal
    model: str
    """As the client wrote it."""
    canonical: str
    """The model's canonical id."""
    stream: bool
    counts: bool
    """Whether it asks for a number of tokens and not for an answer."""
    accept_encoding: str | None
    request_id: str

    def cut(self, members: Members, betas: BetaValues) -> "Call":
        """The same with less in it."""
        if members is self.members and betas is self.betas:
            return self
        return self._replace(members=members, betas=betas)


class UpstreamClient(ABC):
    """One binding. Made in a thread, used on the event loop alone."""

    __slots__ = ("filters", "host", "models", "name", "path", "pool", "priority", "renewing", "timeouts")

    takes_logins: ClassVar[bool] = False
    """Whether it sends a developer's own login on in place of its credential. Nobody but Anthropic can tell whether
    such a login is one: with the gateway's credential its bearer would be let in unseen."""

    def __init__(self, upstream: Upstream, pool: Pool) -> None:
        """Raises ValueError, with text that is fit for a log, for a binding that cannot work."""
        self.name = upstream.name
        self.priority = upstream.priority
        self.models = upstream.models
        self.filters = Filters(upstream.filters)
        self.timeouts: Timeouts = upstream.timeouts
        self.pool = pool
        self.renewing: Renewing[Any] | None = None
        """The credential, where it is one that has to be fetched and expires: to be set by who is made with one."""
        route = pool.route
        self.path = (route.absolute_form + urlsplit(upstream.base_url).path.rstrip("/")).encode()
        """What every request's target begins with."""
        self.host = b"host: " + route.origin.authority.encode()
        """The header line, and beside it the one for a forward proxy that wants credentials; without a line end."""
        if route.proxy_authorization is not None:
            self.host += b"\r\nproxy-authorization: " + route.proxy_authorization.encode()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def prepare(self) -> None:
        """The configuration is in force: what a first request would wait for is fetched now."""
        if self.renewing is not None:
            self.renewing.prepare()

    def credential_refused(self) -> None:
        """An answer says so: a fetched one may have been taken back before its end."""
        if self.renewing is not None:
            self.renewing.refused()

    @abstractmethod
    def send(self, call: Call, model: str) -> Awaitable[Exchange]:
        """Sends the request with the upstream's own id for the model, and returns once its response head is there.
        A stream's payload is server-sent events, whatever the upstream sends. Raises UpstreamError."""

    def counts(self, model: str) -> bool:
        """Whether it is worth asking for a number of tokens with this model."""
        return True

    def fails_over(self, call: Call, head: ResponseHead, body: bytes | None) -> bool:
        """Whether an answer tells of the upstream's state, so that another one may do better. `body`: the payload, None
        where it has not been read to its end."""
        status = head.status
        return status >= 500 or status in _OF_THE_UPSTREAM

    def translated(self, call: Call, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        """An answer of status 400 or above as the client gets it. `body`: of an answer that is longer than anything a
        client could read, the beginning."""
        return told_errors.readable(self.name, call.request_id, head, body)

    def translated_count(self, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        """A number of tokens, which came with status 200, as the client gets it. What is none stays as it came."""
        return head, body
