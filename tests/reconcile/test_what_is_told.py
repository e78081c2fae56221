"""What a reconcile says of the children beside its findings: numbers of pods, an autoscaler without its metric, a
refusal in the API server's words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import ForbiddenError
from gateway_operator.reconcile.outcome import AutoscalerState, Replicas


async def test_pods_of_the_deployment(operator: world.Operator, api: ApiClient, smallest: str) -> None:
    first = await operator.reconcile(smallest)
    assert first.replicas == Replicas(wanted=2)
    live = await operator.deployment(smallest)
    status = {"observedGeneration": live["metadata"]["generation"], "replicas": 2, "readyReplicas": 1}
    api.replace(live | {"status": status}, subresource="status").accepted()
    outcome = await operator.reconcile(smallest)
    assert outcome.replicas == Replicas(wanted=2, existing=2, ready=1, current=True)
    assert "claude-gateway.dev/gateway=corp" in outcome.selector.split(",")


CONDITIONS: dict[str, tuple[dict[str, str], AutoscalerState]] = {
    "no adapter": (
        {"type": "ScalingActive", "status": "False", "reason": "FailedGetPodsMetric", "message": "no metrics known"},
        AutoscalerState(metric_problem="no metrics known", metric_reason="FailedGetPodsMetric"),
    ),
    "working": ({"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}, AutoscalerState()),
    "switched off": ({"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}, AutoscalerState()),
}


@pytest.mark.parametrize(("condition", "state"), CONDITIONS.values(), ids=CONDITIONS)
async def test_the_autoscaler_s_own_words(
    operator: world.Operator, api: ApiClient, smallest: str, condition: dict[str, str], state: AutoscalerState
) -> None:
    api.apply(world.gateway(smallest, autoscaling={"minReplicas": 2, "maxReplicas": 5})).accepted()
    assert (await operator.reconcile(smallest)).autoscaler == AutoscalerState()
    name = {"namespace": smallest, "name": "corp"}
    live = api.read({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": name})
    told = {"lastTransitionTime": "2027-01-01T00:00:00Z", "message": "", **condition}
    status = {"currentReplicas": 0, "desiredReplicas": 0, "currentMetrics": None, "conditions": [told]}
    api.replace(live | {"status": status}, subresource="status").accepted()
    outcome = await operator.reconcile(smallest)
    assert outcome.autoscaler == state
    assert operator.client.writes == []


async def test_a_child_that_the_api_server_refuses(
    operator: world.Operator, client: KubeClient, smallest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = client.apply

    async def refusing(manifest: Any, **how: Any) -> Any:
        if manifest["kind"] == "Service":
            raise ForbiddenError("PATCH services/corp: 403: exceeded quota: services", status=403, reason="Forbidden")
        return await apply(manifest, **how)

    monkeypatch.setattr(client, "apply", refusing)
    outcome = await operator.reconcile(smallest)
    (finding,) = world.findings(outcome, "GatewayDeployment", "corp")
    assert finding.reason == "ChildRefused"
    assert "exceeded quota" in finding.message
    assert operator.client.writes[-1] == "apply Deployment corp", "the rest goes on"
    assert operator.again is not None
    monkeypatch.undo()
    mended = await operator.reconcile(smallest)
    assert not mended.objects[mended.gateway].broken
