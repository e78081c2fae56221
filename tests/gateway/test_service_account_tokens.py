"""Pods with the token of their service account, signed and published by a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import NAMESPACE, Manifest, smallest
from tests.standins.raw_client import Response, fetch

AUDIENCE = "https://claude.corp.example"
BATCH, OTHERS = "service-accounts-batch", "service-accounts-others"
BODY = b'{"model":"claude-haiku-4-5","max_tokens":5,"messages":[]}'
READABLE: Manifest = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "oidc-reviewer"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "system:service-account-issuer-discovery",
    },
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
}


@pytest.fixture(scope="module")
def accounts(api_server: ApiServer) -> Iterator[ApiClient]:
    """Two namespaces with a service account each, and keys that anybody may read."""
    client = api_server.client
    for namespace in (BATCH, OTHERS):
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).accepted()
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "job", "namespace": namespace}}
        client.create(account).accepted()
    client.create(READABLE).accepted()
    yield client
    client.delete(READABLE).accepted()
    for namespace in (BATCH, OTHERS):
        client.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).accepted()


def token(accounts: ApiClient, namespace: str = BATCH, *audiences: str) -> str:
    """What the kubelet asks for, for a projected volume."""
    body: dict[str, Any] = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": list(audiences or (AUDIENCE,)), "expirationSeconds": 3600},
    }
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/job/token"
    made: str = accounts.request("POST", path, body=body).accepted()["status"]["token"]
    return made


def manifests(upstream: AnthropicUpstream, server: ApiServer) -> list[Manifest]:
    cluster = {
        "name": "cluster",
        "issuer": server.url,
        "audience": AUDIENCE,
        "rules": [{"match": {"/kubernetes.io/namespace": BATCH}, "user": "{sub}", "groups": ["batch"]}],
    }
    authority: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cluster-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": server.certificate.read_text()},
    }
    trust = {"allowLoopback": True, "caRef": {"kind": "ConfigMap", "name": "cluster-ca", "key": "ca.crt"}}
    return smallest(upstream.url, authority, identity={"workloads": [cluster]}, egress=trust)


def ask(gateway: Gateway, bearer: str) -> Response:
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {bearer}")]
    return fetch(gateway.port, "POST", "/v1/messages", headers=headers, body=BODY)


def test_a_pod_asks_as_its_service_account(
    gateway: Gateway, upstream: AnthropicUpstream, api_server: ApiServer, accounts: ApiClient
) -> None:
    gateway.load(manifests(upstream, api_server))
    own = token(accounts)
    # The API server takes a moment to know a new binding, and what failed is not asked for again at once.
    answer = eventually(lambda: found if (found := ask(gateway, own)).status != 503 else None, what="the issuer's keys")
    assert answer.status == 200, answer
    line = gateway.audit_of(answer)
    assert (line["auth"], line["workload"]) == ("workload_token", "cluster")
    assert line["sub"] == f"system:serviceaccount:{BATCH}:job"


@pytest.mark.parametrize(
    ("namespace", "audiences", "reason"),
    [
        (OTHERS, (AUDIENCE,), "WorkloadTokenUnmatched"),
        (BATCH, ("https://kubernetes.default.svc",), "WorkloadTokenAudience"),
        (BATCH, ("https://other.corp.example",), "WorkloadTokenAudience"),
    ],
)
def test_another_namespace_and_a_token_for_something_else_are_refused(
    gateway: Gateway,
    upstream: AnthropicUpstream,
    api_server: ApiServer,
    accounts: ApiClient,
    namespace: str,
    audiences: tuple[str, ...],
    reason: str,
) -> None:
    gateway.load(manifests(upstream, api_server))
    other = token(accounts, namespace, *audiences)
    answer = eventually(
        lambda: found if (found := ask(gateway, other)).status != 503 else None, what="the issuer's keys"
    )
    assert answer.status == 401
    assert gateway.audit_of(answer)["reason"] == reason
