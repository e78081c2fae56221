"""Which upstream answers: they are tried in order, and the next only while nothing has been sent to the client."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.body import Members
from gateway_proxy.policy.effective import Route
from gateway_proxy.upstream.errors import (
    ConnectError,
    FirstByteTimeoutError,
    ProtocolError,
    RefusedAddressError,
    UpstreamError,
)
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead

log = logging.getLogger(__name__)

BUFFERED_LIMIT: Final = 1024 * 1024
"""Bytes of an answer that is no stream, held until it is whole: until then another upstream may still answer."""
_LOG_SECONDS: Final = 10.0
"""Of each upstream and reason, one line in this time: an upstream that is down fails every request."""
_CAPACITY: Final = frozenset({503, 529})
_UNTIL_REPAIRED: Final = frozenset({"401", "403", RefusedAddressError.reason})
"""Failures that last until an administrator acts."""
_NAMES_NO_HEADER: Final = ("keep-alive", "close")
_EVENT_STREAM: Final = b"text/event-stream"


class Answer:
    """The answer that goes to the client."""

    __slots__ = ("body", "events", "exchange", "head", "route", "silent")

    def __init__(
        self, route: Route, exchange: Exchange, head: ResponseHead, body: bytes | None, *, events: bool, silent: bool
    ) -> None:
        self.route = route
        self.exchange = exchange
        self.head = head
        self.body = body
        """The whole payload, or None: it is still to be taken from the exchange."""
        self.events = events
        """Whether it is a stream of plain server-sent events."""
        self.silent = silent
        """Whether such a stream has been silent since its head."""


class Failures:
    """What the attempts of one request came to, and which of it the client gets when none is left."""

    __slots__ = ("_attempts", "_capacity", "_kept")

    def __init__(self) -> None:
        self._attempts = 0
        self._capacity: dict[str, str] | None = None
        self._kept: dict[int, Answer] = {}

    def status(self, answer: Answer) -> None:
        self._attempts += 1
        status = answer.head.status
        if status in _CAPACITY:
            self._capacity = {
                name: value.decode("latin-1")
                for name in ("retry-after", "x-should-retry")
                if (value := answer.head.get(name.encode())) is not None
            }
        elif status < 500 or status == 501:
            self._kept[401 if status == 403 else status] = answer

    def error(self) -> None:
        self._attempts += 1

    def final(self) -> Answer:
        """The last 429, else the last 401 or 403, the last 404, the last 501; else raises 529 where an upstream was
        at capacity, or 502."""
        for status in (429, 401, 404, 501):
            if status in self._kept:
                return self._kept[status]
        if self._capacity is not None:
            raise errors.overloaded(self._capacity)
        raise errors.all_upstreams_failed(self._attempts)


class Router:
    """Tries upstreams. One for the process."""

    __slots__ = ("_logged", "_ping_seconds")

    def __init__(self, *, ping_seconds: float) -> None:
        self._ping_seconds = ping_seconds
        self._logged: dict[tuple[str, str], float] = {}

    async def answer(
        self,
        routes: Sequence[Route],
        request: ClientRequest,
        members: Members,
        *,
        principal: Principal,
        model: str,
        stream: bool,
    ) -> Answer:
        """The answer to relay: status and, for a stream, its first byte are there. `model` is as the client wrote it.

        Raises GatewayError when every upstream failed without an answer fit for the client.
        """
        target, headers = _target(request), _end_to_end(request)
        failures: Failures | None = None
        for route in routes:
            body = members.body if route.model == model else members.with_model(route.model)
            try:
                exchange = await route.client.send(
                    target,
                    headers,
                    body,
                    principal=principal,
                    stream=stream,
                    accept_encoding=request.headers.get("Accept-Encoding"),
                )
                answer = _ready(route, exchange, stream=stream) or await self._prepared(route, exchange, stream=stream)
            except UpstreamError as error:
                failures = failures or Failures()
                failures.error()
                route.series.attempt_failed(_label(error))
                self._tell(route, error.reason, str(error), request)
                continue
            status = answer.head.status
            if status < 400:
                return answer
            if _fails_over(status):
                failures = failures or Failures()
                failures.status(answer)
                route.series.attempt_failed(str(status) if status < 500 or status == 501 else "5xx")
                if principal.passthrough_authorization is None or status not in (401, 403):
                    self._tell(route, str(status), _meaning(status), request)
                continue
            return answer
        return (failures or Failures()).final()

    async def _prepared(self, route: Route, exchange: Exchange, *, stream: bool) -> Answer:
        """Waits for what must be there before the client's answer may begin."""
        try:
            head = exchange.head
            if head is None:
                raise ProtocolError("no response head")
            if head.status == 200 and _is_plain_events(head):
                silent = await self._first_event(exchange)
                if not silent and exchange.whole(0) is not None:
                    raise ProtocolError("an event stream that ended without an event")
                return Answer(route, exchange, head, None, events=True, silent=silent)
            if head.status == 200 and stream:
                return Answer(route, exchange, head, None, events=False, silent=False)
            body = await exchange.read(BUFFERED_LIMIT)
            if body is None and _fails_over(head.status):
                exchange.abort()
                body = b""
            return Answer(route, exchange, head, body, events=False, silent=False)
        except BaseException:
            exchange.abort()
            raise

    async def _first_event(self, exchange: Exchange) -> bool:
        """Waits for the stream's first byte, at most until a ping is due; whether it was silent that long."""
        if exchange.has_payload:
            return False
        try:
            async with asyncio.timeout(self._ping_seconds):
                await exchange.first_payload()
        except TimeoutError:
            return True
        return False

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
    if head is None or stream or _is_plain_events(head):
        return None
    body = exchange.whole(BUFFERED_LIMIT)
    return Answer(route, exchange, head, body, events=False, silent=False) if body is not None else None


def _fails_over(status: int) -> bool:
    return status >= 500 or status in (401, 403, 404, 429)


def _is_plain_events(head: ResponseHead) -> bool:
    content_type = head.get(b"content-type")
    if content_type is None or not content_type.lower().startswith(_EVENT_STREAM):
        return False
    encoding = head.get(b"content-encoding")
    return encoding is None or encoding.lower() == b"identity"


def _target(request: ClientRequest) -> bytes:
    """Path and query for the upstream, as the client sent them."""
    if not request.query:
        return request.path.encode()
    if not request.query.isascii():
        raise errors.invalid_request("the query string holds characters that must be percent-encoded")
    return f"{request.path}?{request.query}".encode()


def _end_to_end(request: ClientRequest) -> Sequence[tuple[bytes, bytes]]:
    """The client's headers without those that a `Connection` names as meant for this hop (RFC 9110, 7.6.1)."""
    connection = request.headers.getall("Connection", ())
    if not connection or (len(connection) == 1 and connection[0].lower() in _NAMES_NO_HEADER):
        return request.raw_headers
    words = ",".join(connection).split(",")
    named = {word.strip().lower().encode("utf-8", "surrogateescape") for word in words}
    return [header for header in request.raw_headers if header[0].lower() not in named]


def _meaning(status: int) -> str:
    if status in (401, 403):
        return f"it refused the gateway's credential with status {status}: no request can pass until it is repaired"
    return f"it answered with status {status}"


def _label(error: UpstreamError) -> str:
    """The failure as metrics count it."""
    if isinstance(error, ConnectError):
        return error.reason if isinstance(error, RefusedAddressError) else "Connect"
    if isinstance(error, ProtocolError):
        return "Protocol"
    return "Timeout" if isinstance(error, FirstByteTimeoutError) else "Reset"
