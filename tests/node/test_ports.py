"""A pod's three ports: the developers', the operator's, which asks for a token, and the metrics'."""

import base64
import json

import pytest
from tests.node.gateways import NodeGateway
from tests.node.kubernetes import Kube
from tests.standins.raw_client import Response, fetch

from gateway_operator import names


@pytest.fixture
def gateway(shared_gateway: NodeGateway) -> NodeGateway:
    return shared_gateway


def admin(gateway: NodeGateway, token: str | None) -> Response:
    (pod,) = gateway.ready_pods()
    headers = [] if token is None else [("authorization", f"Bearer {token}")]
    return fetch(8081, "GET", "/status", headers=headers, host=pod["status"]["podIP"])


def test_the_admin_port_answers_whoever_has_the_operators_token(gateway: NodeGateway) -> None:
    secret = gateway.child("v1", "Secret", names.signing_secret(gateway.name))
    assert secret is not None
    token = base64.b64decode(secret["data"]["admin-token"]).decode()
    answer = admin(gateway, token)
    assert answer.status == 200
    assert answer.json()["revision"] == gateway.status()["revision"]
    for wrong in (None, "", "guessed", token[:-1]):
        refused = admin(gateway, wrong)
        assert refused.status == 401
        assert "revision" not in json.dumps(refused.json())


def test_metrics_are_open_and_count_requests(gateway: NodeGateway) -> None:
    assert gateway.ask().status == 200
    (pod,) = gateway.ready_pods()
    answer = fetch(9090, "GET", "/metrics", host=pod["status"]["podIP"])
    assert answer.status == 200
    assert b"claude_gateway_open_streams" in answer.body


def test_the_service_leads_to_the_developers_port_alone(kube: Kube, gateway: NodeGateway) -> None:
    service = gateway.child("v1", "Service")
    assert service is not None
    assert [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [
        ("http", 80, "http")
    ]
    headless = kube.objects("v1", "Service", gateway.namespace)
    assert [one["metadata"]["name"] for one in headless] == [gateway.name], "no ServiceMonitor, no metrics Service"
