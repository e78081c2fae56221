"""What the operator's account may do on a real API server: what it needs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.helm import ACCOUNT, NAMESPACE, RELEASE, Helm
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer

from gateway_operator.children import OPTIONAL_KINDS
from gateway_operator.handlers.children import KINDS
from gateway_operator.kube.resources import ALL_KINDS, CUSTOM_RESOURCE_DEFINITIONS, LEASES

NAMESPACED_ACCOUNT = f"system:serviceaccount:namespaced:{RELEASE}"
OURS = "claude-gateway.dev"
READ = {"get", "list", "watch"}
CHILD = READ | {"create", "patch"}
# Everything, by group and resource, in the namespaces that are looked after. One verb more or less fails a test.
NEEDED: dict[tuple[str, str], set[str]] = {
    (OURS, "gatewaydeployments"): READ,
    (OURS, "providerbindings"): READ,
    (OURS, "gatewaypolicies"): READ,
    (OURS, "gatewaydeployments/status"): {"patch"},
    (OURS, "providerbindings/status"): {"patch"},
    (OURS, "gatewaypolicies/status"): {"patch"},
    ("", "secrets"): CHILD | {"update", "delete"},
    ("", "configmaps"): READ,
    ("", "services"): CHILD | {"delete"},
    ("", "serviceaccounts"): CHILD | {"delete"},
    ("", "persistentvolumeclaims"): CHILD,
    ("apps", "deployments"): CHILD,
    ("policy", "poddisruptionbudgets"): CHILD,
    ("autoscaling", "horizontalpodautoscalers"): CHILD | {"delete"},
    ("networking.k8s.io", "ingresses"): CHILD | {"delete"},
    ("networking.k8s.io", "networkpolicies"): CHILD | {"delete"},
    ("gateway.networking.k8s.io", "httproutes"): CHILD | {"delete"},
    ("monitoring.coreos.com", "servicemonitors"): CHILD,
    ("", "pods"): {"list", "watch", "patch"},
    ("events.k8s.io", "events"): {"create"},
}
NAMESPACES = ("", "namespaces")
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
FORBIDDEN: list[tuple[str, str, str]] = [
    ("create", "", "pods"),
    ("delete", "", "pods"),
    ("update", "", "pods"),
    ("create", "", "pods/exec"),
    ("create", "", "pods/attach"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods/eviction"),
    ("create", "", "pods/binding"),
    ("patch", "", "pods/ephemeralcontainers"),
    ("patch", "", "pods/resize"),
    ("patch", "", "pods/status"),
    ("get", "", "pods/log"),
    ("get", "", "pods/proxy"),
    ("get", "", "services/proxy"),
    ("create", "", "serviceaccounts/token"),
    ("impersonate", "", "serviceaccounts"),
    ("delete", "", "persistentvolumeclaims"),
    ("delete", "apps", "deployments"),
    ("patch", "apps", "deployments/scale"),
    ("create", "apps", "daemonsets"),
    ("create", "batch", "jobs"),
    ("update", "", "configmaps"),
    ("create", "", "configmaps"),
    ("patch", OURS, "gatewaydeployments"),
    ("update", OURS, "gatewaydeployments/finalizers"),
    ("delete", OURS, "gatewaypolicies"),
    ("create", "rbac.authorization.k8s.io", "roles"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("escalate", "rbac.authorization.k8s.io", "roles"),
    ("bind", "rbac.authorization.k8s.io", "roles"),
    ("create", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("patch", "", "nodes"),
    ("get", "", "nodes"),
    ("get", "", "nodes/proxy"),
    ("create", "", "namespaces"),
    ("patch", "", "namespaces"),
    ("get", "", "persistentvolumes"),
    ("get", "apiextensions.k8s.io", "customresourcedefinitions"),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
    ("delete", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("patch", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("approve", "certificates.k8s.io", "signers"),
]


def _may(
    api: ApiClient, user: str, verb: str, group: str, resource: str, *, namespace: str = "", name: str = ""
) -> bool:
    plural, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource, "name": name}
    account_namespace = user.split(":")[2]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{account_namespace}", "system:authenticated"],
            "resourceAttributes": attributes | ({"namespace": namespace} if namespace else {}),
        },
    }
    return bool(api.create(review).accepted()["status"]["allowed"])


def _allowed(api: ApiClient, user: str, namespace: str = "") -> dict[tuple[str, str], set[str]]:
    """Of everything in the table."""
    return {
        (group, resource): {
            verb for verb in VERBS if _may(api, user, verb, group, resource, namespace=namespace, name="x")
        }
        for group, resource in NEEDED
    }


@pytest.fixture
def victim(cluster: ApiServer) -> Iterator[dict[str, Any]]:
    """A pod that a gateway's could be, as far as RBAC knows."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "victim", "namespace": "claude"},
        "spec": {"containers": [{"name": "proxy", "image": "proxy"}]},
    }
    yield cluster.client.create(pod).accepted()
    cluster.client.delete(pod).accepted()


def test_the_table_knows_every_kind_of_the_operator() -> None:
    """A kind that the code learns to handle needs an entry here, and then a rule in the chart."""
    known = {(kind.group, kind.plural) for kind in ALL_KINDS} - {
        (LEASES.group, LEASES.plural),
        (CUSTOM_RESOURCE_DEFINITIONS.group, CUSTOM_RESOURCE_DEFINITIONS.plural),
        NAMESPACES,
    }
    assert known == {key for key in NEEDED if "/" not in key[1]}
    assert all(NEEDED[kind.group, kind.plural] >= CHILD for kind in (*KINDS, *OPTIONAL_KINDS))


def test_in_the_whole_cluster_exactly_the_table(cluster: ApiServer) -> None:
    assert _allowed(cluster.client, ACCOUNT) == NEEDED


def test_in_the_whole_cluster_namespaces_are_read(cluster: ApiServer) -> None:
    assert {verb for verb in VERBS if _may(cluster.client, ACCOUNT, verb, *NAMESPACES)} == READ


@pytest.mark.parametrize("namespace", ["team-a", "team-b"])
def test_in_a_watched_namespace_exactly_the_table(namespace: str, cluster: ApiServer) -> None:
    assert _allowed(cluster.client, NAMESPACED_ACCOUNT, namespace) == NEEDED


@pytest.mark.parametrize("namespace", ["", "claude", "kube-system", "namespaced"])
def test_outside_the_watched_namespaces_nothing(namespace: str, cluster: ApiServer) -> None:
    """The operator's own namespace is outside too; an empty one is the whole cluster."""
    allowed = _allowed(cluster.client, NAMESPACED_ACCOUNT, namespace)
    assert not {key: verbs for key, verbs in allowed.items() if verbs}


def test_of_namespaces_only_the_watched_ones_are_read_by_name(cluster: ApiServer) -> None:
    account = cluster.client_of(NAMESPACED_ACCOUNT)
    assert account.request("GET", "/api/v1/namespaces/team-a").status == 200
    assert account.request("GET", "/api/v1/namespaces/claude").status == 403
    assert account.request("GET", "/api/v1/namespaces").status == 403


@pytest.mark.parametrize(("account", "home"), [(ACCOUNT, NAMESPACE), (NAMESPACED_ACCOUNT, "namespaced")])
def test_its_own_lease_and_no_other(account: str, home: str, cluster: ApiServer) -> None:
    def verbs(namespace: str, name: str) -> set[str]:
        group, plural = LEASES.group, LEASES.plural
        return {
            verb for verb in VERBS if _may(cluster.client, account, verb, group, plural, namespace=namespace, name=name)
        }

    assert verbs(home, RELEASE) == {"get", "create", "update"}
    assert verbs(home, "another") == {"create"}
    assert verbs("kube-node-lease", RELEASE) == set()


@pytest.mark.parametrize("forbidden", FORBIDDEN, ids=" ".join)
def test_what_it_must_not_do_is_refused(forbidden: tuple[str, str, str], cluster: ApiServer) -> None:
    for user, namespace in ((ACCOUNT, ""), (ACCOUNT, NAMESPACE), (ACCOUNT, "claude"), (NAMESPACED_ACCOUNT, "team-a")):
        assert not _may(cluster.client, user, *forbidden, namespace=namespace, name="x"), (user, namespace)


def test_discovery_is_open_to_it(cluster: ApiServer) -> None:
    """kopf scans the served kinds, and the operator compares the CRDs with its own version."""
    account = cluster.client_of(NAMESPACED_ACCOUNT)
    for path in ("/api", "/apis", f"/apis/{OURS}/v1alpha1", f"/openapi/v3/apis/{OURS}/v1alpha1", "/version"):
        assert account.request("GET", path).status == 200, path


def test_the_api_server_refuses_in_fact(victim: dict[str, Any], cluster: ApiServer) -> None:
    """Requests, not reviews, for what would hurt most."""
    account = cluster.client_of(ACCOUNT)
    pod = "/api/v1/namespaces/claude/pods/victim"
    assert account.request("POST", f"{pod}/exec?command=id").status == 403
    assert account.request("DELETE", pod).status == 403
    assert (
        account.request(
            "PATCH", f"{pod}/ephemeralcontainers", body={}, content_type="application/json-patch+json"
        ).status
        == 403
    )
    assert account.request("POST", "/api/v1/namespaces/claude/pods", body=victim).status == 403
    other = cluster.client_of(NAMESPACED_ACCOUNT)
    assert other.request("GET", "/api/v1/namespaces/claude/secrets").status == 403
    assert other.request("GET", "/api/v1/secrets").status == 403
    assert other.request("GET", "/api/v1/namespaces/team-a/secrets").status == 200


def test_namespaced_no_cluster_role_is_made(helm: Helm) -> None:
    made = helm.template({"watch": {"namespaces": ["team-a"]}})
    assert not [each["metadata"]["name"] for each in made if each["kind"].startswith("ClusterRole")]
