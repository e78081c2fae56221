"""An Embedded store on a volume: one pod, never two at once, and the volume outlives the gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.node.gateways import Gateways, NodeGateway, answers
from tests.node.kubernetes import Kube, eventually, reference
from tests.node.pod_changes import identities, restart

from gateway_operator import names

CLASS = "node-test-by-hand"


@pytest.fixture
def volume(kube: Kube, namespace: str, tmp_path: Path) -> Iterator[str]:
    """Made by hand, for no provisioner runs here; `local`, for a pod's fsGroup gets no rights on a hostPath."""
    here = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["test-node"]}]}]
    spec = {
        "capacity": {"storage": "20Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": f"{CLASS}-{namespace}",
        "local": {"path": str(tmp_path)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": here}},
    }
    manifest = reference("v1", "PersistentVolume", "", namespace) | {"spec": spec}
    kube.create(manifest).accepted()
    yield str(spec["storageClassName"])
    kube.delete(manifest).accepted()


@pytest.fixture
def stored(gateways: Gateways, namespace: str, volume: str) -> NodeGateway:
    store = {"type": "Embedded", "embedded": {"size": "1Gi", "storageClassName": volume}}
    return gateways(namespace=namespace, replicas=None, store=store)


def shell(kube: Kube, gateway: NodeGateway, command: str) -> str:
    (pod,) = gateway.wait_pods(1)
    return kube.kubectl("-n", gateway.namespace, "exec", pod["metadata"]["name"], "--", "sh", "-c", command)


@pytest.mark.timeout(180)
def test_one_pod_after_the_other_has_the_volume_and_it_stays_when_the_gateway_goes(
    kube: Kube, stored: NodeGateway
) -> None:
    claim = reference("v1", "PersistentVolumeClaim", stored.namespace, names.volume_claim(stored.name))
    assert kube.read(claim)["status"]["phase"] == "Bound"
    accepted = stored.wait_condition("GatewayDeployment", stored.name, "Accepted")
    assert accepted["reason"] == "AcceptedWithWarnings"
    assert "does not scale" in accepted["message"]
    deployment = stored.child("apps/v1", "Deployment")
    assert deployment is not None
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})

    shell(kube, stored, "echo kept > /var/lib/claude-gateway-proxy/by-hand")
    before = identities(stored.pods())
    restart(kube, stored)
    most = 0

    def replaced() -> bool:
        nonlocal most
        found = kube.objects("v1", "Pod", stored.namespace, labels=names.child_labels(stored.name))
        running = [one for one in found if one["status"].get("phase") == "Running"]
        most = max(most, len(running))
        return bool(stored.ready_pods()) and not identities(stored.pods()) & before

    eventually(replaced, within=60, what="a new pod in place of the old one")
    assert most == 1, "two pods never run at once"
    assert shell(kube, stored, "cat /var/lib/claude-gateway-proxy/by-hand") == "kept\n"
    eventually(lambda: answers(stored), within=20, what="it answers")

    kube.delete(stored.deployment()).accepted()
    kube.wait_gone(reference("apps/v1", "Deployment", stored.namespace, stored.name))
    assert kube.read(claim)["status"]["phase"] == "Bound"
