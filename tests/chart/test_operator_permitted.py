"""The operator itself, as its account, with the chart's rights and no others: it works, and asks for nothing more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.helm import RELEASE, Helm, only
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "01-smallest" / "gateway.yaml"
GATEWAYS = "/apis/claude-gateway.dev/v1alpha1"
CASES = [("claude-gateway-system", "claude", {}), ("namespaced", "team-a", {"namespaces": ["team-a", "team-b"]})]


def _kubeconfig(cluster: ApiServer, namespace: str, folder: Path) -> Path:
    """With a token of the release's account, as the kubelet would mount it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{RELEASE}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = cluster.client.request("POST", path, body=request).accepted()["status"]["token"]
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    config["contexts"][0]["context"]["namespace"] = namespace
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


def _environment(helm: Helm, namespace: str, watch: dict[str, Any]) -> dict[str, str]:
    """What the chart tells the container; where Kubernetes fills in a field of the pod, what it would be."""
    made = helm.template({"crds": {"enabled": False}, "watch": watch}, namespace=namespace)
    (container,) = only(made, "Deployment")["spec"]["template"]["spec"]["containers"]
    fields = {"metadata.name": "operator-0", "metadata.namespace": namespace}
    return {
        each["name"]: each["value"] if "value" in each else fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container["env"]
    }


@contextmanager
def _running(environment: dict[str, str], kubeconfig: Path, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "gateway_operator.cli.main", "operator", "--kubeconfig", str(kubeconfig)]
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "--listen", "127.0.0.1:0"], env=environment, stderr=output) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0, log.read_text()[-3000:]


def _reason(api: ApiClient, namespace: str) -> str:
    """Why the gateway is not programmed."""
    gateway = api.get(f"{GATEWAYS}/namespaces/{namespace}/gatewaydeployments/corp")
    conditions = {each["type"]: each for each in gateway["status"]["conditions"]}
    return str(conditions["Programmed"]["reason"])


@pytest.mark.parametrize(("home", "namespace", "watch"), CASES, ids=["cluster", "list"])
def test_it_works_with_these_rights(
    home: str, namespace: str, watch: dict[str, Any], cluster: ApiServer, helm: Helm, tmp_path: Path
) -> None:
    api = cluster.client
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "anthropic", "namespace": namespace},
        "stringData": {"api-key": "sk-ant-canary"},
    }
    manifests = [secret, *yaml.safe_load_all(EXAMPLE.read_text())]
    for manifest in manifests:
        manifest["metadata"]["namespace"] = namespace
        if manifest["kind"] == "GatewayDeployment":
            selector = {"from": "Selector", "selector": {"matchLabels": {"gateways": "yes"}}}
            manifest["spec"]["allowedPolicies"] = {"namespaces": selector}
        api.apply(manifest).accepted()
    log = tmp_path / "log"
    environment = _environment(helm, home, watch)
    with _running(environment, _kubeconfig(cluster, home, tmp_path), log):
        try:
            # There is no kubelet, so no pod: further than that it cannot get.
            eventually(lambda: _reason(api, namespace) == "NoReadyPods", within=60, what="the gateway is looked at")
            for path in ("/api/v1", "/apis/apps/v1"):
                plural = "services" if path == "/api/v1" else "deployments"
                assert api.request("GET", f"{path}/namespaces/{namespace}/{plural}/corp").status == 200
        except BaseException as error:
            error.add_note(log.read_text()[-5000:])
            raise
    for manifest in manifests:
        api.delete(manifest).accepted()
    assert not [line for line in log.read_text().splitlines() if "forbidden" in line.lower()]
    assert "canary" not in log.read_text()
