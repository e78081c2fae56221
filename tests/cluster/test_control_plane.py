"""The fixture `control_plane` collects owned objects, makes pods of Deployments, and counts who writes what."""

from __future__ import annotations

from typing import Any

from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ADMIN, ApiServer
from tests.cluster.audit_log import counted

from gateway_operator.api.v1alpha1 import GROUP, VERSION


def _namespace(api: ApiClient, name: str) -> str:
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).accepted()
    return name


def test_what_a_custom_resource_owns_is_collected_after_it(control_plane: ApiServer) -> None:
    api = control_plane.client
    namespace = _namespace(api, "collected")
    gateway: dict[str, Any] = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "GatewayDeployment",
        "metadata": {"name": "corp", "namespace": namespace},
        "spec": {"publicURL": "https://claude.corp.example"},
    }
    uid = api.create(gateway).accepted()["metadata"]["uid"]
    owner = {"apiVersion": gateway["apiVersion"], "kind": gateway["kind"], "name": "corp", "uid": uid}
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "child", "namespace": namespace, "ownerReferences": [owner]},
    }
    api.create(child).accepted()
    api.delete(gateway).accepted()
    eventually(
        lambda: api.request("GET", api.path_of(child)).status == 404, within=40, what="the owned object is collected"
    )


def test_a_deployment_makes_pods(control_plane: ApiServer) -> None:
    api = control_plane.client
    namespace = _namespace(api, "deployed")
    labels = {"app": "lamp"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "lamp", "image": "lamp"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "lamp", "namespace": namespace},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod},
    }
    api.create(deployment).accepted()
    pods = f"/api/v1/namespaces/{namespace}/pods"
    eventually(lambda: len(api.get(pods)["items"]) == 2, within=40, what="the Deployment's pods are there")


def test_writes_are_counted_by_user_verb_and_resource(control_plane: ApiServer) -> None:
    log = control_plane.audit_log
    log.skip()
    api = control_plane.client
    _namespace(api, "counted")
    api.get("/api/v1/namespaces/counted")
    assert api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": "counted"}}).status == 409
    writes = log.writes(user=ADMIN)
    assert counted(writes) == {"create namespaces": 2}
    assert [(each.name, each.code) for each in writes] == [("counted", 201), ("counted", 409)]
    assert not log.writes(user=ADMIN), "each is told once"
