"""Prometheus' families as an OTLP export request. Imports protobuf."""

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OtlpMetric
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

SCOPE: Final = "claude-gateway"


def export_request(families: Iterable[Metric], *, resource: Mapping[str, str], started_at: float, now: float) -> bytes:
    """Names as at the metrics port, counters and histograms cumulative since `started_at`; times in Unix seconds."""
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    of_resource.resource.attributes.extend(_attributes(resource))
    of_scope = of_resource.scope_metrics.add()
    of_scope.scope.name = SCOPE
    times = _nanoseconds(started_at), _nanoseconds(now)
    for family in families:
        if not family.samples:
            continue
        metric = of_scope.metrics.add(
            name=family.name,
            description=family.documentation,
            unit="s" if family.name.endswith("_seconds") else "1",
        )
        if family.type == "histogram":
            _histogram(metric, family.samples, times)
        else:
            _numbers(metric, family, times)
    return bytes(request.SerializeToString())


def _numbers(metric: OtlpMetric, family: Metric, times: tuple[int, int]) -> None:
    if family.type == "counter":
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
        points = metric.sum.data_points
    else:
        points = metric.gauge.data_points
    for sample in family.samples:
        points.add(
            attributes=_attributes(sample.labels),
            start_time_unix_nano=times[0],
            time_unix_nano=times[1],
            as_double=sample.value,
        )


def _histogram(metric: OtlpMetric, samples: Iterable[Sample], times: tuple[int, int]) -> None:
    metric.histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    series: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        key = tuple(sorted(labels.items()))
        if sample.name.endswith("_bucket"):
            series.setdefault(key, {})[sample.labels["le"]] = sample.value
        elif sample.name.endswith("_sum"):
            sums[key] = sample.value
    for key, buckets in series.items():
        running = list(buckets.values())
        metric.histogram.data_points.add(
            attributes=_attributes(dict(key)),
            start_time_unix_nano=times[0],
            time_unix_nano=times[1],
            count=int(running[-1]),
            sum=sums.get(key, 0.0),
            explicit_bounds=[float(bound) for bound in buckets if bound != "+Inf"],
            bucket_counts=[int(upper - lower) for lower, upper in zip([0.0, *running], running, strict=False)],
        )


def _attributes(values: Mapping[str, str]) -> list[KeyValue]:
    attributes = []
    for name, value in values.items():
        attribute = KeyValue(key=name)
        attribute.value.string_value = value
        attributes.append(attribute)
    return attributes


def _nanoseconds(moment: float) -> int:
    return int(moment * 1_000_000_000)
