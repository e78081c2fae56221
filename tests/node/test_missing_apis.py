"""What a cluster may lack, such as a metrics adapter or the Gateway API: the gateway says so, and serves."""

import pytest
from tests.node.gateways import Gateways
from tests.node.kubernetes import Kube


@pytest.mark.timeout(180)
def test_an_autoscaler_without_a_metrics_adapter_says_what_to_install(kube: Kube, gateways: Gateways) -> None:
    gateway = gateways(replicas=None, autoscaling={"minReplicas": 1, "maxReplicas": 3, "openStreamsPerPod": 150})
    said = gateway.wait_condition(
        "GatewayDeployment", gateway.name, "MetricUnavailable", reason="MetricUnavailable", within=90
    )
    assert "claude_gateway_open_streams" in said["message"]
    assert "install an adapter" in said["message"]
    gateway.wait_pods(1)
    gateway.wait_ready()
    assert gateway.ask().status == 200


def test_a_route_without_the_gateway_api_is_told_and_all_else_is_there(gateways: Gateways) -> None:
    exposure = {"type": "HTTPRoute", "httpRoute": {"parentRefs": [{"name": "edge", "namespace": "infra"}]}}
    gateway = gateways(ready=False, exposure=exposure)
    said = gateway.wait_condition("GatewayDeployment", gateway.name, "ResolvedRefs", status="False")
    assert said["reason"] == "ExposureUnavailable"
    assert "spec.exposure.type" in said["message"]
    gateway.wait_pods(1)
    gateway.wait_condition("GatewayDeployment", gateway.name, "Ready", status="False", reason="ExposureUnavailable")
    gateway.wait_condition("GatewayPolicy", "everyone", "Programmed")
    assert gateway.ask().status == 200
