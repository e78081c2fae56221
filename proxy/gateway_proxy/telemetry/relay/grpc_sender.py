"""OTLP over gRPC. The library is imported with the first batch, in a thread: it takes some 15 MB
and a tenth of a second."""

import asyncio
import importlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway_config.contract import Destination
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.outbound.guard import check_host, resolve
from gateway_proxy.telemetry.relay.batch import Batch, LaterError, RefusedError, Signal
from gateway_proxy.telemetry.relay.codec import protobuf, redacted
from gateway_proxy.upstream.errors import UpstreamError
from gateway_proxy.upstream.route import ForwardProxy, Origin, reached_directly

if TYPE_CHECKING:
    import grpc

SECONDS: Final = 10.0
_METHODS: Final[Mapping[Signal, str]] = {
    "Metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "Logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "Traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
_RETRYABLE: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
"""By the OTLP specification; every other failure is final."""


class GrpcSender:
    def __init__(self, destination: Destination, headers: Mapping[str, str], outbound: Outbound) -> None:
        self._origin = Origin.of(destination.endpoint)
        self._redact = frozenset(destination.redact)
        self._metadata = tuple(headers.items())
        self._egress = outbound.egress
        self._opening: asyncio.Task[grpc.aio.Channel] | None = None
        self._unavailable = 0

    async def send(self, batch: Batch) -> None:
        body = await asyncio.to_thread(self._encoded, batch)
        channel = await self._channel()
        import grpc

        call = channel.unary_unary(_METHODS[batch.signal])
        try:
            await call(body, timeout=SECONDS, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            if code == "UNAVAILABLE":
                # The next attempt looks the addresses up anew, and takes those of the other family.
                self._unavailable += 1
                await self.close()
            if code in _RETRYABLE:
                raise LaterError(f"it answered {code}") from None
            raise RefusedError(f"the collector answered {code}") from None

    def _encoded(self, batch: Batch) -> bytes:
        return protobuf(redacted(batch, self._redact) if self._redact else batch)

    async def close(self) -> None:
        opening, self._opening = self._opening, None
        if opening is None:
            return
        if not opening.done():
            opening.cancel()
        elif not opening.cancelled() and opening.exception() is None:
            await opening.result().close()

    async def _channel(self) -> "grpc.aio.Channel":
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._opened())
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except (UpstreamError, OSError) as error:
            if self._opening is opening:
                self._opening = None
            authority = self._origin.authority
            raise LaterError(str(error) if isinstance(error, UpstreamError) else f"no address of {authority}") from None

    async def _opened(self) -> "grpc.aio.Channel":
        """Raises UpstreamError, OSError."""
        await asyncio.to_thread(_load)
        import grpc

        origin, egress = self._origin, self._egress
        options: list[tuple[str, str | int]] = [
            ("grpc.default_authority", origin.authority),
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", 64 * 1024),
            ("grpc.primary_user_agent", "claude-gateway"),
        ]
        if egress.proxy_url is not None and not reached_directly(origin.host, egress.no_proxy):
            check_host(origin.host, allow_loopback=egress.allow_loopback)
            proxy = ForwardProxy.of(egress.proxy_url)
            (*_, where), *_ = await resolve(proxy.host, proxy.port, allow_loopback=egress.allow_loopback)
            options.append(("grpc.http_proxy", f"http://{_literal(str(where[0]))}:{proxy.port}"))
            target = f"dns:///{origin.host_literal}:{origin.port}"
        else:
            options.append(("grpc.enable_http_proxy", 0))
            # gRPC is given addresses that were judged, and looks nothing up by itself.
            addresses = await resolve(origin.host, origin.port, allow_loopback=egress.allow_loopback)
            target = _target([str(where[0]) for *_, where in addresses], origin.port, turn=self._unavailable)
        if origin.scheme == "http":
            return grpc.aio.insecure_channel(target, options=options)
        options.append(("grpc.ssl_target_name_override", origin.host))
        credentials = grpc.ssl_channel_credentials(await asyncio.to_thread(_roots, egress.ca_pem))
        return grpc.aio.secure_channel(target, credentials, options=options)


def _load() -> None:
    # Its core writes lines of its own to standard error, which no reader of the log could parse.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    importlib.import_module("grpc.aio")


def _target(addresses: list[str], port: int, *, turn: int) -> str:
    """All of one family, as gRPC takes no list of both: of the first address' at first, then in turn."""
    families: dict[str, list[str]] = {}
    for address in addresses:
        family = families.setdefault("ipv6" if ":" in address else "ipv4", [])
        family.append(f"{_literal(address)}:{port}")
    name, chosen = list(families.items())[turn % len(families)]
    return f"{name}:{','.join(chosen)}"


def _literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _roots(ca_pem: str | None) -> bytes | None:
    """The system's certificates and those of `ca_pem`; None: gRPC's own, where the system has no file of them."""
    found = ssl.get_default_verify_paths().cafile
    system = Path(found).read_bytes() if found is not None else b""
    return (system + b"\n" + (ca_pem or "").encode()).strip() or None
