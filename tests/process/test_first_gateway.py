"""The whole process: what the first example says is there a moment after it was applied, and stays as it is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import new_namespace, running_operator

from gateway_operator.names import service_account

EXAMPLE = Path(__file__).parents[2] / "examples" / "01-smallest" / "gateway.yaml"
CHILDREN = {
    "Deployment": "apps/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}


def manifests(namespace: str) -> list[dict[str, Any]]:
    """The example in a namespace of the test, with the Secret that it refers to."""
    found = [each for each in yaml.safe_load_all(EXAMPLE.read_text()) if each]
    for each in found:
        each["metadata"]["namespace"] = namespace
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "anthropic", "namespace": namespace},
        "stringData": {"api-key": "sk-canary-of-a-test"},
    }
    return [*found, secret]


def conditions(api: ApiClient, manifest: dict[str, Any]) -> dict[str, tuple[str, str]]:
    status = api.read(manifest).get("status", {})
    return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", [])}


def is_there(api: ApiClient, kind: str, namespace: str, name: str) -> bool:
    manifest = {
        "apiVersion": CHILDREN.get(kind, "v1"),
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
    }
    return api.request("GET", api.path_of(manifest)).status == 200


@pytest.fixture
def namespace(api: ApiClient) -> str:
    return new_namespace(api)


def test_the_smallest_gateway_gets_its_children_and_its_conditions(
    api: ApiClient, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    objects = manifests(namespace)
    gateway = next(each for each in objects if each["kind"] == "GatewayDeployment")
    name = gateway["metadata"]["name"]
    with running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        for each in objects:
            api.create(each).accepted()
        for kind in CHILDREN.keys() - {"ServiceAccount"}:
            eventually(lambda kind=kind: is_there(api, kind, namespace, name), within=20, what=f"{kind} {name}")
        account = service_account(name)
        eventually(lambda: is_there(api, "ServiceAccount", namespace, account), within=20, what=account)
        for secret in (f"{name}-config", f"{name}-credentials", f"{name}-signing"):
            eventually(lambda secret=secret: is_there(api, "Secret", namespace, secret), within=20, what=secret)
        for each in objects[:-1]:
            eventually(
                lambda each=each: conditions(api, each).get("Programmed") == ("False", "NoReadyPods"),
                within=20,
                what=f"{each['kind']} says that there are no ready pods",
            )
            said = conditions(api, each)
            assert said["Accepted"][0] == "True", said
            assert said["ResolvedRefs"][0] == "True", said
            assert said["Ready"][0] == "False", said
        assert operator.stop() == 0
        assert "sk-canary-of-a-test" not in operator.log_text
        assert all(line.get("level") in ("info", "warning") for line in operator.log), operator.log_text


def test_a_missing_secret_is_named_and_its_coming_is_noticed(
    api: ApiClient, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    *objects, secret = manifests(namespace)
    binding = next(each for each in objects if each["kind"] == "ProviderBinding")
    for each in objects:
        api.create(each).accepted()
    with running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        eventually(
            lambda: conditions(api, binding).get("ResolvedRefs") == ("False", "SecretNotFound"),
            within=20,
            what="the binding says that its Secret is missing",
        )
        api.create(secret).accepted()
        eventually(
            lambda: conditions(api, binding).get("ResolvedRefs", ("", ""))[0] == "True",
            within=20,
            what="the binding has its Secret",
        )


def test_a_child_that_somebody_deletes_comes_back(
    api: ApiClient, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    objects = manifests(namespace)
    name = objects[0]["metadata"]["name"]
    for each in objects:
        api.create(each).accepted()
    with running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}}
        eventually(lambda: is_there(api, "Service", namespace, name), within=20, what="the Service")
        uid = api.read(service)["metadata"]["uid"]
        api.delete(service).accepted()
        eventually(
            lambda: is_there(api, "Service", namespace, name) and api.read(service)["metadata"]["uid"] != uid,
            within=20,
            what="another Service",
        )
