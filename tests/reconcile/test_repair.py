"""A child that was edited or deleted by hand is put right; what others add to it stays."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator import names
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    NETWORK_POLICIES,
    SECRETS,
    SERVICES,
    ResourceKind,
)

EDITS: dict[str, tuple[ResourceKind, dict[str, Any]]] = {
    "image": (
        DEPLOYMENTS,
        {"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "evil.example/proxy:1"}]}}}},
    ),
    "replicas": (DEPLOYMENTS, {"spec": {"replicas": 7}}),
    "a field of ours removed": (DEPLOYMENTS, {"spec": {"minReadySeconds": None}}),
    "how long streams may live on": (
        DEPLOYMENTS,
        {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
    ),
    "a Service that selects other pods": (SERVICES, {"spec": {"selector": {"more": "labels"}}}),
    "a NetworkPolicy that lets everybody in": (NETWORK_POLICIES, {"spec": {"ingress": [{}]}}),
    "our labels": (DEPLOYMENTS, {"metadata": {"labels": {"app.kubernetes.io/name": "else"}}}),
    "the label that names the gateway": (DEPLOYMENTS, {"metadata": {"labels": {names.GATEWAY_LABEL: None}}}),
    "another gateway's name": (SERVICES, {"metadata": {"labels": {names.GATEWAY_LABEL: "other"}}}),
    "the label that says who manages it": (DEPLOYMENTS, {"metadata": {"labels": {names.MANAGED_BY_LABEL: None}}}),
    "all labels": (SERVICES, {"metadata": {"labels": None}}),
    "the configuration's labels": (SECRETS, {"metadata": {"labels": {names.GATEWAY_LABEL: None}}}),
    "the configuration": (SECRETS, {"data": {"index.json": "e30="}}),
    "more in the configuration": (SECRETS, {"data": {"more": "e30="}}),
}


@pytest.mark.parametrize(("kind", "patch"), EDITS.values(), ids=EDITS)
async def test_an_edit_is_undone(
    operator: world.Operator, client: KubeClient, smallest: str, kind: ResourceKind, patch: dict[str, Any]
) -> None:
    first = await operator.reconcile(smallest)
    name = "corp-config" if kind == SECRETS else "corp"
    made = await client.get(kind, smallest, name)
    if kind == DEPLOYMENTS and "template" in patch.get("spec", {}):
        patch = _merged(made, patch)
    await client.merge_patch(kind, smallest, name, patch)

    outcome = await operator.reconcile(smallest)
    assert operator.client.writes == [f"apply {kind.kind} {name}"]
    repaired = await client.get(kind, smallest, name)
    assert made is not None
    assert repaired is not None
    for member in ("spec", "data"):
        assert repaired.get(member) == made.get(member) or kind == SECRETS
    assert outcome.revision == first.revision
    told = [f"{kind.kind} {name} was changed by somebody else and has been put right"]
    assert [each.note for each in outcome.notices] == ([] if kind == SECRETS else told), "as an event, once"

    await operator.reconcile(smallest)
    assert operator.client.writes == []


def _merged(made: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """A merge patch replaces lists as a whole: the edit of one container is written out."""
    pod = patch["spec"]["template"]["spec"]
    if "containers" not in pod:
        return patch
    container = {**made["spec"]["template"]["spec"]["containers"][0], **pod["containers"][0]}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


DELETED = {
    "service": (SERVICES, "corp"),
    "deployment": (DEPLOYMENTS, "corp"),
    "network policy": (NETWORK_POLICIES, "corp"),
    "configuration": (SECRETS, "corp-config"),
    "credentials": (SECRETS, "corp-credentials"),
}


@pytest.mark.parametrize(("kind", "name"), DELETED.values(), ids=DELETED)
async def test_a_deleted_child_comes_back(
    operator: world.Operator, client: KubeClient, smallest: str, kind: ResourceKind, name: str
) -> None:
    first = await operator.reconcile(smallest)
    assert first.notices == (), "what is made for the first time is no repair"
    await client.delete(kind, smallest, name)
    outcome = await operator.reconcile(smallest)
    assert [each.note.partition(" was ")[0] for each in outcome.notices] == [f"{kind.kind} {name}"]
    assert f"apply {kind.kind} {name}" in operator.client.writes
    assert await client.get(kind, smallest, name) is not None


async def test_what_others_add_stays(operator: world.Operator, client: KubeClient, smallest: str) -> None:
    await operator.reconcile(smallest)
    added = {
        "metadata": {"annotations": {"deployment.kubernetes.io/revision": "3"}},
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2027-01-01"}}}},
    }
    await client.merge_patch(DEPLOYMENTS, smallest, "corp", added)
    await operator.reconcile(smallest)
    assert operator.client.writes == []


async def test_a_field_that_is_no_longer_wanted_goes(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    def replaced(**spec: Any) -> None:
        live = api.read(world.gateway(smallest))
        api.replace(live | {"spec": {"publicURL": "https://claude.corp.example", **spec}}).accepted()

    replaced(podTemplate={"nodeSelector": {"pool": "gateways"}, "priorityClassName": "high"})
    await operator.reconcile(smallest)
    replaced()
    await operator.reconcile(smallest)
    pod = (await operator.deployment(smallest))["spec"]["template"]["spec"]
    assert "nodeSelector" not in pod
    assert "priorityClassName" not in pod


async def test_an_autoscaler_comes_and_goes_without_a_pod_lost(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    def replaced(**spec: Any) -> None:
        live = api.read(world.gateway(smallest))
        api.replace(live | {"spec": {"publicURL": "https://claude.corp.example", **spec}}).accepted()

    replaced(replicas=9)
    await operator.reconcile(smallest)
    replaced(autoscaling={"minReplicas": 3, "maxReplicas": 20})
    await operator.reconcile(smallest)
    assert (await operator.deployment(smallest))["spec"]["replicas"] == 9, "not the default, which is 1"
    assert await client.get(HORIZONTAL_POD_AUTOSCALERS, smallest, "corp") is not None

    scale = f"/apis/apps/v1/namespaces/{smallest}/deployments/corp/scale"
    api.request("PUT", scale, body=api.get(scale) | {"spec": {"replicas": 12}}).accepted()
    outcome = await operator.reconcile(smallest)
    assert operator.client.writes == [], "the number is the autoscaler's"
    assert outcome.replicas.wanted == 12

    replaced(replicas=4)
    await operator.reconcile(smallest)
    assert (await operator.deployment(smallest))["spec"]["replicas"] == 4
    assert await client.get(HORIZONTAL_POD_AUTOSCALERS, smallest, "corp") is None


async def test_what_admission_rewrites_is_not_fought_over(
    operator: world.Operator, client: KubeClient, smallest: str
) -> None:
    """An image policy that takes another registry would else be a war without end."""
    await operator.reconcile(smallest)
    apply = client.apply

    async def admitted(manifest: Any, **how: Any) -> Any:
        manifest = copy.deepcopy(manifest)
        if manifest["kind"] == "Deployment":
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            container["image"] = "mirror.example/proxy:1"
        return await apply(manifest, **how)

    deployment = await operator.deployment(smallest)
    containers = deployment["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "mirror.example/proxy:1"
    await client.merge_patch(
        DEPLOYMENTS, smallest, "corp", {"spec": {"template": {"spec": {"containers": containers}}}}
    )
    client.apply = admitted  # type: ignore[method-assign]
    await operator.reconcile(smallest)
    assert operator.client.writes == ["apply Deployment corp"]
    await operator.reconcile(smallest)
    assert operator.client.writes == []
