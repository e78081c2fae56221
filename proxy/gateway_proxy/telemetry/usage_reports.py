"""The gateway's own metrics on their way to the collectors, beside what clients report."""

import asyncio
import logging
import time
from typing import Final

from gateway_proxy.services import Services
from gateway_proxy.telemetry.relay.batch import PROTOBUF
from gateway_proxy.version import VERSION

log = logging.getLogger(__name__)

SERVICE_NAME: Final = "claude-gateway"


class UsageReports:
    """Reports every `interval` seconds while a destination takes metrics, and once more at the end."""

    def __init__(self, services: Services, *, interval: float, instance: str) -> None:
        """`instance`: names this process among those of the gateway."""
        self._services = services
        self._interval = interval
        self._instance = instance
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._report()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._report()

    async def _report(self) -> None:
        services = self._services
        live = services.holder.current
        if live is None or not live.configuration.telemetry.gateway_metrics or not services.relay.wants("Metrics"):
            return
        gateway = live.configuration.gateway
        resource = {
            "service.name": SERVICE_NAME,
            "service.version": VERSION,
            "service.instance.id": self._instance,
            "claude_gateway.namespace": gateway.namespace,
            "claude_gateway.name": gateway.name,
        }
        try:
            # Some megabytes and a tenth of a second, for whoever has a collector.
            await asyncio.to_thread(__import__, "gateway_proxy.telemetry.otlp_metrics")
            from gateway_proxy.telemetry.otlp_metrics import export_request

            body = export_request(
                services.metrics.collect(), resource=resource, started_at=services.started_at, now=time.time()
            )
        except Exception:
            log.exception("reporting the gateway's own metrics failed", extra={"event": "telemetry.report_failed"})
            return
        services.relay.offer("Metrics", body, content_type=PROTOBUF, encoding=None)
