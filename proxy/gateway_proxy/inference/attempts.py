"""What attempts at upstreams come to: an answer, failures, and how it was decided."""

from typing import Final

from gateway_proxy import failure_answers
from gateway_proxy.policy.effective import Route
from gateway_proxy.upstream import retry_after
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead

COOLING_DOWN: Final = "CoolingDown"
FULL: Final = "Full"
_CAPACITY: Final = frozenset({503, 529})


class Answer:
    """The answer that goes to the client. Whoever holds one closes it."""

    __slots__ = ("_open", "body", "events", "exchange", "head", "route", "silent")

    def __init__(
        self, route: Route, exchange: Exchange, head: ResponseHead, body: bytes | None, *, events: bool, silent: bool
    ) -> None:
        self._open = True
        self.route = route
        self.exchange = exchange
        self.head = head
        self.body = body
        """The whole payload, or None: it is still to be taken from the exchange."""
        self.events = events
        """Whether it is a stream of plain server-sent events."""
        self.silent = silent
        """Whether such a stream has been silent since its head."""

    def close(self) -> None:
        """Ends the exchange unless it is over, and leaves the upstream; the body stays."""
        self.exchange.abort()
        if self._open:
            self._open = False
            self.route.standing.binding.occupancy.open -= 1


class Decision:
    """How a request came to its upstream where it had more than one to choose from."""

    __slots__ = ("attempts", "last_resort", "passed_over", "probe")

    def __init__(self) -> None:
        self.attempts = 0
        self.passed_over: dict[str, str] = {}
        """Upstreams that did not answer, each with the status or the reason."""
        self.probe = False
        """Whether the last attempt was the trial of an upstream that had cooled down."""
        self.last_resort = False
        """Whether it was made at an upstream passed over before, because no other was left."""

    def begin(self, upstream: str, *, probe: bool, last_resort: bool) -> None:
        self.attempts += 1
        self.probe, self.last_resort = probe, last_resort
        if last_resort:
            del self.passed_over[upstream]

    @property
    def why(self) -> str:
        """What the last upstream was tried for: constants that audit lines have."""
        if self.last_resort:
            return "LastResort"
        others = set(self.passed_over.values())
        if others - {FULL, COOLING_DOWN}:
            return "Failover"
        if FULL in others:
            return FULL
        if COOLING_DOWN in others:
            return COOLING_DOWN
        return "Probe" if self.probe else "Preferred"


class Failures:
    """What the attempts of one request came to, and which of it the client gets when none is left."""

    __slots__ = ("_attempts", "_capacity", "_full", "_kept", "_no_logins", "_not_counted")

    def __init__(self) -> None:
        self._no_logins = False
        self._not_counted = False
        self._attempts = 0
        self._capacity: dict[str, str] | None = None
        self._full = False
        self._kept: dict[int, Answer] = {}

    def status(self, answer: Answer) -> None:
        self._attempts += 1
        status = answer.head.status
        if status in _CAPACITY:
            self._capacity = {
                name.decode(): value.decode("latin-1")
                for name in (retry_after.NAME, b"x-should-retry")
                if (value := answer.head.get(name)) is not None and retry_after.passes(name, value)
            }
        elif status < 500 or status == 501:
            self._kept[401 if status == 403 else status] = answer

    def error(self) -> None:
        self._attempts += 1

    def full(self) -> None:
        """An upstream was not asked: as many requests as it may have are open there."""
        self._full = True

    def no_logins(self) -> None:
        """An upstream was not asked: it has no use for a developer's own login."""
        self._no_logins = True

    def not_counted(self) -> None:
        """An upstream was not asked: it does not count tokens with this model."""
        self._not_counted = True

    def final(self) -> Answer:
        """The last 429; else raises 529 where an upstream was full; else the last 401 or 403, the last 404, the last
        501; else raises 501 where an upstream does not count tokens, 403 where none takes the caller's own login, 529
        where one was at capacity, or 502."""
        if 429 in self._kept:
            return self._kept[429]
        if self._full:
            # It will have room soon, whatever the others said: that is what the client can act on.
            raise failure_answers.upstreams_full()
        for status in (401, 404, 501):
            if status in self._kept:
                return self._kept[status]
        if self._not_counted:
            raise failure_answers.tokens_not_counted()
        if self._no_logins and not self._attempts:
            raise failure_answers.login_without_upstream()
        if self._capacity is not None:
            raise failure_answers.overloaded(self._capacity)
        raise failure_answers.all_upstreams_failed(self._attempts)
