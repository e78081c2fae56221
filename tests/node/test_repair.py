"""Children that somebody deletes or edits come back; a deleted gateway takes its children along, and no more."""

import pytest
from tests.node.gateways import NodeGateway, answers
from tests.node.kubernetes import Kube, eventually, reference

from gateway_operator import names

CHILDREN = [
    ("v1", "Service", "corp"),
    ("policy/v1", "PodDisruptionBudget", "corp"),
    ("networking.k8s.io/v1", "NetworkPolicy", "corp"),
    ("v1", "ServiceAccount", "corp-proxy"),
    ("v1", "Secret", "corp-config"),
    ("v1", "Secret", "corp-credentials"),
]
WITHIN = 20.0


def test_a_deleted_child_is_made_anew(kube: Kube, gateway: NodeGateway) -> None:
    def uid(version: str, kind: str, name: str) -> str:
        found = gateway.child(version, kind, name)
        return str(found["metadata"]["uid"]) if found else ""

    before = {child: uid(*child) for child in CHILDREN}
    assert all(before.values()), before
    (pod,) = gateway.pods()
    for version, kind, name in CHILDREN:
        kube.delete(reference(version, kind, gateway.namespace, name)).accepted()
    for child, old in before.items():
        eventually(
            lambda child=child, old=old: uid(*child) not in ("", old),  # type: ignore[misc]
            within=WITHIN,
            what=f"a new {child[1]} {child[2]}",
        )
    eventually(lambda: answers(gateway), within=WITHIN, what="the new Service leads to the pod")
    gateway.wait_ready()
    assert [one["metadata"]["uid"] for one in gateway.pods()] == [pod["metadata"]["uid"]]


def test_an_edit_by_hand_is_undone(kube: Kube, gateway: NodeGateway) -> None:
    service = reference("v1", "Service", gateway.namespace, gateway.name)
    kube.merge(service, {"spec": {"selector": {"app.kubernetes.io/instance": "nobody"}}})
    deployment = reference("apps/v1", "Deployment", gateway.namespace, gateway.name)
    kube.merge(deployment, {"spec": {"replicas": 3}}, subresource="scale")

    def undone() -> bool:
        found, pods = gateway.child("v1", "Service"), gateway.child("apps/v1", "Deployment")
        assert found is not None
        assert pods is not None
        return found["spec"]["selector"] == names.child_labels(gateway.name) and pods["spec"]["replicas"] == 1

    eventually(undone, within=WITHIN, what="both edits are undone")
    gateway.wait_pods(1)
    assert gateway.ask().status == 200


def test_labels_that_somebody_took_off_come_back(kube: Kube, gateway: NodeGateway) -> None:
    """The admission policy, too, knows a child by its owner."""
    edits = {"Service": {names.GATEWAY_LABEL: None}, "Deployment": {names.MANAGED_BY_LABEL: None}}
    versions = {"Service": "v1", "Deployment": "apps/v1"}
    for kind, labels in edits.items():
        kube.merge(reference(versions[kind], kind, gateway.namespace, gateway.name), {"metadata": {"labels": labels}})

    def restored() -> bool:
        found = [gateway.child(versions[kind], kind) for kind in edits]
        ours = names.child_labels(gateway.name).items()
        return all(child is not None and ours <= child["metadata"].get("labels", {}).items() for child in found)

    eventually(restored, within=WITHIN, what="our labels are on both again")
    gateway.wait_ready()


def test_a_deleted_deployment_comes_back_with_pods(kube: Kube, gateway: NodeGateway) -> None:
    kube.delete(reference("apps/v1", "Deployment", gateway.namespace, gateway.name)).accepted()
    before = {pod["metadata"]["uid"] for pod in gateway.pods()}
    eventually(
        lambda: [pod for pod in gateway.ready_pods() if pod["metadata"]["uid"] not in before],
        within=60,
        what="a new pod that is ready",
    )
    eventually(lambda: answers(gateway), within=WITHIN, what="it answers")


@pytest.mark.timeout(180)
def test_a_deleted_gateway_leaves_what_users_made(kube: Kube, gateway: NodeGateway) -> None:
    (pod,) = gateway.pods()
    kube.delete(gateway.deployment()).accepted()
    kube.wait_gone(gateway.deployment(), within=10)
    owned = [*CHILDREN, ("apps/v1", "Deployment", "corp"), ("v1", "Secret", "corp-signing")]
    for version, kind, name in owned:
        kube.wait_gone(reference(version, kind, gateway.namespace, name))
    kube.wait_gone(reference("v1", "Pod", gateway.namespace, pod["metadata"]["name"]))
    for manifest in (gateway.binding("anthropic", ""), gateway.policy("everyone")):
        said = gateway.wait_condition(manifest["kind"], manifest["metadata"]["name"], "ResolvedRefs", status="False")
        assert said["reason"] == "GatewayNotFound"
    for manifest in (gateway.secret(), gateway.developer_key()):
        assert kube.read(manifest)
