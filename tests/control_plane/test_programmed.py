"""From `kubectl apply` to Programmed on every kind: the operator as a process, pods with real proxies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.control_plane.pods import Kubelet, kubelet

from gateway_operator.kube.resources import GROUP

KINDS = ("gatewaydeployments", "providerbindings", "gatewaypolicies")
REFS = {"gatewayRefs": [{"name": "corp"}]}


@pytest.fixture
def namespace(api: ApiClient) -> str:
    return new_namespace(api)


@pytest.fixture
def operator(api_server: ApiServer, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    with running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as running:
        running.wait_until_synced()
        yield running


@pytest.fixture
def node(api_server: ApiServer, tmp_path: Path) -> Iterator[Kubelet]:
    with kubelet(api_server, folder=tmp_path) as running:
        yield running


def manifest(kind: str, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def smallest(api: ApiClient, namespace: str) -> None:
    secret = {"namespace": namespace, "name": "anthropic"}
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"api-key": "sk-1"}}).accepted()
    reference = {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}
    for each in (
        manifest("GatewayDeployment", namespace, "corp", publicURL="https://claude.corp.example"),
        manifest("ProviderBinding", namespace, "anthropic", type="Anthropic", anthropic=reference, **REFS),
        manifest("GatewayPolicy", namespace, "everyone", availableModels=["claude-sonnet-5-5"], **REFS),
    ):
        api.apply(each).accepted()


def reasons(api: ApiClient, namespace: str, condition: str) -> dict[str, str]:
    """Of every object, the reason of a condition that speaks of its newest generation."""
    found = {}
    for kind in KINDS:
        for item in api.get(f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{kind}")["items"]:
            for each in item["status"]["conditions"]:
                if each["type"] == condition and each.get("observedGeneration") == item["metadata"]["generation"]:
                    found[item["metadata"]["name"]] = each["reason"]
    return found


def until(api: ApiClient, namespace: str, condition: str, **wanted: str) -> None:
    def look() -> bool:
        return reasons(api, namespace, condition).items() >= wanted.items()

    try:
        eventually(look, within=20, what=f"{condition} for {wanted}")
    except TimeoutError as error:
        raise TimeoutError(f"{error}; {reasons(api, namespace, condition)}") from None


def versions(api: ApiClient, namespace: str) -> dict[str, str]:
    paths = [f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{kind}" for kind in KINDS]
    items = [item for path in paths for item in api.get(path)["items"]]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def test_apply_pods_edit_restart(api: ApiClient, namespace: str, operator: OperatorProcess, node: Kubelet) -> None:
    smallest(api, namespace)
    until(api, namespace, "Ready", corp="NoReadyPods", anthropic="NoReadyPods", everyone="NoReadyPods")

    pods = node.run_real(namespace, "corp", count=2)
    until(api, namespace, "Ready", corp="Ready", anthropic="Ready", everyone="Ready")

    edited = manifest("GatewayPolicy", namespace, "everyone", availableModels=["claude-haiku-5-5"], **REFS)
    before = versions(api, namespace)
    api.apply(edited).accepted()
    until(api, namespace, "Programmed", everyone="Programmed")
    assert versions(api, namespace)["anthropic"] == before["anthropic"]
    assert all(pod.nudges for pod in pods)

    eventually(partial(_steady, api, namespace), within=20, what="no more writes")
    settled = versions(api, namespace)
    operator.kill()
    operator.start()
    operator.wait_until_synced()
    assert versions(api, namespace) == settled


def test_an_operator_that_was_away_sees_what_the_pods_did_meanwhile(
    api: ApiClient, namespace: str, operator: OperatorProcess, node: Kubelet
) -> None:
    smallest(api, namespace)
    first, second = node.run(namespace, "corp", count=2)
    until(api, namespace, "Ready", corp="Ready", everyone="Ready")
    operator.kill()
    second.crash_loop()
    first.set_ready(False)
    operator.start()
    until(api, namespace, "Programmed", corp="NoReadyPods", everyone="NoReadyPods")


def _steady(api: ApiClient, namespace: str) -> bool:
    """Nothing is written while one looks a few times."""
    seen = [versions(api, namespace) for _ in range(20)]
    return all(each == seen[0] for each in seen)
