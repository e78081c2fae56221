"""Keys of developers: made and revoked with `kubectl`, in force on every pod."""

from tests.node.gateways import Gateways, NodeGateway
from tests.node.kubernetes import Kube, eventually

BOB = "bob@corp.example"


def statuses(gateway: NodeGateway) -> set[int]:
    """What Bob's key gets from each pod."""
    return {gateway.ask(user=BOB, pod=pod).status for pod in gateway.ready_pods()}


def test_a_key_works_on_every_pod_until_it_is_revoked(kube: Kube, gateways: Gateways) -> None:
    gateway = gateways(replicas=2)
    gateway.wait_pods(2)
    assert statuses(gateway) == {401}
    key = gateway.developer_key(BOB, "engineering")
    gateway.apply(key)
    eventually(lambda: statuses(gateway) == {200}, within=20, what="Bob's key is known to every pod")
    kube.delete(key).accepted()
    eventually(lambda: statuses(gateway) == {401}, within=20, what="Bob's key is revoked on every pod")
    assert gateway.ask().status == 200, "Alice's key is not touched"
