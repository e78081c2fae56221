"""RBAC gives the operator `patch` on pods; the chart's admission policy leaves it one annotation of that."""

import pytest
from tests.cluster.api_client import ApiClient
from tests.node.gateways import NodeGateway
from tests.node.kubernetes import Kube, Manifest, reference
from tests.node.operators import NAMESPACE, RELEASE, Operator

from gateway_operator import names

MERGE = "application/merge-patch+json"


@pytest.fixture
def gateway(shared_gateway: NodeGateway) -> NodeGateway:
    return shared_gateway


@pytest.fixture
def as_operator(kube: Kube, installed: Operator) -> ApiClient:
    """The API server with a token of the operator's account."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{RELEASE}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = kube.request("POST", path, body=request).accepted()["status"]["token"]
    return ApiClient(kube.url, certificate=kube.state / "ca.crt", token=token)


def refusal(client: ApiClient, pod: Manifest, change: Manifest) -> str | None:
    path = client.path_of(reference("v1", "Pod", pod["metadata"]["namespace"], pod["metadata"]["name"]))
    return client.request("PATCH", path, body=change, content_type=MERGE).refusal


def test_the_operators_token_cannot_change_an_image(as_operator: ApiClient, gateway: NodeGateway, kube: Kube) -> None:
    (pod,) = gateway.pods()
    other = {"spec": {"containers": [{"name": "proxy", "image": "evil.example/image"}]}}
    path = kube.path_of(reference("v1", "Pod", gateway.namespace, pod["metadata"]["name"]))
    strategic = "application/strategic-merge-patch+json"
    refused = as_operator.request("PATCH", path, body=other, content_type=strategic)
    assert refused.status in (403, 422)
    assert "may change nothing on a pod but the annotation" in str(refused.refusal)
    assert gateway.pods()[0]["spec"]["containers"] == pod["spec"]["containers"]


def test_the_operators_token_writes_one_annotation_on_its_own_pods(
    as_operator: ApiClient, gateway: NodeGateway, installed: Operator
) -> None:
    (pod,) = gateway.pods()
    assert refusal(as_operator, pod, {"metadata": {"annotations": {names.SEQUENCE_ANNOTATION: "7"}}}) is None
    assert "no annotation on a pod but" in str(
        refusal(as_operator, pod, {"metadata": {"annotations": {"somebody/else": "7"}}})
    )
    assert "nothing on a pod but" in str(refusal(as_operator, pod, {"metadata": {"labels": {"app": "other"}}}))
    (own,) = installed.pods()[:1]
    assert "no pod but those with the label" in str(
        refusal(as_operator, own, {"metadata": {"annotations": {names.SEQUENCE_ANNOTATION: "7"}}})
    )


def test_the_operators_token_reaches_no_further_than_its_work(
    as_operator: ApiClient, gateway: NodeGateway, kube: Kube
) -> None:
    (pod,) = gateway.pods()
    name, here = pod["metadata"]["name"], f"/api/v1/namespaces/{gateway.namespace}"
    asked = {
        "pods/exec": as_operator.request("POST", f"{here}/pods/{name}/exec?command=id"),
        "pods/log": as_operator.request("GET", f"{here}/pods/{name}/log"),
        "delete a pod": as_operator.request("DELETE", f"{here}/pods/{name}"),
        "delete the Deployment": as_operator.request(
            "DELETE", f"/apis/apps/v1/namespaces/{gateway.namespace}/deployments/{gateway.name}"
        ),
        "delete a gateway": as_operator.request("DELETE", kube.path_of(gateway.deployment())),
        "change a policy": as_operator.request(
            "PATCH", kube.path_of(gateway.policy("everyone")), body={"spec": {"priority": 5}}, content_type=MERGE
        ),
        "nodes": as_operator.request("GET", "/api/v1/nodes"),
        "cluster roles": as_operator.request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    }
    assert {what: answer.status for what, answer in asked.items()} == dict.fromkeys(asked, 403)
