"""Everything that the operator makes for a gateway, the API server takes from its account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.helm import ACCOUNT, RELEASE
from tests.cluster.api_server import ApiServer

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.children import ChildSettings, children
from gateway_operator.compiler import ObjectRef

SPECS: dict[str, dict[str, Any]] = {
    "smallest": {},
    "ingress": {"exposure": {"type": "Ingress", "ingress": {"className": "nginx", "tlsSecretName": "tls"}}},
    "autoscaling": {"autoscaling": {"maxReplicas": 5, "cpuUtilization": 70}},
    "embedded": {"store": {"type": "Embedded"}},
}
SETTINGS = ChildSettings(
    image="proxy:1", operator_namespace="claude-gateway-system", operator_pod_labels={"app": "operator"}
)


@pytest.fixture(params=SPECS)
def gateway(request: pytest.FixtureRequest, cluster: ApiServer) -> Iterator[dict[str, Any]]:
    manifest = {
        "apiVersion": "claude-gateway.dev/v1alpha1",
        "kind": "GatewayDeployment",
        "metadata": {"name": request.param, "namespace": "team-a"},
        "spec": {"publicURL": "https://claude.corp.example"} | SPECS[request.param],
    }
    yield cluster.client.apply(manifest).accepted()
    cluster.client.delete(manifest).accepted()


@pytest.mark.parametrize("account", [ACCOUNT, f"system:serviceaccount:namespaced:{RELEASE}"], ids=["cluster", "list"])
def test_children_are_applied_and_deleted(account: str, gateway: dict[str, Any], cluster: ApiServer) -> None:
    metadata = gateway["metadata"]
    made = children(
        GatewayDeployment.model_validate(gateway),
        ref=ObjectRef("GatewayDeployment", metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        settings=SETTINGS,
        token_audiences=(
            "https://api.anthropic.com",
            "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/corp",
        ),
    )
    client = cluster.client_of(account)
    for manifest in made.wanted:
        client.apply(manifest, manager=names.MANAGER).accepted()
        assert client.apply(manifest, manager=names.MANAGER).accepted()["metadata"]["labels"] == names.child_labels(
            metadata["name"]
        )
    for kind, name in made.unwanted:
        assert client.request("DELETE", kind.path(metadata["namespace"], name)).status in (200, 404)
    for manifest in made.wanted:
        cluster.client.delete(manifest).accepted()


def test_status_is_applied(gateway: dict[str, Any], cluster: ApiServer) -> None:
    status = {key: gateway[key] for key in ("apiVersion", "kind")} | {
        "metadata": {key: gateway["metadata"][key] for key in ("name", "namespace")},
        "status": {"observedGeneration": 1},
    }
    client = cluster.client_of(ACCOUNT)
    client.apply(status, manager=names.MANAGER, subresource="status").accepted()
    refused = client.apply(gateway | {"metadata": status["metadata"]}, manager=names.MANAGER)
    assert refused.status == 403


def test_an_event_is_told(cluster: ApiServer) -> None:
    client = cluster.client_of(ACCOUNT)
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "corp.1", "namespace": "team-a"},
        "regarding": {"kind": "GatewayDeployment", "namespace": "team-a", "name": "corp"},
        "eventTime": "2027-01-01T00:00:00.000000Z",
        "reportingController": names.MANAGER,
        "reportingInstance": "pod",
        "action": "Reconcile",
        "reason": "Programmed",
        "type": "Normal",
    }
    client.create(event).accepted()
