"""Which children there are, in which order, and what goes when the gateway asks for something else."""

from itertools import pairwise
from typing import Any

import pytest
from tests.children.gateways import UID, documented, gateway, made, of, unwanted, without

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GatewayDeployment, validate
from gateway_operator.kube.resources import kind_of

ROUTE = {"type": "HTTPRoute", "httpRoute": {"parentRefs": [{"name": "edge"}]}}
SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"exposure": {"type": "Ingress"}, "autoscaling": {"maxReplicas": 5}},
    {"exposure": ROUTE, "networkPolicy": {"enabled": False}},
    {"store": {"type": "Embedded"}, "podTemplate": {"serviceAccountName": "cloud"}},
    {"exposure": {"type": "LoadBalancer"}},
)


@pytest.mark.parametrize("spec", SPECS)
def test_every_child_is_told_by_its_labels(spec: dict[str, Any]) -> None:
    for name, child in made(**spec).items():
        assert child["metadata"]["labels"] == names.child_labels("corp"), name
        assert child["metadata"]["namespace"] == "claude", name


@pytest.mark.parametrize("spec", SPECS)
def test_every_child_goes_with_its_gateway_but_the_volume(spec: dict[str, Any]) -> None:
    for name, child in made(**spec).items():
        owners = child["metadata"].get("ownerReferences")
        if name == "PersistentVolumeClaim/corp-state":
            assert owners is None
            continue
        assert owners == [
            {
                "apiVersion": "claude-gateway.dev/v1alpha1",
                "kind": "GatewayDeployment",
                "name": "corp",
                "uid": UID,
                "controller": True,
            }
        ]


@pytest.mark.parametrize("spec", SPECS)
def test_the_deployment_comes_after_what_it_stands_on(spec: dict[str, Any]) -> None:
    kinds = [child["kind"] for child in of(gateway(**spec)).wanted]
    after = kinds[kinds.index("Deployment") + 1 :]
    assert after in ([], ["HorizontalPodAutoscaler"])


@pytest.mark.parametrize("spec", SPECS)
def test_what_one_gateway_wants_is_made_or_unwanted_never_both(spec: dict[str, Any]) -> None:
    assert not set(made(**spec)) & unwanted(**spec)


@pytest.mark.parametrize(("before", "after"), [*pairwise(SPECS), *pairwise(reversed(SPECS))])
def test_an_edit_leaves_nothing_behind_but_the_volume(before: dict[str, Any], after: dict[str, Any]) -> None:
    left = set(made(**before)) - set(made(**after)) - unwanted(**after)
    assert left <= {"PersistentVolumeClaim/corp-state"}


def test_kinds_that_the_cluster_lacks_are_not_asked_for() -> None:
    children = of(gateway(), settings=without("HTTPRoute", "ServiceMonitor"))
    asked = {kind_of(child).kind for child in children.wanted} | {kind.kind for kind, _ in children.unwanted}
    assert not asked & {"HTTPRoute", "ServiceMonitor"}
    assert (children.findings, "corp-metrics" in {name for _, name in children.unwanted}) == ((), True)


def test_prometheus_finds_the_pods_where_there_is_a_prometheus_operator() -> None:
    children = made()
    (port,) = children["Service/corp-metrics"]["spec"]["ports"]
    monitor = children["ServiceMonitor/corp"]["spec"]
    assert monitor["endpoints"][0]["port"] == port["name"]
    assert monitor["selector"]["matchLabels"] == children["Service/corp-metrics"]["metadata"]["labels"]
    assert port["name"] not in {port["name"] for port in children["Service/corp"]["spec"]["ports"]}


def test_the_volume_has_the_size_and_class_that_were_asked_for() -> None:
    store = {"type": "Embedded", "embedded": {"storageClassName": "fast", "size": "2048Mi"}}
    spec = made(store=store)["PersistentVolumeClaim/corp-state"]["spec"]
    assert spec["resources"]["requests"]["storage"] == "2Gi"
    assert spec["storageClassName"] == "fast"
    assert "storageClassName" not in made(store={"type": "Embedded"})["PersistentVolumeClaim/corp-state"]["spec"]


@pytest.mark.parametrize(("name", "manifest"), list(documented()), ids=lambda it: it if isinstance(it, str) else "")
def test_every_documented_gateway_can_be_made(name: str, manifest: dict[str, Any]) -> None:
    subject = validate(manifest)
    assert isinstance(subject, GatewayDeployment)
    children = of(subject)
    assert {"Deployment", "Service"} <= {child["kind"] for child in children.wanted}
    assert of(subject) == children
