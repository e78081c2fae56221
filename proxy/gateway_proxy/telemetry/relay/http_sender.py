"""OTLP over HTTP: a batch goes on as it came, unless attributes are taken out of it."""

import asyncio
from collections.abc import Mapping
from typing import Final

from gateway_config.contract import Destination
from gateway_proxy.outbound.client import Outbound, OutboundError
from gateway_proxy.telemetry.relay.batch import Batch, LaterError, RefusedError
from gateway_proxy.telemetry.relay.codec import redacted
from gateway_proxy.upstream.retry_after import retry_after_seconds

SECONDS: Final = 10.0
"""For one sending; the default of OpenTelemetry's exporters."""
MAX_ANSWER_BYTES: Final = 64 * 1024
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""By the OTLP specification; every other failure is final."""


class HttpSender:
    def __init__(self, destination: Destination, headers: Mapping[str, str], outbound: Outbound) -> None:
        self._endpoint = destination.endpoint
        self._redact = frozenset(destination.redact)
        self._headers = dict(headers)
        self._outbound = outbound

    async def send(self, batch: Batch) -> None:
        if self._redact:
            batch = await asyncio.to_thread(redacted, batch, self._redact)
        headers = {"content-type": batch.content_type, **self._headers}
        if batch.encoding is not None:
            headers["content-encoding"] = batch.encoding
        try:
            answer = await self._outbound.request(
                "POST",
                f"{self._endpoint}/v1/{batch.signal.lower()}",
                headers=headers,
                body=batch.body,
                max_bytes=MAX_ANSWER_BYTES,
                seconds=SECONDS,
                repeatable=True,
            )
        except OutboundError as error:
            if error.reason == "Unusable":
                raise RefusedError(str(error)) from None
            raise LaterError(str(error)) from None
        if 200 <= answer.status < 300:
            return
        if answer.status in _RETRYABLE:
            raise LaterError(
                f"it answered {answer.status}", after=retry_after_seconds(answer.headers.get("retry-after"))
            )
        raise RefusedError(f"the collector answered {answer.status}")

    async def close(self) -> None:
        """Its connections belong to the configuration."""
