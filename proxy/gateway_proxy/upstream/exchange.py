"""One request and its response on an upstream connection, as the relay sees it."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from gateway_proxy.upstream.decoding import Chained, Decoder, StreamedError
from gateway_proxy.upstream.errors import (
    FirstByteTimeoutError,
    IdleTimeoutError,
    UpstreamError,
)
from gateway_proxy.upstream.framing import chunk
from gateway_proxy.upstream.head import ResponseHead

Spans = Sequence[tuple[int, int]]

_EARLY_LIMIT: Final = 256 * 1024
"""Body bytes held while nobody reads them; then the connection stops reading."""

_EARLY_PARTS: Final = 8
"""As many are looked at again and again; more are joined."""


class BodySink(Protocol):
    """Takes a response body as it comes. Called from the connection's `data_received`: must not raise."""

    def packet(self, data: bytes, spans: Spans, border: int) -> None:
        """`data` as received; payload lies at `spans`; the first `border` bytes are whole plain chunks."""

    def ended(self) -> None:
        """The body is complete. Nothing follows."""

    def failed(self, error: UpstreamError) -> None:
        """The body will never be complete. Nothing follows."""


class Carrier(Protocol):
    """What an exchange needs of its connection."""

    def abort(self) -> None: ...
    def fail(self, error: UpstreamError) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def unsent(self) -> int: ...


class Exchange:
    """Head by `response()`, then the body: to a sink by `attach`, or whole by `read`.

    Timeouts are looked at by a coarse ticker: the whole head from the moment the request is written, idle inside the
    response; silence that our own back-pressure causes does not count. Whoever holds an exchange aborts it when it is
    not wanted any more.
    """

    __slots__ = (
        "_carrier",
        "_decoder",
        "_early",
        "_early_bytes",
        "_first_byte_seconds",
        "_loop",
        "_progress",
        "_since",
        "_sink",
        "_unsent",
        "_waiter",
        "complete",
        "error",
        "head",
        "idle_seconds",
        "least_bytes",
        "paused",
        "touched",
    )

    def __init__(
        self,
        carrier: Carrier,
        *,
        loop: asyncio.AbstractEventLoop,
        first_byte_seconds: float,
        idle_seconds: float,
    ) -> None:
        self._carrier = carrier
        self._first_byte_seconds = first_byte_seconds
        self.idle_seconds = idle_seconds
        """Longest silence inside the response."""
        self.least_bytes = 1
        """Of payload, below which it is as silent."""
        self._progress = 0
        self._loop = loop
        self._since = loop.time()
        self._unsent = 0
        self.paused = False
        self._sink: BodySink | None = None
        self._decoder: Decoder | None = None
        self._early: list[tuple[bytes, Spans, int]] = []
        self._early_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self.touched = False
        """Set by the connection with the first byte of a response, an interim one too."""
        self.head: ResponseHead | None = None
        self.complete = False
        self.error: UpstreamError | None = None

    def __repr__(self) -> str:
        return f"<Exchange {self.head!r} complete={self.complete}>"

    @property
    def untouched(self) -> bool:
        """Whether not one byte of a response has come."""
        return self.head is None and not self.touched

    # --- called by the connection ---

    def begun(self, head: ResponseHead) -> None:
        self.head = head
        self._since = self._loop.time()
        self._wake()

    def deliver(self, data: bytes, spans: Spans, border: int) -> None:
        self._progress += len(data)
        decoder = self._decoder
        if decoder is not None:
            if decoder.error is None:
                self._decoded(decoder.feed(b"".join([data[start:end] for start, end in spans])), decoder.error)
            return
        self._pass(data, spans, border)

    def _decoded(self, payload: bytes, error: UpstreamError | None) -> None:
        if payload:
            framed = chunk(payload)
            end = len(framed) - 2
            self._pass(framed, ((end - len(payload), end),), len(framed))
        if error is None:
            return
        if isinstance(error, StreamedError) and self._sink is None and (error.leads or not self._early):
            self._become(error)
        elif self.complete:
            self.failed(error)
        else:
            self._carrier.fail(error)

    def _become(self, error: StreamedError) -> None:
        """An error that comes before anything else is the answer, as if it had come with its own status."""
        carrier_is_done, self.complete = self.complete, True
        if not carrier_is_done:
            self._carrier.abort()
        self.head = error.head
        self._early = [(error.body, ((0, len(error.body)),), 0)]
        self._early_bytes = len(error.body)
        self._wake()

    def _pass(self, data: bytes, spans: Spans, border: int) -> None:
        if self._sink is not None:
            self._sink.packet(data, spans, border)
            return
        self._early.append((data, spans, border))
        self._early_bytes += len(data)
        if self._early_bytes > _EARLY_LIMIT and not self.paused:
            self.pause()
        self._wake()

    def ended(self) -> None:
        decoder = self._decoder
        if decoder is not None and not self.complete:
            self.complete = True
            left = decoder.end() if decoder.error is None else b""
            self._decoded(left, decoder.error)
            if decoder.error is not None:
                return
        self.complete = True
        if self._sink is not None:
            self._sink.ended()
        self._wake()

    def failed(self, error: UpstreamError) -> None:
        self.error = error
        if self._sink is not None:
            self._sink.failed(error)
        self._wake()

    def tick(self, now: float) -> None:
        if self.complete or self.error is not None:
            return
        if self.head is None:
            # Not put off by a head that trickles in.
            unsent = self._carrier.unsent()
            if unsent != self._unsent:
                self._unsent, self._since = unsent, now
            elif now - self._since >= self._first_byte_seconds:
                self._carrier.fail(FirstByteTimeoutError(f"no response within {self._first_byte_seconds:g} s"))
        elif self.paused or self._progress >= self.least_bytes:
            self._progress = 0
            self._since = now
        elif now - self._since >= self.idle_seconds:
            self._carrier.fail(IdleTimeoutError(self.idle_seconds))

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # --- called by the relay ---

    async def response(self) -> ResponseHead:
        """The final response head. Raises UpstreamError."""
        while self.head is None:
            if self.error is not None:
                raise self.error
            await self._event()
        return self.head

    def whole(self, limit: int) -> bytes | None:
        """The payload, where it is all there and not longer than `limit`."""
        if not self.complete or self._early_bytes > limit or self.error is not None:
            return None
        if len(self._early) == 1:
            data, spans, _ = self._early[0]
            if len(spans) == 1:
                start, end = spans[0]
                return data[start:end] if end - start != len(data) else data
        return self.held()

    def decode_with(self, decoder: Decoder, head: ResponseHead) -> None:
        """Puts the payload, all that is held and all to come, through `decoder`, behind any that does already; `head`
        describes what comes out.
        To be called once the response head is there and before anybody takes the payload."""
        self.head = head
        self._decoder = decoder if self._decoder is None else Chained(self._decoder, decoder)
        early, self._early, self._early_bytes = self._early, [], 0
        for data, spans, _ in early:
            if decoder.error is None:
                self._decoded(decoder.feed(b"".join([data[start:end] for start, end in spans])), decoder.error)
        if self.complete and self.error is None and decoder.error is None:
            self._decoded(decoder.end(), decoder.error)

    def held(self) -> bytes:
        """The payload that nobody has taken yet."""
        held = b"".join([data[start:end] for data, spans, _ in self._early for start, end in spans])
        if len(self._early) > _EARLY_PARTS:
            self._early = [(held, ((0, len(held)),), 0)]
        return held

    async def more(self) -> None:
        """Returns once something has come since, or the body has ended. Raises UpstreamError."""
        known = self._early_bytes
        while self._early_bytes == known:
            if self.error is not None:
                raise self.error
            if self.complete:
                return
            await self._event()

    async def read(self, limit: int) -> bytes | None:
        """The whole payload; None, with all of it still to come to a sink, once it is longer than `limit`.

        Raises UpstreamError.
        """
        while True:
            if self.error is not None:
                raise self.error
            if self.complete:
                return self.whole(limit)
            if self._early_bytes > limit:
                return None
            if self.paused:
                self.resume()
            await self._event()

    def attach(self, sink: BodySink) -> None:
        """Hands everything held so far and everything to come to `sink`."""
        self._sink = sink
        early, self._early = self._early, []
        # Only what was held here may have paused the reading so far; from now on the sink does.
        held_back, self.paused = self.paused, False
        for data, spans, border in early:
            sink.packet(data, spans, border)
        if self.error is not None:
            # Also of a payload that is all there and makes no sense.
            sink.failed(self.error)
        elif self.complete:
            sink.ended()
        elif held_back and not self.paused:
            self.resume()

    def pause(self) -> None:
        """Stops reading from the upstream: the client takes no more."""
        if self.complete or self.error is not None:
            return  # the connection may serve another exchange by now
        self.paused = True
        self._carrier.pause()

    def resume(self) -> None:
        self.paused = False
        self._carrier.resume()

    def abort(self) -> None:
        """Ends the exchange at once, unless it is over; the connection is not used again."""
        if not self.complete and self.error is None:
            self._carrier.abort()
        # The relay holds the exchange: a circle would keep both, and the answer, until the collector comes.
        self._sink = None
        self._early = []

    def _event(self) -> "asyncio.Future[None]":
        """Done when something has happened."""
        self._waiter = waiter = self._loop.create_future()
        return waiter
