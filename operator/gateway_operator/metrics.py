"""The operator's own metrics, as Prometheus takes them. Labels hold no names of objects, so their number is bounded."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from gateway_operator.kube.resources import ResourceKind
from gateway_operator.kube.watching import Restart

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_PREFIX: Final = "claude_gateway_operator"

LEADING = Gauge("leading", "1 while this process holds the Lease.", namespace=_PREFIX, registry=REGISTRY)
LEASE_RENEWALS = Counter("lease_renewals", "Renewals of the Lease.", ["result"], namespace=_PREFIX, registry=REGISTRY)
SYNCED_SECONDS = Gauge(
    "synced_seconds",
    "Seconds from taking the Lease until every gateway had been reconciled once; 0 until then.",
    namespace=_PREFIX,
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge(
    "queue_depth",
    "Gateways that wait for a worker, not counting those that wait for a time.",
    ["queue"],
    namespace=_PREFIX,
    registry=REGISTRY,
)
QUEUE_WORK = Histogram(
    "queue_work_seconds",
    "Seconds of one piece of work.",
    ["queue"],
    namespace=_PREFIX,
    registry=REGISTRY,
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
QUEUE_WAIT = Histogram(
    "queue_wait_seconds",
    "Seconds from a change seen until a worker takes it up.",
    ["queue"],
    namespace=_PREFIX,
    registry=REGISTRY,
    buckets=(0.005, 0.05, 0.25, 0.5, 1, 2.5, 10, 60),
)
QUEUE_RETRIES = Counter(
    "queue_retries", "Pieces of work that failed and are tried again.", ["queue"], namespace=_PREFIX, registry=REGISTRY
)
RESYNCS = Counter("resyncs", "Rounds over every gateway.", ["result"], namespace=_PREFIX, registry=REGISTRY)
RESYNC_SECONDS = Gauge("resync_seconds", "Seconds of the last round.", namespace=_PREFIX, registry=REGISTRY)
OBJECTS = Gauge(
    "objects", "Objects of each kind that the last round found.", ["kind"], namespace=_PREFIX, registry=REGISTRY
)
WATCH_RESTARTS = Counter(
    "watch_restarts", "Watches begun anew, and why.", ["kind", "cause"], namespace=_PREFIX, registry=REGISTRY
)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def watch_restarted(kind: ResourceKind, cause: Restart) -> None:
    WATCH_RESTARTS.labels(kind.kind, cause.value).inc()


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
