"""What belongs to somebody else is left alone, also where its name is the one that a gateway's child would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cluster.api_client import MERGE_PATCH, ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import WITHIN, Example, Manifest, as_operator
from tests.control_plane.operator_process import new_namespace, running_operator

from gateway_operator.kube.resources import SERVICES


def _owner(api: ApiClient, namespace: str) -> dict[str, Any]:
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "other", "namespace": namespace},
    }
    uid = api.create(manifest).accepted()["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": uid, "controller": True}


def _patch(api: ApiClient, manifest: Manifest, change: Manifest) -> Manifest:
    answer = api.request("PATCH", api.path_of(manifest), body=change, content_type=MERGE_PATCH)
    found: Manifest = answer.accepted()
    return found


def test_a_child_that_another_owner_adopted_is_left_alone(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    namespace = new_namespace(api, "owned")
    example = Example(api, namespace).create()
    with running_operator(as_operator(control_plane), folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        example.wait_for_children()
        service = example.child(SERVICES)

        ports = [{"name": "other", "port": 81, "protocol": "TCP", "targetPort": 81}]
        change = {"metadata": {"ownerReferences": [_owner(api, namespace)]}, "spec": {"ports": ports}}
        adopted = _patch(api, service, change)

        example.wait_for(example.gateway, "Accepted", ("False", "NameTaken"))
        message = next(
            each["message"] for each in api.read(example.gateway)["status"]["conditions"] if each["type"] == "Accepted"
        )
        assert f"Service {namespace}/corp" in message
        assert api.read(service)["metadata"]["resourceVersion"] == adopted["metadata"]["resourceVersion"]

        api.delete(service).accepted()  # the way out that the message names
        example.wait_for(example.gateway, "Accepted", ("True", "Accepted"), within=60)
        assert api.read(service)["spec"]["ports"] != ports


def test_a_gateway_made_anew_under_its_name_gets_children_of_its_own(control_plane: ApiServer, tmp_path: Path) -> None:
    """For a moment its children's names are those of the one before, which the garbage collector has not reached."""
    api = control_plane.client
    namespace = new_namespace(api, "owned")
    example = Example(api, namespace).create()
    with running_operator(as_operator(control_plane), folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        example.wait_for_children()
        before = api.read(example.gateway)["metadata"]["uid"]
        old = example.uids()

        api.delete(example.gateway).accepted()
        after = api.create(example.gateway).accepted()["metadata"]["uid"]
        assert after != before

        def owners() -> dict[str, str]:
            lives = {name: example.live(child) for name, child in example.children.items()}
            return {
                name: live["metadata"]["ownerReferences"][0]["uid"]
                for name, live in lives.items()
                if live and live["metadata"].get("ownerReferences")
            }

        eventually(lambda: set(owners().values()) == {after}, within=60, what="no child of the one before is left")
        example.wait_for_children(within=60)
        assert not set(old.values()) & set(example.uids().values()), "none was taken over"
        example.wait_for(example.gateway, "Accepted", ("True", "Accepted"), within=WITHIN)
