"""What carries an upstream's body to the client, as it comes. Called from the upstream connection's packets: no task
wakes for an event, and no byte is changed."""

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Protocol

from gateway_proxy import errors, failure_answers
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.errors import GatewayError
from gateway_proxy.messages import sse
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.errors import IdleTimeoutError, ProtocolError, UpstreamError
from gateway_proxy.upstream.exchange import Exchange, Spans
from gateway_proxy.upstream.framing import LAST_CHUNK, chunk

EVENT_LIMIT: Final = 256 * 1024
"""Bytes of an unfinished event that are held back. A longer one is sent on in pieces, without a border to stop at."""
METERED_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a whole answer that are kept for its usage."""

_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_PING_CHUNK: Final = chunk(sse.PING)


class Meter(Protocol):
    def feed(self, data: bytes) -> None: ...


class _Relay(ABC):
    """What both kinds of relay share: the way from the answer's head to its end, and the client's flow control."""

    __slots__ = ("_chunked", "_connection", "_done", "_exchange", "_paused_since", "_request", "_timeouts", "outcome")

    def __init__(self, request: ClientRequest, exchange: Exchange, *, timeouts: Timeouts) -> None:
        self._request = request
        self._timeouts = timeouts
        self._connection = request.connection
        self._exchange = exchange
        self._chunked = not request.http_1_0
        self._done: asyncio.Future[None] | None = None
        self._paused_since: float | None = None
        self.outcome = ""
        """A constant for the audit line once the relay is over."""

    # --- BodySink ---

    @abstractmethod
    def packet(self, data: bytes, spans: Spans, border: int) -> None: ...

    @abstractmethod
    def ended(self) -> None: ...

    @abstractmethod
    def failed(self, error: UpstreamError) -> None: ...

    # --- from outside ---

    @abstractmethod
    def tick(self, now: float) -> None: ...

    def pause(self) -> None:
        """The client takes no more for now."""
        self._exchange.pause()

    def resume(self) -> None:
        self._paused_since = None
        self._exchange.resume()

    def _stalled(self, now: float) -> bool:
        if not self._connection.writing_paused:
            return False
        if self._paused_since is None:
            self._paused_since = now
        return now - self._paused_since >= self._timeouts.stall

    def _over(self, outcome: str) -> None:
        if not self.outcome:
            self.outcome = outcome
            if self._done is not None and not self._done.done():
                self._done.set_result(None)

    async def _run(self, opening: bytes) -> None:
        """Sends what the answer begins with, then all that the exchange brings."""
        connection = self._connection
        self._request.write(opening)
        connection.flow = self
        connection.ticking = self.tick
        try:
            self._exchange.attach(self)
            if connection.writing_paused and not self.outcome:
                self.pause()  # since before this answer
            if not self.outcome:
                self._done = asyncio.get_running_loop().create_future()
                await self._done
        finally:
            connection.ticking = None
            connection.flow = None
            self._exchange.abort()

    def _cut(self, outcome: str) -> None:
        self._exchange.abort()
        self._request.abort()
        self._over(outcome)


class EventRelay(_Relay):
    """A stream of server-sent events. What is sent ends at an event's border whenever possible, so that an error or
    a ping of our own can stand there."""

    __slots__ = ("_at_border", "_held", "_meter", "_quiet_since", "_seam", "_spoke", "_spoke_at", "_state")

    def __init__(self, request: ClientRequest, exchange: Exchange, meter: Meter, *, timeouts: Timeouts) -> None:
        super().__init__(request, exchange, timeouts=timeouts)
        self._meter = meter
        self._held = bytearray()
        self._seam = b""
        self._at_border = True
        self._spoke = True
        self._quiet_since = self._spoke_at = 0.0
        self._state = sse.StreamState()

    async def run(self, status: int, lines: list[bytes], *, ping: bool) -> None:
        """Sends the head, then everything to the end. `ping`: the upstream has been silent since its own head."""
        if not self._chunked:
            self._request.closes = True
        head = self._request.head(status, lines, _CHUNKED if self._chunked else b"")
        await self._run(head + self._ping() if ping else head)

    def packet(self, data: bytes, spans: Spans, border: int) -> None:
        if self.outcome:
            return
        if border == len(data) and not self._held and self._at_border and self._chunked and data.endswith(b"\n\n\r\n"):
            transport = self._connection.transport
            if transport is not None:
                transport.write(data)
            if len(spans) == 1:
                start, end = spans[0]
                events = data[start:end]
            else:
                events = b"".join([data[start:end] for start, end in spans])
        else:
            events = self._recut(b"".join([data[start:end] for start, end in spans]))
        if events:
            self._spoke = True
            self._meter.feed(events)
            if b"message_stop" in events or b"error" in events:
                self._state.observe(events)

    def ended(self) -> None:
        if self.outcome:
            return
        if self._state.stop or self._state.error:
            if self._held:
                self._send(bytes(self._held))
            self._finish("completed" if self._state.stop else "upstream_error")
        else:
            self._break_off(failure_answers.upstream_broke_off(), "upstream_broke_off")

    def failed(self, error: UpstreamError) -> None:
        if self.outcome:
            return
        if self._state.stop or self._state.error:
            # The message was whole: what else went wrong is no longer the client's concern.
            self._finish("completed" if self._state.stop else "upstream_error")
        elif isinstance(error, IdleTimeoutError):
            self._break_off(failure_answers.upstream_silent(error.seconds), "upstream_silent")
        elif isinstance(error, ProtocolError):
            self._break_off(failure_answers.upstream_broke_protocol(), "upstream_broke_off")
        elif isinstance(error, StreamedError) and error.in_band is not None:
            self._end_in_band(sse.error_event(error.in_band()), "upstream_error")
        else:
            self._break_off(failure_answers.upstream_broke_off(), "upstream_broke_off")

    def end_with_error(self, error: GatewayError) -> None:
        """Ends the stream in-band: the gateway is going down."""
        if not self.outcome:
            self._request.closes = True
            self._break_off(error, "drained")
            self._exchange.abort()

    def tick(self, now: float) -> None:
        if self.outcome:
            return
        if self._stalled(now):
            self._cut("client_stalled")
        elif self._spoke or self._connection.writing_paused:
            self._spoke = False
            self._quiet_since = self._spoke_at = now
        elif now - self._spoke_at >= self._exchange.idle_seconds:
            # What trickles in without ever becoming an event is as good as nothing.
            self.failed(IdleTimeoutError(self._exchange.idle_seconds))
            self._exchange.abort()
        elif now - self._quiet_since >= self._timeouts.ping and self._at_border:
            self._quiet_since = now
            self._request.write(self._ping())

    # --- inside ---

    def _ping(self) -> bytes:
        return _PING_CHUNK if self._chunked else sse.PING

    def _recut(self, payload: bytes) -> bytes:
        """Sends whole events, holds back the rest; returns what was sent."""
        if not self._at_border:
            return self._continue_long(payload)
        held = self._held
        if held:
            searched = max(len(held) - 3, 0)
            held += payload
            border = sse.last_border(held, searched)
        else:
            border = sse.last_border(payload)
            if border == len(payload):
                self._send(payload)
                return payload
            held += payload
        if len(held) - border > EVENT_LIMIT:
            self._at_border = False
            border = len(held)
            self._seam = bytes(held[-3:])
        if not border:
            return b""
        events = bytes(held[:border])
        del held[:border]
        self._send(events)
        return events

    def _continue_long(self, payload: bytes) -> bytes:
        joined = self._seam + payload
        border = sse.last_border(joined) - len(self._seam)
        if border > 0:
            self._at_border = True
            self._seam = b""
            self._held += payload[border:]
            payload = payload[:border]
        else:
            self._seam = joined[-3:]
        self._send(payload)
        return payload

    def _send(self, payload: bytes) -> None:
        self._request.write(chunk(payload) if self._chunked else payload)

    def _finish(self, outcome: str) -> None:
        if self._chunked:
            self._request.write(LAST_CHUNK)
        self._over(outcome)

    def _break_off(self, error: GatewayError, outcome: str) -> None:
        self._end_in_band(errors.stream_event(error, self._request.request_id), outcome)

    def _end_in_band(self, event: bytes, outcome: str) -> None:
        """An unfinished event is dropped. Inside a long one there is no place for an error: the connection is cut."""
        if not self._at_border:
            self._cut(outcome)
            return
        self._send(event)
        self._finish(outcome)


class RawRelay(_Relay):
    """Any other body, in whatever coding. When the upstream breaks off, so does the client's connection."""

    __slots__ = ("_kept", "_kept_bytes")

    def __init__(self, request: ClientRequest, exchange: Exchange, *, timeouts: Timeouts) -> None:
        super().__init__(request, exchange, timeouts=timeouts)
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0

    @property
    def body(self) -> bytes | None:
        """The whole payload for the meter; None when it was too long to keep."""
        return b"".join(self._kept) if self._kept is not None else None

    async def run(self, status: int, lines: list[bytes]) -> None:
        """Sends the head, then everything to the end."""
        head = self._exchange.head
        length = head.content_length if head is not None else None
        if length is not None:
            self._chunked = False
            framing = b"content-length: %d\r\n" % length
        elif self._chunked:
            framing = _CHUNKED
        else:
            self._request.closes = True
            framing = b""
        await self._run(self._request.head(status, lines, framing))

    def packet(self, data: bytes, spans: Spans, border: int) -> None:
        if self.outcome:
            return
        payload = b"".join([data[start:end] for start, end in spans]) if spans != ((0, len(data)),) else data
        if self._kept is not None:
            self._kept_bytes += len(payload)
            if self._kept_bytes > METERED_LIMIT:
                self._kept = None
            else:
                self._kept.append(payload)
        if self._chunked:
            self._request.write(data if border == len(data) else chunk(payload))
        else:
            self._request.write(payload)

    def ended(self) -> None:
        if self.outcome:
            return
        if self._chunked:
            self._request.write(LAST_CHUNK)
        self._over("completed")

    def failed(self, error: UpstreamError) -> None:
        if not self.outcome:
            self._cut("upstream_broke_off")

    def end_with_error(self, error: GatewayError) -> None:
        """There is no place for an error in such a body: the gateway is going down, and so is the connection."""
        if not self.outcome:
            self._cut("drained")

    def tick(self, now: float) -> None:
        if not self.outcome and self._stalled(now):
            self._cut("client_stalled")
