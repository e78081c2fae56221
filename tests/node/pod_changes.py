"""What takes pods away: the eviction API, and rollouts until their end."""

from collections.abc import Collection, Mapping
from typing import Any

from tests.cluster.api_client import Answer
from tests.node.gateways import NodeGateway
from tests.node.kubernetes import Kube, eventually, is_ready, run

from gateway_operator import names

EVICTION_SECONDS = 90.0
ROLLOUT_SECONDS = 180.0
PROXY_IMAGE = "localhost/claude-gateway-proxy"
OTHER_TAG = f"{PROXY_IMAGE}:other"


def evict(kube: Kube, pod: Mapping[str, Any]) -> Answer:
    """Asks once, as `kubectl drain` does again and again: 429 while the disruption budget does not allow it."""
    metadata = {"namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"]}
    path = kube.path_of({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}) + "/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    return kube.request("POST", path, body=eviction, deadline=0.0)


def wait_evicted(kube: Kube, pod: Mapping[str, Any]) -> int:
    """Asks until the eviction is allowed; how often it was refused before. Raises `ApiError` and `TimeoutError`."""
    refused = 0

    def allowed() -> bool:
        nonlocal refused
        answer = evict(kube, pod)
        if answer.status == 429:
            refused += 1
            return False
        answer.accepted()
        return True

    eventually(allowed, within=EVICTION_SECONDS, what=f"the eviction of {pod['metadata']['name']}")
    return refused


def restart(kube: Kube, gateway: NodeGateway) -> None:
    """As an admin does it: every pod is to be replaced."""
    kube.kubectl("-n", gateway.namespace, "rollout", "restart", f"deployment/{gateway.name}")


def change_image(kube: Kube, gateway: NodeGateway) -> None:
    """To another tag of the same image."""
    containerd = ("ctr", "--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io")
    run(*containerd, "images", "tag", "--force", f"{PROXY_IMAGE}:dev", OTHER_TAG)
    kube.merge(gateway.deployment(), {"spec": {"image": OTHER_TAG}})


def identities(pods: Collection[Mapping[str, Any]]) -> set[str]:
    return {str(pod["metadata"]["uid"]) for pod in pods}


def wait_replaced(gateway: NodeGateway, before: Collection[str]) -> None:
    """Until as many new pods as there were are ready, and every old one was asked to end. Raises `TimeoutError`."""

    def replaced() -> bool:
        pods = gateway.pods()
        return len(pods) == len(before) and all(map(is_ready, pods)) and not identities(pods) & set(before)

    eventually(replaced, within=ROLLOUT_SECONDS, what=f"{len(before)} new pods in place of the old ones")


def wait_ended(kube: Kube, gateway: NodeGateway, pods: Collection[str]) -> None:
    """Until the last of these pods has ended its streams and is gone. Raises `TimeoutError`."""

    def ended() -> bool:
        there = kube.objects("v1", "Pod", gateway.namespace, labels=names.child_labels(gateway.name))
        return not identities(there) & set(pods)

    eventually(ended, within=ROLLOUT_SECONDS, what=f"the end of {len(pods)} pods")
