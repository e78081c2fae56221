"""NetworkPolicy: who may reach which port of the pods. What the pods may reach is left alone."""

from collections.abc import Iterable
from typing import Any

from gateway_operator.api.v1alpha1.exposure import NetworkPeer
from gateway_operator.api.v1alpha1.references import LabelSelector
from gateway_operator.children.subject import ADMIN_PORT, METRICS_PORT, Manifest, Subject
from gateway_operator.kube.resources import NETWORK_POLICIES


def wanted(subject: Subject) -> bool:
    return subject.spec.network_policy.enabled


def network_policy(subject: Subject) -> Manifest:
    """Ports by number: not every network plugin knows named ones."""
    settings = subject.spec.network_policy
    service: dict[str, Any] = {"ports": _port(subject.container_port)}
    if settings.ingress_from:
        service["from"] = _peers(settings.ingress_from)
    every_pod: list[dict[str, Any]] = [{"namespaceSelector": {}}]
    metrics = {"ports": _port(METRICS_PORT), "from": _peers(settings.metrics_from) or every_pod}
    labels = subject.settings.operator_pod_labels
    operator = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": subject.settings.operator_namespace}},
        "podSelector": {"matchLabels": dict(labels)} if labels else {},
    }
    admin = {"ports": _port(ADMIN_PORT), "from": [operator]}
    return subject.manifest(
        NETWORK_POLICIES,
        spec={
            "podSelector": {"matchLabels": subject.selector},
            "policyTypes": ["Ingress"],
            "ingress": [service, metrics, admin],
        },
    )


def _port(number: int) -> list[dict[str, Any]]:
    return [{"port": number, "protocol": "TCP"}]


def _peers(peers: Iterable[NetworkPeer]) -> list[dict[str, Any]]:
    return [_peer(peer) for peer in peers]


def _peer(peer: NetworkPeer) -> dict[str, Any]:
    if peer.ip_block is not None:
        excluded = {"except": list(peer.ip_block.except_)} if peer.ip_block.except_ else {}
        return {"ipBlock": {"cidr": peer.ip_block.cidr, **excluded}}
    selectors = {"podSelector": peer.pod_selector, "namespaceSelector": peer.namespace_selector}
    return {name: selector(value) for name, value in selectors.items() if value is not None}


def selector(value: LabelSelector) -> dict[str, Any]:
    """A label selector as Kubernetes has it. An empty one stays: it selects everything."""
    return value.model_dump(by_alias=True, mode="json", exclude_defaults=True)
