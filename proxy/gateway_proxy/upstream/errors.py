"""What can go wrong between the gateway and an upstream. No text here ever holds a header value or a body byte."""


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


class CredentialError(UpstreamError):
    """There is no credential to send: it could not be fetched, and none that is still good is left. The text names what
    was asked and the way out."""

    reason = "Credential"
