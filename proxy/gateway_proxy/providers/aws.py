"""What the two providers on AWS share: requests that are signed, or carry a key as it is."""

from typing import ClassVar, Final

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS, signed_headers
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_messages_api import CloudMessagesAPIUpstream
from gateway_proxy.providers.messages_api import FixedLine
from gateway_proxy.upstream.pool import Pool

WORKSPACE: Final = b"anthropic-workspace-id: "
_JSON: Final = b"content-type: application/json"
"""Sent by the gateway itself: a client's own may hold what cannot be signed."""
_SIGNED: Final = (_JSON, WORKSPACE)
"""Beside the host and AWS's own headers. What clients send stays unsigned, so that nothing on the way that writes it in
another form, as forward proxies do, breaks the signature."""


class AWSUpstream(CloudMessagesAPIUpstream):
    """One binding. `choice` leaves `content-type` behind."""

    __slots__ = ("_base_url", "_region")

    service: ClassVar[str]
    """The name that signatures are for."""

    def __init__(self, upstream: Upstream, pool: Pool, credential: FixedLine | Renewing[FrozenAWS]) -> None:
        super().__init__(upstream, pool, credential)
        self._base_url = upstream.base_url.rstrip("/")
        self._region = upstream.region

    def target(self, call: Call, model: str) -> bytes:
        """Path, and perhaps a query, behind the base URL."""
        return call.target

    def prefix(self, call: Call, model: str) -> bytes:
        return self.prefix_of(self.target(call, model))

    def lines(self, call: Call) -> list[bytes]:
        lines = super().lines(call)
        lines.append(_JSON)
        return lines

    def authorization(self, call: Call, model: str, lines: list[bytes], body: bytes) -> bytes | None:
        current = self.credential.current
        if not isinstance(current, FrozenAWS):
            return current
        headers = []
        for line in lines:
            if line.startswith(_SIGNED):
                name, _, value = line.partition(b": ")
                headers.append((name, value))
        added = signed_headers(
            current,
            method="POST",
            url=self._base_url + self.target(call, model).decode(),
            headers=headers,
            body=body,
            region=self._region,
            service=self.service,
        )
        return b"\r\n".join([name + b": " + value for name, value in added])
