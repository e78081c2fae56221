"""The HorizontalPodAutoscaler: what it measures, and how gently it takes pods away."""

from typing import Any

import pytest
from tests.children.gateways import made


def _metrics(**autoscaling: Any) -> list[dict[str, Any]]:
    spec = made(autoscaling={"maxReplicas": 50, **autoscaling})["HorizontalPodAutoscaler/corp"]["spec"]
    found: list[dict[str, Any]] = spec["metrics"]
    return found


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
STREAMS = {
    "type": "Pods",
    "pods": {
        "metric": {"name": "claude_gateway_open_streams"},
        "target": {"type": "AverageValue", "averageValue": "400"},
    },
}


@pytest.mark.parametrize(
    ("asked", "metrics"),
    [
        ({}, [CPU]),
        ({"cpuUtilization": 70}, [CPU]),
        ({"openStreamsPerPod": 400}, [STREAMS]),
        ({"openStreamsPerPod": 400, "cpuUtilization": 70}, [STREAMS, CPU]),
    ],
)
def test_what_it_measures(asked: dict[str, Any], metrics: list[dict[str, Any]]) -> None:
    assert _metrics(**asked) == metrics


def test_it_scales_the_deployment_between_its_bounds() -> None:
    spec = made(autoscaling={"minReplicas": 3, "maxReplicas": 50})["HorizontalPodAutoscaler/corp"]["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "corp"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 50)


def test_it_takes_pods_away_slowly_and_adds_them_at_once() -> None:
    behavior = made(autoscaling={"maxReplicas": 50})["HorizontalPodAutoscaler/corp"]["spec"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0


def test_the_metric_is_one_that_the_proxy_has() -> None:
    # The two planes share no code, so nothing but this holds the name.
    from gateway_proxy.telemetry.metrics import Metrics

    assert "claude_gateway_open_streams" in {metric.name for metric in Metrics().collect()}
