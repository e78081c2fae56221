"""What Prometheus sees of the choice among upstreams."""

from collections.abc import Collection, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway_proxy.inference.standing import Binding
from gateway_proxy.telemetry.series import UpstreamSeries


def collect(upstreams: Mapping[str, UpstreamSeries], bindings: Collection[Binding]) -> Iterator[Metric]:
    """`upstreams`: those that a request came to; `bindings`: those of the configuration in force."""
    cooling = GaugeMetricFamily(
        "claude_gateway_upstream_cooling_down",
        "1 while the upstream is behind the others with this model, until a trial succeeds, else 0.",
        labels=("upstream", "model"),
    )
    opened = GaugeMetricFamily(
        "claude_gateway_upstream_open_requests", "Requests that are open at the upstream.", labels=("upstream",)
    )
    for binding in bindings:
        opened.add_metric((binding.name,), binding.occupancy.open)
        for model, standing in binding.standings():
            cooling.add_metric((binding.name, model), float(standing.cooling))
    cool_downs = CounterMetricFamily(
        "claude_gateway_upstream_cool_downs",
        "Times that the upstream was put behind the others, with whichever model.",
        labels=("upstream",),
    )
    full = CounterMetricFamily(
        "claude_gateway_upstream_full",
        "Times that the upstream was passed over because it had as many requests open as it may.",
        labels=("upstream",),
    )
    affinity = CounterMetricFamily(
        "claude_gateway_upstream_affinity",
        "Answered requests of sessions that are this upstream's among equals, by whether they kept to it.",
        labels=("upstream", "result"),
    )
    for name, series in upstreams.items():
        cool_downs.add_metric((name,), series.cool_downs)
        full.add_metric((name,), series.full)
        affinity.add_metric((name, "kept"), series.affinity_kept)
        affinity.add_metric((name, "moved"), series.affinity_moved)
    yield from (cooling, opened, cool_downs, full, affinity)
