"""Secrets of the tests are searched for in all that a person or a machine may read of a namespace or of the node."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from tests.cluster.api_client import Answer
from tests.node.kubernetes import Kube
from tests.standins.anthropic_upstream import API_KEY
from tests.standins.gateway import ALICE
from tests.standins.manifests import key_of
from tests.standins.raw_client import fetch

from gateway_operator import names

CANARIES = {"the provider's credential": API_KEY, "Alice's key": key_of(ALICE)}
KINDS = {
    "claude-gateway.dev/v1alpha1": ("gatewaydeployments", "providerbindings", "gatewaypolicies"),
    "v1": ("pods", "services", "configmaps", "serviceaccounts", "persistentvolumeclaims"),
    "apps/v1": ("deployments", "replicasets"),
    "networking.k8s.io/v1": ("ingresses", "networkpolicies"),
    "autoscaling/v2": ("horizontalpodautoscalers",),
    "policy/v1": ("poddisruptionbudgets",),
    "discovery.k8s.io/v1": ("endpointslices",),
    "events.k8s.io/v1": ("events",),
}
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Of Secrets, names, labels and annotations are for everyone's eyes; their values are where credentials belong."""


def readable(kube: Kube, namespace: str) -> dict[str, str]:
    """Objects with their statuses and annotations, and the metrics and statuses of the proxies' pods, by source."""
    found = {
        plural: _text(kube.request("GET", f"/{_root(version)}/{version}/namespaces/{namespace}/{plural}"))
        for version, plurals in KINDS.items()
        for plural in plurals
    }
    secrets = kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets", accept=METADATA)
    found["Secrets' metadata"] = _text(secrets)
    labels = {names.NAME_LABEL: names.PROXY}
    for pod in kube.pods(namespace, labels):
        if address := pod["status"].get("podIP"):
            found |= _metrics(address, 9090, f"metrics of {pod['metadata']['name']}")
    return found


def made_up(kube: Kube, namespace: str) -> dict[str, str]:
    """What the operator itself keeps secret for the gateways of a namespace: tokens of admin ports, signing keys."""
    return {
        f"{key} of {secret['metadata']['name']}": base64.b64decode(value).decode()
        for secret in kube.objects("v1", "Secret", namespace, labels={names.NAME_LABEL: names.PROXY})
        if secret["metadata"]["name"].endswith("-signing")
        for key, value in secret["data"].items()
        if key != "state"
    }


def operator_metrics(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pod in pods:
        found |= _metrics(pod["status"]["podIP"], 8080, f"metrics of {pod['metadata']['name']}")
    return found


def leaks(texts: Mapping[str, str], *, more: Mapping[str, str] | None = None) -> list[str]:
    """Where a canary was found, without the value."""
    looked_for = {
        (name, spelling)
        for name, value in (CANARIES | dict(more or {})).items()
        for spelling in (value, base64.b64encode(value.encode()).decode().rstrip("="))
    }
    found = {(name, source) for source, text in texts.items() for name, value in looked_for if value in text}
    return [f"{name} in {source}" for name, source in sorted(found)]


def _root(version: str) -> str:
    return "apis" if "/" in version else "api"


def _text(answer: Answer) -> str:
    body = answer.accepted()
    return body if isinstance(body, str) else orjson.dumps(body).decode()


def _metrics(address: str, port: int, source: str) -> dict[str, str]:
    try:
        return {source: fetch(port, "GET", "/metrics", host=address).body.decode()}
    except OSError:
        return {}  # the pod is not up, or is ending: it has no metrics to show
