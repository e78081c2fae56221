"""A real API server takes every child as it is, and gives it back as it was sent."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.children import gateways
from tests.children.gateways import bundle_files, documented, gateway, of, without
from tests.cluster.api_client import MERGE_PATCH, SERVER_SIDE_APPLY, Answer, ApiClient

from gateway_operator.api.v1alpha1 import GatewayDeployment, validate
from gateway_operator.children import Manifest, config_secrets
from gateway_operator.children.quantities import canonical
from gateway_operator.compiler import ObjectRef

BUILT_IN = without("HTTPRoute", "ServiceMonitor")
"""The tests' API server serves neither."""
TLS = {"secretName": "claude-tls"}
EVERYTHING: dict[str, Any] = {
    "replicas": 3,
    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"memory": 2147483648, "cpu": 1}},
    "exposure": {
        "type": "Ingress",
        "ingress": {"className": "nginx", "tlsSecretName": "claude-tls", "annotations": {"corp.example/a": ""}},
        "tls": TLS,
    },
    "podTemplate": {
        "labels": {"team": ""},
        "annotations": {"corp.example/scrape": "true"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [
            {"key": "dedicated", "operator": "Equal", "value": "gateways", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
            {"key": "empty", "value": ""},
        ],
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
                }
            },
        },
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2},
            {
                "maxSkew": 2,
                "topologyKey": "rack",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {},
                "nodeTaintsPolicy": "Honor",
                "matchLabelKeys": ["pod-template-hash"],
            },
        ],
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "TZ", "value": "UTC"}, {"name": "EMPTY"}],
    },
    "networkPolicy": {
        "ingressFrom": [
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "nginx"}}},
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}},
        ],
        "metricsFrom": [{"podSelector": {}}],
    },
    "disruptionBudget": {"maxUnavailable": "25%"},
    "http": {"maxRequestBytes": 1048576},
}
SHAPES: dict[str, dict[str, Any]] = {
    "smallest": {},
    "everything": EVERYTHING,
    "autoscaled": {"autoscaling": {"maxReplicas": 9, "openStreamsPerPod": 4000, "cpuUtilization": 60}},
    "embedded": {"store": {"type": "Embedded", "embedded": {"storageClassName": "fast", "size": "1.5Gi"}}},
    "load-balancer": {
        "exposure": {
            "type": "LoadBalancer",
            "loadBalancer": {"annotations": {"corp.example/a": "b"}, "loadBalancerClass": "corp.example/nlb"},
        }
    },
    "pod-tls": {"exposure": {"tls": TLS}},
    "ingress-without-host": {"exposure": {"type": "Ingress"}, "publicURL": "https://192.0.2.7"},
    "bare-pods": {
        "podTemplate": {"topologySpreadConstraints": [], "affinity": {}},
        "resources": {"requests": {}, "limits": {}},
        "drain": "0s",
    },
}


@pytest.fixture
def namespace(api: ApiClient) -> Iterator[str]:
    """One whose pods must keep to the restricted level of the Pod Security Standards."""
    name = f"children-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    api.create(manifest).accepted()
    yield name
    api.delete(manifest)


def _apply(api: ApiClient, manifest: Manifest, *, dry_run: bool) -> Answer:
    query = {"fieldManager": "tests", "force": "true", "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    return api.request("PATCH", api.path_of(manifest), body=manifest, query=query, content_type=SERVER_SIDE_APPLY)


def _children(subject: GatewayDeployment, namespace: str) -> tuple[Manifest, ...]:
    """Without an owner: no such gateway is there."""
    audiences = ("https://api.anthropic.com",)
    return of(subject, namespace=namespace, uid="", settings=BUILT_IN, token_audiences=audiences).wanted


def _changed(wanted: Any, live: Any, path: str = "") -> list[str]:
    """Paths at which `live` does not hold what was wanted; what it holds besides does not count."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return [each for name in wanted for each in _changed(wanted[name], live.get(name), f"{path}.{name}")]
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        pairs = zip(wanted, live, strict=True)
        return [each for number, (one, other) in enumerate(pairs) for each in _changed(one, other, f"{path}[{number}]")]
    return [] if wanted == live else [f"{path}: {wanted!r} is {live!r}"]


@pytest.mark.parametrize("spec", SHAPES.values(), ids=SHAPES)
def test_what_is_read_back_is_what_was_sent(api: ApiClient, namespace: str, spec: dict[str, Any]) -> None:
    # Else every reconcile would take the API server's spelling for somebody's edit, and write again.
    for child in _children(gateway(**spec), namespace):
        answer = _apply(api, child, dry_run=False)
        assert answer.refusal is None, (child["kind"], answer.refusal)
        assert _changed(child, answer.body) == [], child["kind"]


@pytest.mark.parametrize(("name", "manifest"), list(documented()), ids=lambda it: it if isinstance(it, str) else "")
def test_every_documented_gateway(api: ApiClient, namespace: str, name: str, manifest: dict[str, Any]) -> None:
    subject = validate(manifest)
    assert isinstance(subject, GatewayDeployment)
    for child in _children(subject, namespace):
        answer = _apply(api, child, dry_run=True)
        assert answer.refusal is None, (child["kind"], answer.refusal)


@pytest.mark.parametrize("spec", SHAPES.values(), ids=SHAPES)
def test_the_pods_keep_to_the_restricted_level(api: ApiClient, namespace: str, spec: dict[str, Any]) -> None:
    (deployment,) = [child for child in _children(gateway(**spec), namespace) if child["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "corp", "namespace": namespace}
    assert api.create(pod, dry_run=True).refusal is None

    lax = {**pod, "spec": {**pod["spec"], "securityContext": {}}}
    assert "violates PodSecurity" in (api.create(lax, dry_run=True).refusal or ""), "the level is not enforced"


def test_every_edit_is_taken(api: ApiClient, namespace: str) -> None:
    # Some fields can never change once they are set; no edit may run into one of them.
    for spec in [*SHAPES.values(), *reversed(SHAPES.values())]:
        for child in _children(gateway(**spec), namespace):
            if child["kind"] == "PersistentVolumeClaim":
                continue
            answer = _apply(api, child, dry_run=False)
            assert answer.refusal is None, (spec, child["kind"], answer.refusal)
            assert _changed(child, answer.body) == [], (spec, child["kind"])


def test_others_annotations_on_the_pods_stay(api: ApiClient, namespace: str) -> None:
    (deployment,) = [child for child in _children(gateway(), namespace) if child["kind"] == "Deployment"]
    _apply(api, deployment, dry_run=False).accepted()
    restart = {"kubectl.kubernetes.io/restartedAt": "2027-01-31T12:00:00Z"}  # what `kubectl rollout restart` writes
    patch = {"spec": {"template": {"metadata": {"annotations": restart}}}}
    api.request("PATCH", api.path_of(deployment), body=patch, content_type=MERGE_PATCH).accepted()
    edited = {**deployment, "spec": {**deployment["spec"], "replicas": 7}}
    live = _apply(api, edited, dry_run=False).accepted()
    assert live["spec"]["replicas"] == 7
    assert live["spec"]["template"]["metadata"]["annotations"].items() >= restart.items()


def test_the_configurations_secrets(api: ApiClient, namespace: str) -> None:
    ref = ObjectRef("GatewayDeployment", namespace, "corp")
    for secret in config_secrets(ref, gateways.UID, bundle_files(3)):
        answer = _apply(api, secret, dry_run=True)
        assert answer.refusal is None, answer.refusal
        assert _changed(secret, answer.body) == []


def test_quantities_are_spelled_as_the_api_server_does(api: ApiClient, namespace: str) -> None:
    spellings = [
        *("0.5", "500m", "1000m", 1, "1", "1000", "1500", "100k", "1500M", "1000M", "2.50G", "123456789.5"),
        *("1024Mi", "1.5Gi", "1.1Gi", "0.1Ki", "0.5Ki", "512Ki", "1023Ki", "1048576Ki", "0.001Mi", "7Pi", "2Ei"),
        *("1073741824", 1073741824, "0", "0Gi", "0m", "0.0000000001", "0.000001", "1m", "1.5m", "900719925474099"),
    ]
    account = {"securityContext": gateways.container()["securityContext"], "image": "x"}
    containers = [
        {"name": f"c{number}", "resources": {"requests": {"memory": quantity}}, **account}
        for number, quantity in enumerate(spellings)
    ]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "quantities", "namespace": namespace},
        "spec": {"containers": containers, "securityContext": gateways.pod()["securityContext"]},
    }
    made = api.create(pod, dry_run=True).accepted()
    spelled = [container["resources"]["requests"]["memory"] for container in made["spec"]["containers"]]
    assert [canonical(quantity) for quantity in spellings] == spelled
