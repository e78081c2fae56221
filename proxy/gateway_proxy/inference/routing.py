"""Which upstream answers: they are tried in order, and the next only while nothing has been sent to the client."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.inference import bad_answers
from gateway_proxy.inference.affinity import affinity_key, in_order
from gateway_proxy.inference.attempts import COOLING_DOWN, FULL, Answer, Decision, Failures
from gateway_proxy.messages import sse
from gateway_proxy.policy.effective import AllowedModel, Route
from gateway_proxy.providers.client import Call
from gateway_proxy.upstream.errors import (
    BadAnswerError,
    ConnectError,
    CredentialError,
    FirstByteTimeoutError,
    ProtocolError,
    RefusedAddressError,
    UpstreamError,
)
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.retry_after import retry_after_seconds

log = logging.getLogger(__name__)

BUFFERED_LIMIT: Final = 1024 * 1024
"""Bytes of an answer that is no stream, held until it is whole: until then another upstream may still answer."""
BEGINNING: Final = 64 * 1024
"""Bytes kept of an error, or a number of tokens, that is longer than that."""
_LOG_SECONDS: Final = 10.0
"""Of each upstream and reason, one line in this time: an upstream that is down fails every request."""
_REFUSED: Final = frozenset({401, 403})
_UNTIL_REPAIRED: Final = frozenset({"401", "403", RefusedAddressError.reason, CredentialError.reason})
"""Failures that last until an administrator acts."""


class Router:
    """Tries upstreams. One for the process."""

    __slots__ = ("_clock", "_logged", "_ping_seconds")

    def __init__(self, *, ping_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: what cool-downs go by, in seconds."""
        self._ping_seconds = ping_seconds
        self._clock = clock
        self._logged: dict[tuple[str, str], float] = {}

    async def answer(
        self,
        allowed: AllowedModel,
        request: ClientRequest,
        call: Call,
        *,
        decision: Decision | None,
    ) -> Answer:
        """The answer to relay: status and, for a stream, its first byte are there. `decision`, for a model with several
        routes, is told what happens. Requests for a number of tokens tell little of an upstream's health, and are never
        the trial of one.

        Raises GatewayError when every upstream failed without an answer fit for the client.
        """
        principal, metered = call.principal, not call.counts
        queue: Sequence[Route] = allowed.routes
        later: list[Route] = []
        if decision is not None:
            queue = later = in_order(allowed.tiers, affinity_key(request, principal))
        in_place = len(later)
        failures: Failures | None = None
        for position, route in enumerate(queue):  # what is passed over is added to its end
            standing = route.standing
            movable = position < in_place
            if principal.passthrough_authorization is not None and not route.client.takes_logins:
                failures = failures or Failures()
                failures.no_logins()
                continue
            if call.counts and not route.client.counts(route.model):
                failures = failures or Failures()
                failures.not_counted()
                continue
            if standing.binding.full:
                if position < len(allowed.routes):
                    route.series.upstream.full += 1
                if decision is not None and movable:
                    decision.passed_over[route.client.name] = FULL
                    later.append(route)
                else:
                    failures = failures or Failures()
                    failures.full()
                continue
            probe = False
            if decision is not None:
                if movable and standing.cooling:
                    if not (metered and standing.claim_probe(self._clock())):
                        decision.passed_over[route.client.name] = COOLING_DOWN
                        later.append(route)
                        continue
                    probe = True
                decision.begin(route.client.name, probe=probe, last_resort=not movable)
            era = standing.era
            try:
                answer = await self._attempt(route, call)
            except UpstreamError as error:
                failures = failures or Failures()
                failures.error()
                # A path that an upstream does not serve may be answered with 200 as well.
                counts = metered or not isinstance(error, BadAnswerError)
                self._failed(route, _label(error), era, probe=probe, decision=decision, counts=counts)
                self._tell(route, error.reason, str(error), request)
                continue
            except BaseException:
                if probe:
                    standing.abandoned(era)
                raise
            head = answer.head
            fails = head.status >= 400 and route.client.fails_over(call, head, answer.body)
            if answer.body is not None and head.status >= 400:
                answer.head, answer.body = route.client.translated(call, head, answer.body)
            if not fails:
                if standing.failures and metered and standing.succeeded(era):
                    _tell_recovered(route)
                if decision is not None and len(allowed.tiers[0]) > 1:
                    queue[0].series.upstream.affinity(kept=route is queue[0])
                return answer
            answer.close()
            failures = failures or Failures()
            failures.status(answer)
            own = principal.passthrough_authorization is not None
            # AWS refuses a credential with 400 too: what that means is in the answer for the client.
            status = answer.head.status if answer.head.status in _REFUSED else head.status
            counts = _tells_of_upstream(status, own_credential=own, metered=metered)
            reason = _status_label(status)
            self._failed(route, reason, era, probe=probe, decision=decision, head=head, counts=counts)
            if status in _REFUSED and not own:
                route.client.credential_refused()
            if not own or status not in _REFUSED:
                self._tell(route, str(status), _meaning(status), request)
        return (failures or Failures()).final()

    async def _attempt(self, route: Route, call: Call) -> Answer:
        """Raises UpstreamError, and GatewayError for a request that cannot be made fit for this upstream."""
        cut = route.client.filters.of(call.canonical)
        if cut is not None:
            call = call.cut(*cut.apply(call.members, call.betas))
        occupancy = route.standing.binding.occupancy
        occupancy.open += 1
        exchange: Exchange | None = None
        try:
            exchange = await route.client.send(call, route.model)
            answer = _ready(route, exchange, stream=call.stream) or await self._prepared(route, exchange, call)
            if call.counts:
                return _counted(route, answer)
            return answer if answer.events else bad_answers.checked(answer, counts=False)
        except BaseException:
            occupancy.open -= 1
            if exchange is not None:
                exchange.abort()
            raise

    def _failed(
        self,
        route: Route,
        reason: str,
        era: int,
        *,
        probe: bool,
        decision: Decision | None,
        head: ResponseHead | None = None,
        counts: bool = True,
    ) -> None:
        """`counts`: whether it tells of the upstream, and not of the caller or of a path that it does not serve."""
        series, standing = route.series, route.standing
        series.attempt_failed(reason)
        if decision is not None:
            decision.passed_over[route.client.name] = reason
        if not counts:
            if probe:
                standing.abandoned(era)
            return
        asked = head.get(b"retry-after") if head is not None else None
        now = self._clock()
        wait = retry_after_seconds(asked.decode("latin-1")) if asked is not None else None
        if standing.failed(now, era, probe=probe, retry_after=wait):
            series.upstream.cool_downs += 1
            log.warning(
                "upstream %s: behind the others for %.0f s with %s, after %d failures in a row",
                route.client.name,
                standing.until - now,
                series.model,
                standing.failures,
                extra={
                    "event": "upstream.cooling_down",
                    "upstream": route.client.name,
                    "model": series.model,
                    "reason": reason,
                },
            )

    async def _prepared(self, route: Route, exchange: Exchange, call: Call) -> Answer:
        """Waits for what must be there before the client's answer may begin. Raises UpstreamError."""
        head = exchange.head
        if head is None:
            raise ProtocolError("no response head")
        if head.status == 200 and sse.is_events(head):
            silent = not await self._first_event(exchange)
            if exchange.head is head:
                held = exchange.held()
                error = None if silent else bad_answers.leading_error(held)
                if error is None:
                    return Answer(route, exchange, head, None, events=True, silent=silent)
                exchange.abort()
                return Answer(route, exchange, _head_of(error), error, events=False, silent=False)
            head = exchange.head or head  # the first thing that came was an error
        exchange.least_bytes = bad_answers.LEAST_BYTES
        body = await exchange.read(BUFFERED_LIMIT)
        head = exchange.head or head
        if body is None and (head.status >= 400 or call.counts):
            body = exchange.held()[:BEGINNING]
            exchange.abort()
        return Answer(route, exchange, head, body, events=False, silent=False)

    async def _first_event(self, exchange: Exchange) -> bool:
        """Waits for the stream's first event, at most until a ping is due; whether it is there. Of a long one, the
        beginning is enough. Raises UpstreamError."""
        if bad_answers.says_something(exchange.held()):
            return True
        try:
            async with asyncio.timeout(self._ping_seconds):
                while exchange.error is not None or not exchange.complete:
                    await exchange.more()
                    if bad_answers.says_something(exchange.held()):
                        break
        except TimeoutError:
            return False
        return True

    def _tell(self, route: Route, reason: str, what: str, request: ClientRequest) -> None:
        now = time.monotonic()
        key = (route.client.name, reason)
        if now - self._logged.get(key, -_LOG_SECONDS) < _LOG_SECONDS:
            return
        if len(self._logged) > 1000:
            self._logged.clear()
        self._logged[key] = now
        level = logging.ERROR if reason in _UNTIL_REPAIRED else logging.WARNING
        log.log(
            level,
            "upstream %s: %s",
            route.client.name,
            what,
            extra={
                "event": "upstream.failed",
                "upstream": route.client.name,
                "reason": reason,
                "request_id": request.request_id,
            },
        )


def _ready(route: Route, exchange: Exchange, *, stream: bool) -> Answer | None:
    """An answer that came whole with its head, as short ones do; None where something must be waited for."""
    head = exchange.head
    if head is None or stream or sse.is_events(head):
        return None
    body = exchange.whole(BUFFERED_LIMIT)
    return Answer(route, exchange, head, body, events=False, silent=False) if body is not None else None


def _counted(route: Route, answer: Answer) -> Answer:
    """A number of tokens, as its client gets it, or an error. Raises BadAnswerError and ProtocolError."""
    if answer.events:
        raise BadAnswerError("events in the place of a number of tokens")
    answer = bad_answers.checked(answer, counts=True)
    if answer.head.status == 200 and answer.body is not None:
        answer.head, answer.body = route.client.translated_count(answer.head, answer.body)
        bad_answers.check_count(answer)
    return answer


def _tells_of_upstream(status: int, *, own_credential: bool, metered: bool) -> bool:
    """Whether a failure counts against the upstream. What it says to a developer's own login speaks of that, and on
    the way to `count_tokens` of that path, which some do not serve and others limit by itself."""
    if own_credential or not metered:
        return status >= 500 and status != 501
    return status != 501


def _tell_recovered(route: Route) -> None:
    log.info(
        "upstream %s: answers again with %s",
        route.client.name,
        route.series.model,
        extra={"event": "upstream.recovered", "upstream": route.client.name, "model": route.series.model},
    )


def _head_of(error: bytes) -> ResponseHead:
    """The head that an error would have come with, had the upstream known it before it began a stream."""
    return ResponseHead.answered(errors.status_of_envelope(error))


def _status_label(status: int) -> str:
    """The failure as metrics count it."""
    return str(status) if status < 500 or status == 501 else "5xx"


def _meaning(status: int) -> str:
    if status in _REFUSED:
        return f"it refused the gateway's credential with status {status}: no request can pass until it is repaired"
    return f"it answered with status {status}"


def _label(error: UpstreamError) -> str:
    """The failure as metrics count it."""
    if isinstance(error, ConnectError):
        return error.reason if isinstance(error, RefusedAddressError) else "Connect"
    if isinstance(error, ProtocolError):
        return "Protocol"
    if isinstance(error, BadAnswerError | CredentialError):
        return error.reason
    return "Timeout" if isinstance(error, FirstByteTimeoutError) else "Reset"
