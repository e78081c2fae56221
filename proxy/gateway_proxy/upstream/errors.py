"""What can go wrong between the gateway and an upstream. No text here ever holds a header value or a body byte."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway_proxy.upstream.head import ResponseHead


class UpstreamError(Exception):
    """An exchange with an upstream that gave no usable answer. `reason` is stable CamelCase: a metric label."""

    reason: str = "UpstreamError"


class ConnectError(UpstreamError):
    """No connection: name, route, TLS or forward proxy."""

    reason = "Connect"


class ConnectTimeoutError(ConnectError):
    reason = "ConnectTimeout"


class RefusedAddressError(ConnectError):
    """The host leads to an address that a gateway never connects to; the text names both and the way out."""

    reason = "AddressRefused"


class FirstByteTimeoutError(UpstreamError):
    """The request was sent, and no response began in time."""

    reason = "FirstByteTimeout"


class IdleTimeoutError(UpstreamError):
    """The response began, then fell silent."""

    reason = "IdleTimeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no byte for {seconds:g} s inside the response")
        self.seconds = seconds


class BrokenConnectionError(UpstreamError):
    """The connection ended before the response did."""

    reason = "BrokenConnection"


class ProtocolError(UpstreamError):
    """The response is not HTTP/1.1 as RFC 9112 has it; nothing of it can be trusted."""

    reason = "Protocol"


class BadAnswerError(UpstreamError):
    """HTTP, but nothing that an upstream of this kind says."""

    reason = "BadAnswer"


class StreamedError(UpstreamError):
    """The upstream told of a failure inside of a stream that it had begun. As the first thing in it, that is an answer
    like one with this head and body."""

    reason = "Streamed"

    def __init__(self, head: "ResponseHead", body: bytes, *, in_band: Callable[[], bytes] | None = None) -> None:
        """`in_band`: what the client is told of it where its answer has begun, an error in Anthropic's form on one
        line. None: only that the upstream broke off."""
        super().__init__(f"the upstream told of a failure inside of its stream, as with status {head.status}")
        self.head = head
        self.body = body
        self.in_band = in_band


class CredentialError(UpstreamError):
    """There is no credential to send: it could not be fetched, and none that is still good is left. The text names what
    was asked and the way out."""

    reason = "Credential"


HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a response head; more is a ProtocolError."""
