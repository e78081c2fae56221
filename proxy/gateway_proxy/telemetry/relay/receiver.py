"""`POST /v1/metrics`, `/v1/logs` and `/v1/traces`: what clients report is taken at once, and goes on by itself."""

from typing import Final

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.inference.intake import Intake
from gateway_proxy.server import Handler
from gateway_proxy.services import Services
from gateway_proxy.telemetry.relay.batch import JSON, PROTOBUF, SIGNALS, Signal

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of one request as it is sent; OpenTelemetry's exporters send a tenth of that."""
MAX_HELD_BYTES: Final = 32 * 1024 * 1024
"""Of all requests being read; beyond it 429."""
_MAX_HEADER_CHARACTERS: Final = 128


class Receiver:
    """One for the process. A caller whom no policy covers may report all the same: it says so of a request refused."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._intake = Intake()

    def routes(self) -> dict[str, Handler]:
        return {f"/v1/{signal.lower()}": self._handler(signal) for signal in SIGNALS}

    def _handler(self, signal: Signal) -> Handler:
        async def receive(request: ClientRequest) -> None:
            await self._receive(request, signal)

        return receive

    async def _receive(self, request: ClientRequest, signal: Signal) -> None:
        if request.method != "POST":
            raise errors.method_not_allowed(("POST",))
        headers = request.headers
        live = self._services.configuration()
        principal = await live.authenticate(headers.get("Authorization"), headers.get("x-api-key"))
        relay = self._services.relay
        content_type = headers.get("Content-Type") or PROTOBUF
        encoding = (headers.get("Content-Encoding") or "identity").strip().lower()
        # Nobody here has checked a login that is only passed through: its reports could be anyone's.
        if principal.caller is not None and relay.wants(signal):
            body = self._intake.at_once(
                request, max_bytes=MAX_BYTES, encoded=True, too_large=errors.telemetry_too_large
            )
            if body is None:
                body = await self._intake.read(
                    request,
                    max_bytes=MAX_BYTES,
                    max_held=MAX_HELD_BYTES,
                    encoded=True,
                    too_large=errors.telemetry_too_large,
                )
            if _sendable(content_type) and _sendable(encoding):
                relay.offer(
                    signal, body, content_type=content_type, encoding=None if encoding == "identity" else encoding
                )
        if content_type.startswith(JSON):
            request.reply(200, b"{}", {"content-type": JSON})
        else:
            request.reply(200, b"", {"content-type": PROTOBUF})


def _sendable(value: str) -> bool:
    """Whether a client's header may stand in a request to a collector."""
    return len(value) <= _MAX_HEADER_CHARACTERS and value.isascii() and value.isprintable()
