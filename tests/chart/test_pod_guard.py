"""On pods the operator may write one annotation, on those that it manages; the API server refuses the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.helm import ACCOUNT, RELEASE
from tests.cluster.api_client import MERGE_PATCH, Answer, ApiClient, eventually
from tests.cluster.api_server import ApiServer

from gateway_operator.names import SEQUENCE_ANNOTATION, child_labels

ONLY_THE_ANNOTATION = f"the operator may change nothing on a pod but the annotation {SEQUENCE_ANNOTATION}"
ONLY_THIS_ANNOTATION = f"the operator may write no annotation on a pod but {SEQUENCE_ANNOTATION}"
ONLY_OURS = (
    "the operator may write on no pod but those with the label app.kubernetes.io/managed-by=claude-gateway-operator"
)


def _pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "claude",
            "labels": labels,
            "annotations": {"kubectl.kubernetes.io/default-container": "proxy"},
        },
        "spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]},
    }


@pytest.fixture(scope="module")
def pods(cluster: ApiServer) -> Iterator[ApiClient]:
    """A gateway's pod `corp`, somebody else's pod `other`, and the policy in force."""
    made = [_pod("corp", child_labels("corp")), _pod("other", {"app": "other"})]
    for pod in made:
        cluster.client.create(pod).accepted()
    # A policy takes effect shortly after it was made, on its own schedule.
    probe = {"metadata": {"labels": {"probe": "1"}}}
    account = cluster.client_of(ACCOUNT)
    eventually(lambda: _write(account, probe, dry_run=True).refusal, within=30, what="the policy is in force")
    yield account
    for pod in made:
        cluster.client.delete(pod).accepted()


def _write(client: ApiClient, patch: Any, *, pod: str = "corp", subresource: str = "", dry_run: bool = False) -> Answer:
    path = f"/api/v1/namespaces/claude/pods/{pod}" + (f"/{subresource}" if subresource else "")
    query = {"dryRun": "All"} if dry_run else {}
    return client.request("PATCH", path, body=patch, query=query, content_type=MERGE_PATCH)


def _annotations(values: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"annotations": values}}


def test_the_nudge_is_accepted(pods: ApiClient, cluster: ApiServer) -> None:
    before = cluster.client.get("/api/v1/namespaces/claude/pods/corp")["metadata"]["annotations"]
    for value in ("1", "2", str(time.time_ns())):
        written = _write(pods, _annotations({SEQUENCE_ANNOTATION: value})).accepted()
        assert written["metadata"]["annotations"] == before | {SEQUENCE_ANNOTATION: value}


def test_the_nudge_may_be_taken_back(pods: ApiClient) -> None:
    _write(pods, _annotations({SEQUENCE_ANNOTATION: "1"})).accepted()
    written = _write(pods, _annotations({SEQUENCE_ANNOTATION: None})).accepted()
    assert SEQUENCE_ANNOTATION not in written["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"spec": {"containers": [{"name": "proxy", "image": "evil:1"}]}}, ONLY_THE_ANNOTATION),
        ({"spec": {"activeDeadlineSeconds": 1}}, ONLY_THE_ANNOTATION),
        ({"metadata": {"labels": {"app": "x"}}}, ONLY_THE_ANNOTATION),
        ({"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}, ONLY_THE_ANNOTATION),
        ({"metadata": {"finalizers": ["example.com/hold"]}}, ONLY_THE_ANNOTATION),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}},
            ONLY_THE_ANNOTATION,
        ),
        (_annotations({"example.com/other": "1"}), ONLY_THIS_ANNOTATION),
        (_annotations({SEQUENCE_ANNOTATION: "9", "example.com/other": "1"}), ONLY_THIS_ANNOTATION),
        (_annotations({"kubectl.kubernetes.io/default-container": "other"}), ONLY_THIS_ANNOTATION),
        (_annotations({"kubectl.kubernetes.io/default-container": None}), ONLY_THIS_ANNOTATION),
        ({"metadata": {"annotations": None}}, ONLY_THIS_ANNOTATION),
    ],
    ids=str,
)
def test_everything_else_is_refused(patch: dict[str, Any], message: str, pods: ApiClient, cluster: ApiServer) -> None:
    before = cluster.client.get("/api/v1/namespaces/claude/pods/corp")
    refused = _write(pods, patch)
    assert refused.status == 422
    assert message in str(refused.refusal)
    after = cluster.client.get("/api/v1/namespaces/claude/pods/corp")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_pod_of_somebody_else_is_not_even_nudged(pods: ApiClient) -> None:
    refused = _write(pods, _annotations({SEQUENCE_ANNOTATION: "1"}), pod="other")
    assert refused.status == 422
    assert ONLY_OURS in str(refused.refusal)


def test_it_cannot_make_a_pod_its_own(pods: ApiClient) -> None:
    refused = _write(pods, {"metadata": {"labels": child_labels("corp")}}, pod="other")
    assert ONLY_OURS in str(refused.refusal)


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize", "status"])
def test_no_subresource_is_in_reach(subresource: str, pods: ApiClient) -> None:
    refused = _write(pods, _annotations({SEQUENCE_ANNOTATION: "1"}), subresource=subresource)
    assert refused.status == 403


def test_a_role_that_somebody_adds_does_not_undo_it(pods: ApiClient, cluster: ApiServer) -> None:
    """Even an administrator of the namespace is held to the annotation, when it is this account."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "too-much", "namespace": "claude"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ACCOUNT}],
    }
    cluster.client.create(binding).accepted()
    try:
        container = {"name": "debug", "image": "evil:1"}
        added = eventually(
            lambda: _unless_forbidden_by_rbac(
                _write(pods, {"spec": {"ephemeralContainers": [container]}}, subresource="ephemeralcontainers")
            ),
            within=15,
            what="the added role is in force",
        )
        for refused in (
            added,
            pods.request("DELETE", "/api/v1/namespaces/claude/pods/corp"),
            pods.request("POST", "/api/v1/namespaces/claude/pods", body=_pod("third", child_labels("corp"))),
            pods.request("POST", "/api/v1/namespaces/claude/pods/corp/exec?command=id&stdout=true"),
        ):
            assert "the operator may do nothing with pods but" in str(refused and refused.refusal)
    finally:
        cluster.client.delete(binding).accepted()


def _unless_forbidden_by_rbac(answer: Answer) -> Answer | None:
    return None if answer.status == 403 and "cannot patch resource" in str(answer.refusal) else answer


def test_other_users_are_left_alone(pods: ApiClient, cluster: ApiServer) -> None:
    written = _write(cluster.client, {"metadata": {"labels": {"team": "a"}}}).accepted()
    assert written["metadata"]["labels"]["team"] == "a"
    image = {"spec": {"containers": [{"name": "proxy", "image": "proxy:2"}]}}
    assert _write(cluster.client, image).accepted()["spec"]["containers"][0]["image"] == "proxy:2"


def test_each_release_guards_its_own_account(cluster: ApiServer) -> None:
    for namespace in ("claude-gateway-system", "namespaced"):
        policy = cluster.client.get(
            f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{RELEASE}.{namespace}"
        )
        (condition,) = policy["spec"]["matchConditions"]
        assert f'"system:serviceaccount:{namespace}:{RELEASE}"' in condition["expression"]
