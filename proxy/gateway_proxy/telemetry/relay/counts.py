"""What Prometheus sees of the relay."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway_proxy.telemetry.relay.batch import SIGNALS, Signal

DROPPED: Final = ("QueueFull", "Expired", "Refused", "Undecodable", "Failed", "Ended")
"""Why a batch was given up: no room, too old, the collector's answer, not OTLP, a fault of ours, the process ended."""


class Counts:
    """Of one destination."""

    __slots__ = ("_dropped", "_relayed", "failing", "queued", "retries")

    def __init__(self) -> None:
        self._relayed = dict.fromkeys(SIGNALS, 0)
        self._dropped: dict[tuple[Signal, str], int] = {}
        self.retries = 0
        self.failing = False
        """Whether the collector takes nothing at the moment."""
        self.queued: Callable[[], int] = lambda: 0

    def relayed(self, signal: Signal) -> None:
        self._relayed[signal] += 1

    def dropped(self, signal: Signal, reason: str) -> None:
        """`reason` is one of DROPPED."""
        self._dropped[signal, reason] = self._dropped.get((signal, reason), 0) + 1

    def samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        for signal, number in self._relayed.items():
            yield "relayed", (signal,), number
        for (signal, reason), number in self._dropped.items():
            yield "dropped", (signal, reason), number
        yield "retries", (), self.retries
        yield "failing", (), float(self.failing)
        yield "queue", (), self.queued()


class RelayCollector(Collector):
    """The series of every destination that the configuration names."""

    def __init__(self) -> None:
        self.destinations: dict[str, Counts] = {}

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {
            "relayed": CounterMetricFamily(
                "claude_gateway_telemetry_relayed",
                "Export requests that a collector took.",
                labels=("destination", "signal"),
            ),
            "dropped": CounterMetricFamily(
                "claude_gateway_telemetry_dropped",
                "Export requests that were given up.",
                labels=("destination", "signal", "reason"),
            ),
            "retries": CounterMetricFamily(
                "claude_gateway_telemetry_retries",
                "Attempts after which a request waits for another one.",
                labels=("destination",),
            ),
            "failing": GaugeMetricFamily(
                "claude_gateway_telemetry_failing",
                "1 while a collector takes nothing, else 0.",
                labels=("destination",),
            ),
            "queue": GaugeMetricFamily(
                "claude_gateway_telemetry_queue_length",
                "Export requests that wait for their collector.",
                labels=("destination",),
            ),
        }
        if not self.destinations:
            return
        for name, counts in self.destinations.items():
            for family, labels, value in counts.samples():
                families[family].add_metric((name, *labels), value)  # type: ignore[attr-defined]
        yield from families.values()
