"""Upgrade, rollback, uninstall and a new install of the chart: users' objects stay, gateways serve on."""

import pytest
from tests.node.gateways import NodeGateway, on_every_pod
from tests.node.kubernetes import Kube, eventually, run
from tests.node.operators import NAMESPACE, RELEASE, Operator, helm
from tests.node.pod_logs import PodLogs
from tests.node.traffic import NewConnections

IMAGE = "localhost/claude-gateway-operator"
OTHER_TAG = "other"
DENIED = {"availableModels": ["claude-haiku-5-5"]}
"""Alice asks for Sonnet."""


def images(operator: Operator) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in operator.pods()}


def uids(kube: Kube, gateway: NodeGateway) -> list[str]:
    manifests = [gateway.deployment(), gateway.binding("anthropic", ""), gateway.policy("everyone"), gateway.secret()]
    return [kube.read(one)["metadata"]["uid"] for one in (*manifests, gateway.developer_key())]


def works(gateway: NodeGateway) -> None:
    """A change takes effect, and is taken back."""
    gateway.apply(gateway.policy("everyone", **DENIED))
    gateway.wait_condition("GatewayPolicy", "everyone", "Programmed", within=40)
    assert on_every_pod(gateway, lambda answer: answer.status == 400)
    gateway.apply(gateway.policy("everyone"))
    gateway.wait_condition("GatewayPolicy", "everyone", "Programmed", within=40)


@pytest.mark.timeout(300)
def test_an_upgrade_and_its_rollback_are_not_noticed(kube: Kube, operator: Operator, gateway: NodeGateway) -> None:
    containerd = ("ctr", "--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io")
    run(*containerd, "images", "tag", "--force", f"{IMAGE}:dev", f"{IMAGE}:{OTHER_TAG}")
    pods, objects = [pod["metadata"]["uid"] for pod in gateway.pods()], uids(kube, gateway)
    with NewConnections(gateway, per_second=10) as connections:
        operator.install("--set", f"image.tag={OTHER_TAG}")
        eventually(lambda: images(operator) == {f"{IMAGE}:{OTHER_TAG}"}, within=60, what="the other image alone")
        helm("rollback", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "90s")
        eventually(lambda: images(operator) == {f"{IMAGE}:dev"}, within=60, what="the old image alone")
    assert (dict(connections.refused), dict(connections.failed)) == ({}, {})
    works(gateway)
    assert [pod["metadata"]["uid"] for pod in gateway.pods()] == pods, "no pod of a gateway was rolled"
    assert uids(kube, gateway) == objects


@pytest.mark.timeout(300)
def test_an_uninstall_leaves_gateways_serving_and_a_new_install_takes_them_up(
    kube: Kube, operator: Operator, gateway: NodeGateway, pod_logs: PodLogs
) -> None:
    pods, objects = [pod["metadata"]["uid"] for pod in gateway.pods()], uids(kube, gateway)
    with NewConnections(gateway, per_second=10) as connections:
        with pod_logs.refusals_excused():
            helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "90s")
            eventually(lambda: not operator.pods(), within=60, what="no operator")
        counted = connections.answered
        eventually(lambda: connections.answered > counted + 5, within=20, what="requests are answered")
        assert uids(kube, gateway) == objects
        operator.install()
    assert (dict(connections.refused), dict(connections.failed)) == ({}, {})
    works(gateway)
    assert uids(kube, gateway) == objects
    assert [pod["metadata"]["uid"] for pod in gateway.pods()] == pods


def test_helm_s_own_test_passes(operator: Operator) -> None:
    said = helm("test", RELEASE, "--namespace", NAMESPACE, "--timeout", "90s")
    assert "Succeeded" in said
