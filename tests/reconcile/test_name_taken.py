"""Objects that are not the operator's are never touched, whatever their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator import names
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import ConflictError
from gateway_operator.kube.resources import INGRESSES, SECRETS, SERVICES, kind_of

PORTS = {"spec": {"ports": [{"port": 80}]}}


def foreign(kind: str, namespace: str, name: str, **members: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}, **members}


async def test_a_service_of_somebody_else_is_left_alone(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    before = api.create(foreign("Service", smallest, "corp", **PORTS)).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayDeployment", "corp") == {"NameTaken"}
    (finding,) = world.findings(outcome, "GatewayDeployment", "corp")
    assert f"Service {smallest}/corp" in finding.message
    after = await client.get(SERVICES, smallest, "corp")
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert "apply Deployment corp" in operator.client.writes, "everything else goes on"
    assert operator.again is not None, "no event tells when the name is free"

    await client.delete(SERVICES, smallest, "corp")
    again = await operator.reconcile(smallest)
    assert not again.objects[again.gateway].broken


async def test_a_name_that_is_taken_between_the_look_and_the_write_is_left_alone(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = operator.client.apply

    async def too_late(manifest: Mapping[str, Any], **how: Any) -> Any:
        if manifest["kind"] == "Service":
            api.create(foreign("Service", smallest, "corp", **PORTS)).accepted()
        return await apply(manifest, **how)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(operator.client, "apply", too_late)
        with pytest.raises(ConflictError):
            await operator.reconcile(smallest)
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayDeployment", "corp") == {"NameTaken"}
    service = await client.get(SERVICES, smallest, "corp")
    assert service is not None
    assert not names.is_managed(service["metadata"].get("labels"))


@pytest.mark.parametrize("name", ["corp-config", "corp-credentials", "corp-signing"])
async def test_a_secret_of_somebody_else_is_left_alone(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str, name: str
) -> None:
    before = api.create(foreign("Secret", smallest, name, stringData={"mine": "precious"})).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayDeployment", "corp") == {"NameTaken"}
    after = await client.get(SECRETS, smallest, name)
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not [write for write in operator.client.writes if "Deployment" in write or "corp-config" in write], (
        "pods would read somebody else's Secret"
    )
    assert outcome.sequence is None


async def test_a_child_of_an_earlier_gateway_is_left_to_the_garbage_collector(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    await operator.reconcile(smallest)
    api.delete(world.gateway(smallest))
    api.create(world.gateway(smallest)).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayDeployment", "corp") == {"NameTaken"}
    assert operator.client.writes == []


async def test_an_orphan_is_taken_up_again(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    """After `kubectl delete --cascade=orphan` and an apply, the pods that run go on running."""
    first = await operator.reconcile(smallest)
    for kind, name in _written(operator):
        await client.merge_patch(kind, smallest, name, {"metadata": {"ownerReferences": None}})
    api.delete(world.gateway(smallest))
    api.create(world.gateway(smallest)).accepted()
    outcome = await operator.reconcile(smallest)
    assert outcome.uid != first.uid
    assert not outcome.objects[outcome.gateway].broken
    assert (outcome.revision, outcome.sequence) == (first.revision, first.sequence), "the signing keys are the same"
    await operator.reconcile(smallest)
    assert operator.client.writes == []


def _written(operator: world.Operator) -> list[Any]:
    versions = {
        "Secret": "v1",
        "ServiceAccount": "v1",
        "Service": "v1",
        "Deployment": "apps/v1",
        "NetworkPolicy": "networking.k8s.io/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    found = (write.split() for write in operator.client.writes)
    return [(kind_of({"apiVersion": versions[kind], "kind": kind}), name) for _, kind, name in found]


async def test_only_our_own_is_deleted(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    """The gateway wants no Ingress, but somebody has made one of its name, with our labels for good measure."""
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"namespace": smallest, "name": "corp", "labels": names.child_labels("corp")},
        "spec": {"defaultBackend": {"service": {"name": "corp", "port": {"number": 80}}}},
    }
    api.create(ingress).accepted()
    await operator.reconcile(smallest)
    assert await client.get(INGRESSES, smallest, "corp") is not None


async def test_an_exposure_that_is_no_longer_wanted_is_deleted(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    api.apply(world.gateway(smallest, exposure={"type": "Ingress"})).accepted()
    await operator.reconcile(smallest)
    assert await client.get(INGRESSES, smallest, "corp") is not None
    api.apply(world.gateway(smallest, exposure={"type": "ClusterIP"})).accepted()
    await operator.reconcile(smallest)
    assert "delete Ingress corp" in operator.client.writes
    assert await client.get(INGRESSES, smallest, "corp") is None
