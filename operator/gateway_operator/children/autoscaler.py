"""HorizontalPodAutoscaler: by open streams, by CPU, or by both."""

from typing import Any, Final

from gateway_operator.children.quantities import canonical
from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.kube.resources import DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS

OPEN_STREAMS_METRIC: Final = "claude_gateway_open_streams"
"""Of each pod: inference requests in progress."""
DEFAULT_CPU_PERCENT: Final = 70


def wanted(subject: Subject) -> bool:
    return subject.spec.autoscaling is not None


def autoscaler(subject: Subject) -> Manifest:
    scaling = subject.spec.autoscaling
    assert scaling is not None, "asked for only where wanted() says so"
    metrics: list[dict[str, Any]] = []
    if scaling.open_streams_per_pod is not None:
        target: dict[str, Any] = {"type": "AverageValue", "averageValue": canonical(scaling.open_streams_per_pod)}
        metrics.append({"type": "Pods", "pods": {"metric": {"name": OPEN_STREAMS_METRIC}, "target": target}})
    percent = scaling.cpu_utilization
    if percent is None and scaling.open_streams_per_pod is None:
        percent = DEFAULT_CPU_PERCENT
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    return subject.manifest(
        HORIZONTAL_POD_AUTOSCALERS,
        spec={
            "scaleTargetRef": {
                "apiVersion": DEPLOYMENTS.api_version,
                "kind": DEPLOYMENTS.kind,
                "name": subject.name,
            },
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": metrics,
            "behavior": _BEHAVIOR,
        },
    )


_BEHAVIOR: Final = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    # A pod that goes takes warm connections along and holds its streams until they end: only after ten quiet minutes,
    # and a tenth of the pods (one at least) a minute.
    "scaleDown": {
        "stabilizationWindowSeconds": 600,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 10, "periodSeconds": 60},
            {"type": "Pods", "value": 1, "periodSeconds": 60},
        ],
    },
}
