"""`claude-gateway status`: a cluster's gateways at a glance."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.local import running

NAMESPACE = "cli-status"
REVISION = "sha256:" + "1f40c2a9" * 8
GROUP = "claude-gateway.dev/v1alpha1"


def _conditions(**failing: tuple[str, str]) -> list[dict[str, Any]]:
    """All four; those named are False, for this reason and with this message."""
    return [
        {
            "type": kind,
            "status": "False" if kind in failing else "True",
            "reason": failing.get(kind, (kind, ""))[0],
            "message": failing.get(kind, (kind, ""))[1],
            "lastTransitionTime": "2027-01-31T12:00:00Z",
        }
        for kind in ("Accepted", "ResolvedRefs", "Programmed", "Ready")
    ]


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def _with_status(api: ApiClient, manifest: dict[str, Any], status: dict[str, Any]) -> None:
    api.create(manifest).accepted()
    written = {key: manifest[key] for key in ("apiVersion", "kind", "metadata")} | {"status": status}
    api.apply(written, subresource="status").accepted()


@pytest.fixture(scope="module", autouse=True)
def cluster(api: ApiClient) -> None:
    """A gateway `well` that is Ready, and a gateway `ill` whose binding lacks its Secret."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).accepted()
    counts = {"revision": REVISION, "replicas": 2, "readyReplicas": 2, "programmedReplicas": 2}
    well = _object("GatewayDeployment", "well", {"publicURL": "https://claude.corp.example"})
    _with_status(api, well, {"url": "https://claude.corp.example", "conditions": _conditions(), **counts})
    ill = _object("GatewayDeployment", "ill", {"publicURL": "https://other.corp.example"})
    no_pods = ("NoReadyPods", "no pod is ready")
    _with_status(api, ill, {"conditions": _conditions(Programmed=no_pods, Ready=no_pods)})
    for name, gateway in (("good", "well"), ("bad", "ill")):
        spec = {
            "gatewayRefs": [{"name": gateway}],
            "type": "Anthropic",
            "anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}},
        }
        missing = ("SecretNotFound", "spec.anthropic.apiKeySecretRef: Secret cli-status/anthropic does not exist")
        conditions = _conditions(ResolvedRefs=missing, Ready=missing) if name == "bad" else _conditions()
        report = {"namespace": NAMESPACE, "name": gateway, "conditions": conditions}
        _with_status(api, _object("ProviderBinding", name, spec), {"conditions": conditions, "gateways": [report]})
    for number in range(13):
        policy = _object("GatewayPolicy", f"policy-{number:02}", {"gatewayRefs": [{"name": "well"}]})
        _with_status(api, policy, {"conditions": _conditions()})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "ill-7c9",
            "namespace": NAMESPACE,
            "labels": {
                "claude-gateway.dev/gateway": "ill",
                "app.kubernetes.io/managed-by": "claude-gateway-operator",
            },
        },
        "spec": {"containers": [{"name": "proxy", "image": "proxy"}]},
    }
    api.create(pod).accepted()
    waiting = {
        "name": "proxy", "image": "proxy", "imageID": "", "ready": False, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }  # fmt: skip
    api.apply(
        {**{key: pod[key] for key in ("apiVersion", "kind", "metadata")}, "status": {"containerStatuses": [waiting]}},
        subresource="status",
    ).accepted()
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "ill.1", "namespace": NAMESPACE},
        "eventTime": "2027-01-31T12:00:00.000000Z",
        "type": "Warning",
        "reason": "NoReadyPods",
        "action": "Observe",
        "note": "no pod is ready",
        "reportingController": "claude-gateway-operator",
        "reportingInstance": "test",
        "regarding": {
            "apiVersion": GROUP, "kind": "GatewayDeployment", "name": "ill", "namespace": NAMESPACE,
        },
    }  # fmt: skip
    api.create(event).accepted()


@pytest.fixture
def where(api_server: ApiServer) -> tuple[str, ...]:
    return ("--kubeconfig", str(api_server.kubeconfig), "--namespace", NAMESPACE)


def test_a_gateway_that_is_ready(where: tuple[str, ...]) -> None:
    result = running.run("status", "well", *where)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("cli-status/well  Ready  https://claude.corp.example\n")
    assert "sha256:1f40c2a91f40, 2/2 pods ready, 2 programmed" in result.stdout
    assert "cli-status/good  Anthropic" in result.stdout
    assert "policy-09" in result.stdout
    assert "policy-10" not in result.stdout
    assert "and 3 more that are Ready" in result.stdout


def test_a_gateway_that_is_not_ready_says_why(where: tuple[str, ...]) -> None:
    result = running.run("status", "ill", *where)
    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith("cli-status/ill  Not ready  ")
    assert "Programmed      False   NoReadyPods: no pod is ready" in result.stdout
    assert "CrashLoopBackOff  4" in result.stdout
    assert "SecretNotFound: spec.anthropic.apiKeySecretRef: Secret cli-status/anthropic does not exist" in result.stdout
    assert "GatewayDeployment/ill" in result.stdout


def test_json_of_several_gateways(where: tuple[str, ...]) -> None:
    result = running.run("status", *where, "-o", "json")
    assert result.returncode == 1
    gateways = {each["name"]: each for each in json.loads(result.stdout)["gateways"]}
    assert gateways["well"]["ready"]
    assert not gateways["ill"]["ready"]
    assert gateways["ill"]["pods"][0]["state"] == "CrashLoopBackOff"
    assert len(gateways["well"]["policies"]) == 13


def test_a_gateway_that_is_not_there(where: tuple[str, ...]) -> None:
    result = running.run("status", "nobody", *where)
    assert result.returncode == 2
    assert (
        result.stderr == "error: there is no GatewayDeployment nobody in namespace cli-status; see --namespace and -A\n"
    )


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        """\
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: test, context: {cluster: test, user: nobody}}]
users: [{name: nobody, user: {}}]
current-context: test
"""
    )
    result = running.run("status", "--kubeconfig", str(kubeconfig))
    assert result.returncode == 2
    assert result.stderr.startswith("error: the cluster cannot be read: ")
    missing = running.run("status", "--kubeconfig", str(tmp_path / "none"))
    assert missing.returncode == 2
    assert len(running.lines_of(missing.stderr)) == 1
