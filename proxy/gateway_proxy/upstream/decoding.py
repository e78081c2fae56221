"""Payloads that are turned into others as they come, and failures that they tell of."""

from collections.abc import Callable
from typing import Protocol

from gateway_proxy.upstream.errors import UpstreamError
from gateway_proxy.upstream.head import ResponseHead


class Decoder(Protocol):
    """Turns a payload into another one as it comes. Must not raise."""

    error: UpstreamError | None
    """Set when the payload makes no sense, or tells of a failure (StreamedError): nothing after it counts."""

    def feed(self, payload: bytes) -> bytes:
        """What it says so far, up to an error."""

    def end(self) -> bytes:
        """The payload is over: what is left. Sets `error` for one that ends in the middle."""


class Chained:
    """One decoder behind another."""

    __slots__ = ("_first", "_second", "error")

    def __init__(self, first: Decoder, second: Decoder) -> None:
        self._first = first
        self._second = second
        self.error: UpstreamError | None = None

    def feed(self, payload: bytes) -> bytes:
        return self._through(self._first.feed(payload))

    def end(self) -> bytes:
        through = self._through(self._first.end())
        if self.error is None:
            through += self._second.end()
            self.error = self._second.error
        return through

    def _through(self, payload: bytes) -> bytes:
        through = self._second.feed(payload) if payload else b""
        self.error = self._second.error or self._first.error
        return through


class StreamedError(UpstreamError):
    """The upstream told of a failure inside of a stream that it had begun. As the first thing in it, that is an answer
    like one with this head and body."""

    reason = "Streamed"

    def __init__(
        self, head: ResponseHead, body: bytes, *, in_band: Callable[[], bytes] | None = None, leads: bool = False
    ) -> None:
        """`in_band`: what the client is told of it where its answer has begun, an error in Anthropic's form on one
        line. None: only that the upstream broke off. `leads`: whether what came before it tells a client nothing."""
        super().__init__(f"the upstream told of a failure inside of its stream, as with status {head.status}")
        self.head = head
        self.body = body
        self.in_band = in_band
        self.leads = leads
