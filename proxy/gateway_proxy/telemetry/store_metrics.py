"""What Prometheus sees of the store."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway_proxy.telemetry.distribution import Distribution

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""In seconds. A statement takes one to a hundred milliseconds, and is given up after five seconds."""


class StoreMetrics:
    """Of whichever store the configuration in force has. Operations are names of ours, such as `sessions.rotate`."""

    def __init__(self) -> None:
        self.configured = False
        self.available = False
        self.live_pods = 1
        self._seconds: dict[str, Distribution] = {}
        self._failures: dict[str, int] = {}

    def finished(self, operation: str, seconds: float) -> None:
        found = self._seconds.get(operation)
        if found is None:
            found = self._seconds[operation] = Distribution(BOUNDS)
        found.observe(seconds)

    def failed(self, operation: str) -> None:
        self._failures[operation] = self._failures.get(operation, 0) + 1

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "claude_gateway_store_available",
            "1 while the store answers, 0 when its last call failed or its tables are not there yet.",
            value=float(self.available),
        )
        yield GaugeMetricFamily(
            "claude_gateway_live_pods", "Pods of this gateway that live, as the store last told.", value=self.live_pods
        )
        seconds = HistogramMetricFamily(
            "claude_gateway_store_operation_duration_seconds",
            "How long calls of the store took, failed ones included.",
            labels=("operation",),
        )
        failures = CounterMetricFamily(
            "claude_gateway_store_operation_failures", "Calls of the store that failed.", labels=("operation",)
        )
        for operation, distribution in self._seconds.items():
            seconds.add_metric((operation,), distribution.cumulative(), distribution.total)
        for operation, number in self._failures.items():
            failures.add_metric((operation,), number)
        yield from (seconds, failures)
