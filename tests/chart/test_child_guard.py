"""The operator writes nothing but children: no token of a ServiceAccount can be had by its account, by no way round."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.helm import ACCOUNT
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer

from gateway_operator.names import child_labels

OURS = "the operator may write no object but those with the label"
OPAQUE = "the operator may write no Secret but those of type Opaque"
TOKEN = "the operator may run no pods with a token"
NODE = "the operator may run no pods with a way to their node"


def _secret(name: str, *, labels: dict[str, str] | None = None, **members: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "claude", "labels": child_labels("corp") if labels is None else labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata | members.pop("metadata", {}), **members}


def _deployment(container: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    labels = child_labels("corp")
    safe = {"allowPrivilegeEscalation": False}
    containers = [{"name": "proxy", "image": "proxy:1", "securityContext": safe, **(container or {})}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "corp", "namespace": "claude", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"automountServiceAccountToken": False, "containers": containers, **pod},
            },
        },
    }


@pytest.fixture(scope="module")
def account(cluster: ApiServer) -> ApiClient:
    """The operator's, with the policy in force."""
    client = cluster.client_of(ACCOUNT)
    path = "/api/v1/namespaces/claude/secrets"
    probe = _secret("probe", labels={})
    eventually(
        lambda: client.request("POST", path, body=probe, query={"dryRun": "All"}).refusal,
        within=30,
        what="the policy is in force",
    )
    return client


TOKEN_SECRET = {"annotations": {"kubernetes.io/service-account.name": "default"}}


def _token(**members: str) -> dict[str, Any]:
    return {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token", **members}}]}}


BY_TOKEN = _token()
BY_AUDIENCE = _token(audience="https://kubernetes.default.svc")
BY_LIKENESS = _token(audience="https://api.anthropic.com/")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (_secret("mint", metadata=TOKEN_SECRET, type="kubernetes.io/service-account-token"), OPAQUE),
        (_secret("plain", labels={}), OURS),
        (_deployment(automountServiceAccountToken=True), TOKEN),
        (_deployment(automountServiceAccountToken=None), TOKEN),
        (_deployment(volumes=[BY_TOKEN]), TOKEN),
        (_deployment(volumes=[BY_AUDIENCE]), TOKEN),
        (_deployment(volumes=[BY_LIKENESS]), TOKEN),
        (_deployment(volumes=[{"name": "h", "hostPath": {"path": "/"}}]), TOKEN),
        (_deployment(hostNetwork=True), NODE),
        (_deployment(hostPID=True), NODE),
        (_deployment({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}), NODE),
    ],
    ids=lambda value: "" if isinstance(value, str) else value["kind"],
)
def test_what_could_get_a_token_is_refused(manifest: dict[str, Any], message: str, account: ApiClient) -> None:
    refused = account.create(manifest)
    assert refused.status == 422
    assert message in str(refused.refusal)


def test_children_are_written_and_removed(account: ApiClient) -> None:
    for manifest in (_secret("corp-config", type="Opaque"), _secret("corp-untyped"), _deployment()):
        account.create(manifest).accepted()
    for name in ("corp-config", "corp-untyped"):
        account.request("DELETE", f"/api/v1/namespaces/claude/secrets/{name}").accepted()


def test_what_is_somebody_elses_is_not_touched(account: ApiClient, cluster: ApiServer) -> None:
    cluster.client.create(_secret("theirs", labels={"app": "theirs"})).accepted()
    path = "/api/v1/namespaces/claude/secrets/theirs"
    adopted = {"metadata": {"labels": child_labels("corp")}}
    merge = "application/merge-patch+json"
    assert OURS in str(account.request("PATCH", path, body=adopted, content_type=merge).refusal)
    assert OURS in str(account.request("DELETE", path).refusal)
    assert cluster.client.get(path)["metadata"]["labels"] == {"app": "theirs"}
