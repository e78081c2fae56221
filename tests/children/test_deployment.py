"""The Deployment: how many pods there are, and how one set takes the place of another."""

from typing import Any

import pytest
from tests.children.gateways import made


@pytest.mark.parametrize(
    ("spec", "replicas"),
    [
        ({}, 2),
        ({"replicas": 5}, 5),
        ({"replicas": 0}, 0),
        ({"store": {"type": "Embedded"}}, 1),
        ({"autoscaling": {"maxReplicas": 9}}, None),
    ],
)
def test_the_number_of_pods(spec: dict[str, Any], replicas: int | None) -> None:
    deployment = made(**spec)["Deployment/corp"]
    assert deployment["spec"].get("replicas") == replicas
    assert ("replicas" in deployment["spec"]) == (replicas is not None)


def test_a_rollout_never_leaves_fewer_pods() -> None:
    strategy = made()["Deployment/corp"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}


def test_an_embedded_store_goes_from_one_pod_to_the_next() -> None:
    assert made(store={"type": "Embedded"})["Deployment/corp"]["spec"]["strategy"] == {"type": "Recreate"}


def test_the_pods_are_selected_by_labels_that_no_gateway_can_change() -> None:
    spec = made(podTemplate={"labels": {"team": "platform"}})["Deployment/corp"]["spec"]
    selector = spec["selector"]["matchLabels"]
    labels = spec["template"]["metadata"]["labels"]
    assert selector["claude-gateway.dev/gateway"] == "corp"
    assert "team" not in selector
    assert labels == {**selector, "team": "platform"}


@pytest.mark.parametrize(
    "spec",
    [
        {"allowedPolicies": {"namespaces": {"from": "All"}}},
        {"identity": {"developerKeys": {"enabled": False}}},
        {"models": {"builtin": False}},
        {"http": {"maxRequestBytes": 4096}},
        {"egress": {"proxyURL": "http://proxy.corp:3128"}},
        {"session": {"signingKeyRotation": "24h"}},
        {"networkPolicy": {"enabled": False}},
        {"disruptionBudget": {"maxUnavailable": "50%"}},
        {"replicas": 9},
        {"publicURL": "https://other.corp.example"},
        {"exposure": {"type": "Ingress"}},
    ],
)
def test_what_a_running_pod_can_take_over_rolls_no_pods(spec: dict[str, Any]) -> None:
    assert made(**spec)["Deployment/corp"]["spec"]["template"] == made()["Deployment/corp"]["spec"]["template"]
