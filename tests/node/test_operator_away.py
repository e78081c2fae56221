"""The operator is a control plane: while it is away gateways serve on, and when it comes back it catches up."""

import os
import signal
from pathlib import Path

import pytest
from tests.node.gateways import NodeGateway, on_every_pod
from tests.node.kubernetes import Kube, eventually, is_ready, reference
from tests.node.operators import NAMESPACE, RELEASE, Operator
from tests.node.test_sick_pods import processes
from tests.node.traffic import NewConnections

DENIED = {"availableModels": ["claude-haiku-5-5"]}
"""Alice asks for Sonnet."""
TAKEOVER_SECONDS = 40.0


def lease(kube: Kube) -> tuple[str, int]:
    """Who holds it, and how often it has changed hands."""
    spec = kube.read(reference("coordination.k8s.io/v1", "Lease", NAMESPACE, RELEASE))["spec"]
    return str(spec.get("holderIdentity") or ""), int(spec.get("leaseTransitions") or 0)


def test_gateways_serve_without_it_and_it_catches_up(kube: Kube, operator: Operator, gateway: NodeGateway) -> None:
    with NewConnections(gateway, per_second=10) as connections:
        operator.scale(0)
        gateway.apply(gateway.policy("everyone", **DENIED))
        kube.delete(reference("policy/v1", "PodDisruptionBudget", gateway.namespace, gateway.name)).accepted()
        assert gateway.ask().status == 200, "nobody tells the pods"
        condition = gateway.condition("GatewayPolicy", "everyone", "Programmed")
        assert condition == {}, "nothing is said of a generation that nobody has looked at"
        counted = connections.answered
        eventually(lambda: connections.answered > counted, within=20, what="requests are answered")
        gateway.apply(gateway.policy("everyone"))
    assert (dict(connections.refused), dict(connections.failed)) == ({}, {})
    gateway.apply(gateway.policy("everyone", **DENIED))
    operator.scale(1)
    gateway.wait_programmed(gateway.policy("everyone"))
    assert on_every_pod(gateway, lambda answer: answer.status == 400)
    eventually(
        lambda: gateway.child("policy/v1", "PodDisruptionBudget"), within=20, what="the deleted child is there again"
    )


def test_a_killed_process_takes_its_lease_up_again(kube: Kube, operator: Operator, gateway: NodeGateway) -> None:
    (pod,) = operator.pods()
    holder, transitions = lease(kube)
    assert holder == pod["metadata"]["name"]
    for pid in processes(pod):
        os.kill(pid, signal.SIGKILL)
    gateway.apply(gateway.policy("everyone", **DENIED))
    eventually(
        lambda: on_every_pod(gateway, lambda answer: answer.status == 400),
        within=TAKEOVER_SECONDS,
        what="the policy is enforced",
    )
    assert lease(kube) == (holder, transitions), "the same holder: no other had to wait for it to run out"
    assert [one["metadata"]["uid"] for one in operator.pods()] == [pod["metadata"]["uid"]]
    assert Path("/var/log/pods").exists()


@pytest.mark.timeout(180)
def test_of_two_operators_one_leads_and_the_other_takes_over(
    kube: Kube, operator: Operator, gateway: NodeGateway
) -> None:
    operator.scale(2)
    leader, transitions = lease(kube)
    pods = {pod["metadata"]["name"] for pod in operator.pods()}
    assert leader in pods
    path = kube.path_of(reference("v1", "Pod", NAMESPACE, leader))
    # as when its node is lost: no time to give the Lease back
    kube.request("DELETE", path, body={"gracePeriodSeconds": 0, "kind": "DeleteOptions", "apiVersion": "v1"}).accepted()
    gateway.apply(gateway.policy("everyone", **DENIED))
    gateway.wait_condition("GatewayPolicy", "everyone", "Programmed", within=TAKEOVER_SECONDS)
    assert on_every_pod(gateway, lambda answer: answer.status == 400)
    new, count = lease(kube)
    assert new != leader
    assert count == transitions + 1
    # and gently: it gives the Lease back, and the other need not wait
    operator.wait_ready(replicas=2)
    kube.delete(reference("v1", "Pod", NAMESPACE, new)).accepted()
    gateway.apply(gateway.policy("everyone"))
    gateway.wait_condition("GatewayPolicy", "everyone", "Programmed", within=TAKEOVER_SECONDS)
    assert gateway.ask().status == 200
    assert lease(kube)[0] not in ("", new)
    eventually(lambda: all(map(is_ready, operator.pods())), within=60, what="all replicas are ready")
