"""`lint`, `render`, `explain`, `models` and `check` of what a cluster holds, in place of a directory."""

import json
from pathlib import Path

import pytest
import yaml
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.local import running
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.requests_seen import Expected

NAMESPACE = "cli-live"
OBJECTS = f"""
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayDeployment
metadata: {{name: corp, namespace: {NAMESPACE}}}
spec: {{publicURL: "https://claude.corp.example"}}
---
apiVersion: claude-gateway.dev/v1alpha1
kind: ProviderBinding
metadata: {{name: anthropic, namespace: {NAMESPACE}}}
spec:
  gatewayRefs: [{{name: corp}}]
  type: Anthropic
  anthropic: {{apiKeySecretRef: {{name: anthropic, key: api-key}}}}
---
apiVersion: claude-gateway.dev/v1alpha1
kind: ProviderBinding
metadata: {{name: forgotten, namespace: {NAMESPACE}}}
spec:
  gatewayRefs: [{{name: corp}}]
  type: Anthropic
  anthropic: {{apiKeySecretRef: {{name: missing, key: api-key}}}}
---
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {{name: everyone, namespace: {NAMESPACE}}}
spec:
  gatewayRefs: [{{name: corp}}]
  availableModels: [claude-haiku-5-5]
---
apiVersion: v1
kind: Secret
metadata: {{name: anthropic, namespace: {NAMESPACE}}}
stringData: {{api-key: sk-canary-value}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader, namespace: {NAMESPACE}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {NAMESPACE}}}
rules: [{{apiGroups: [claude-gateway.dev], resources: ["*"], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {NAMESPACE}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: {NAMESPACE}}}]
"""


@pytest.fixture(scope="module", autouse=True)
def cluster(api: ApiClient) -> None:
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).accepted()
    for manifest in yaml.safe_load_all(OBJECTS):
        api.create(manifest).accepted()


@pytest.fixture
def where(api_server: ApiServer) -> tuple[str, ...]:
    return ("--kubeconfig", str(api_server.kubeconfig), "-n", NAMESPACE)


def test_lint(where: tuple[str, ...]) -> None:
    result = running.run("lint", *where, "-o", "json")
    assert result.returncode == 1, result.stderr
    findings = json.loads(result.stdout)["findings"]
    errors = [
        (each["kind"], each["name"], each["reason"], each["field"]) for each in findings if each["severity"] == "Error"
    ]
    assert errors == [("ProviderBinding", "forgotten", "SecretNotFound", "spec.anthropic.apiKeySecretRef")]


def test_models(where: tuple[str, ...]) -> None:
    result = running.run("models", *where, "-o", "json")
    assert result.returncode == 0, result.stderr
    names = [binding["name"] for binding in json.loads(result.stdout)["bindings"]]
    assert f"{NAMESPACE}/anthropic" in names


def test_explain(where: tuple[str, ...]) -> None:
    result = running.run("explain", *where, "--user", "alice@corp.example", "--model", "claude-opus-5-5")
    assert result.returncode == 0, result.stderr
    assert f"models    1  from {NAMESPACE}/everyone\n" in result.stdout
    assert 'refused: model "claude-opus-5-5" is not open to you on this gateway' in result.stdout


def test_render_shows_the_children_and_no_secret(where: tuple[str, ...]) -> None:
    result = running.run("render", *where)
    assert result.returncode == 0, result.stderr
    kinds = [document["kind"] for document in yaml.safe_load_all(result.stdout) if "kind" in document]
    assert {"Deployment", "Service", "Secret", "PodDisruptionBudget"} <= set(kinds)
    assert "sk-canary-value" not in result.stdout + result.stderr


def test_who_may_not_read_secrets_gets_the_rest(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/reader/token"
    token = api.request("POST", path, body=request).accepted()["status"]["token"]
    config = yaml.safe_load(api_server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    result = running.run("lint", "--kubeconfig", str(kubeconfig), "-n", NAMESPACE)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Secret cli-live/anthropic does not exist where you may look (you may not read Secrets)" in result.stdout
    everywhere = running.run("lint", "--kubeconfig", str(kubeconfig), "-A")
    assert everywhere.returncode == 2
    assert "error: the cluster cannot be read: " in everywhere.stderr


def test_one_namespace_and_all_of_them_exclude_each_other(where: tuple[str, ...]) -> None:
    for command in (["lint"], ["status"]):
        result = running.run(*command, *where, "-A")
        assert result.returncode == 2
        assert result.stderr.startswith(f"error: --namespace {NAMESPACE} or --all-namespaces, not both")


def test_a_directory_and_a_cluster_exclude_each_other(where: tuple[str, ...]) -> None:
    for command in (["lint", "examples/01-smallest"], ["explain", "examples/01-smallest", "--user", "alice"]):
        result = running.run(*command, *where)
        assert result.returncode == 2
        assert result.stderr == "error: examples/01-smallest or a cluster, not both: leave out one of the two\n"


def test_check_takes_what_the_cluster_holds(api: ApiClient, where: tuple[str, ...]) -> None:
    with AnthropicUpstream(credentials=[Expected.api_key("sk-canary-value")]) as upstream:
        patch = {"spec": {"anthropic": {"baseURL": upstream.url}}}
        path = f"/apis/claude-gateway.dev/v1alpha1/namespaces/{NAMESPACE}"
        merge = "application/merge-patch+json"
        api.request("PATCH", f"{path}/providerbindings/anthropic", body=patch, content_type=merge).accepted()
        egress = {"spec": {"egress": {"allowLoopback": True}}}
        api.request("PATCH", f"{path}/gatewaydeployments/corp", body=egress, content_type=merge).accepted()
        result = running.run("check", *where, "-o", "json")
        assert result.returncode == 1, result.stderr
        assert "sk-canary-value" not in result.stdout + result.stderr
        good, missing = json.loads(result.stdout)["bindings"]
        assert (good["name"], good["failed"]) == (f"{NAMESPACE}/anthropic", False)
        assert upstream.problems == []
        assert "Secret cli-live/missing does not exist" in missing["problem"]["message"]
        assert missing["problem"]["wayOut"] == "make the Secret in the namespace cli-live, or name another one"
