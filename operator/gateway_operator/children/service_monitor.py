"""ServiceMonitor of the Prometheus operator, where the cluster has that."""

from gateway_operator.children.subject import METRICS, Manifest, Subject
from gateway_operator.kube.resources import SERVICE_MONITORS


def wanted(subject: Subject) -> bool:
    return SERVICE_MONITORS in subject.settings.serves


def service_monitor(subject: Subject) -> Manifest:
    """Only the metrics Service has a port of this name. The interval is Prometheus' own."""
    return subject.manifest(
        SERVICE_MONITORS,
        spec={
            "selector": {"matchLabels": subject.selector},
            "endpoints": [{"port": METRICS, "path": "/metrics"}],
        },
    )
