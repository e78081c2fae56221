"""Server-side apply: one field manager, which takes over what it names and leaves alone what others own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cluster.api_client import ApiClient

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import ConflictError, InvalidError, NotFoundError
from gateway_operator.kube.resources import CONFIG_MAPS, GATEWAY_DEPLOYMENTS


def _config_map(namespace: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace},
        "data": data,
    }


async def test_a_missing_object_is_made_and_a_second_apply_changes_nothing(client: KubeClient, namespace: str) -> None:
    first = await client.apply(_config_map(namespace, key="value"))
    second = await client.apply(_config_map(namespace, key="value"))
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_fields_no_longer_named_go_and_those_of_others_stay(
    client: KubeClient, api: ApiClient, namespace: str
) -> None:
    await client.apply(_config_map(namespace, ours="1", dropped="1"))
    api.apply(_config_map(namespace, theirs="1"), manager="someone").accepted()
    applied = await client.apply(_config_map(namespace, ours="2"))
    assert applied["data"] == {"ours": "2", "theirs": "1"}


async def test_a_field_that_someone_else_changed_is_taken_back(
    client: KubeClient, api: ApiClient, namespace: str
) -> None:
    await client.apply(_config_map(namespace, key="ours"))
    api.apply(_config_map(namespace, key="theirs"), manager="someone").accepted()
    assert (await client.apply(_config_map(namespace, key="ours")))["data"] == {"key": "ours"}
    read = await client.get(CONFIG_MAPS, namespace, "a", managed_fields=True)
    assert read
    owners = [entry["manager"] for entry in read["metadata"]["managedFields"] if "f:data" in entry["fieldsV1"]]
    assert owners == ["claude-gateway-operator"]


async def test_with_a_uid_a_deleted_object_is_not_made_again(client: KubeClient, namespace: str) -> None:
    made = await client.apply(_config_map(namespace, key="value"))
    await client.delete(CONFIG_MAPS, namespace, "a")
    manifest = _config_map(namespace, key="value")
    manifest["metadata"]["uid"] = made["metadata"]["uid"]
    with pytest.raises(ConflictError):
        await client.apply(manifest)
    assert await client.get(CONFIG_MAPS, namespace, "a") is None


async def test_a_status_is_applied_apart_from_the_spec(client: KubeClient, api: ApiClient, namespace: str) -> None:
    gateway = {
        "apiVersion": "claude-gateway.dev/v1alpha1",
        "kind": "GatewayDeployment",
        "metadata": {"name": "g", "namespace": namespace},
    }
    status = {**gateway, "status": {"url": "https://gateway.example.com"}}
    with pytest.raises(NotFoundError):
        await client.apply(status, subresource="status")
    api.create({**gateway, "spec": {"publicURL": "https://gateway.example.com"}}).accepted()
    applied = await client.apply(status, subresource="status")
    assert applied["status"]["url"] == "https://gateway.example.com"
    assert applied["metadata"]["generation"] == 1
    read = await client.get(GATEWAY_DEPLOYMENTS, namespace, "g")
    assert read
    assert read["spec"] == applied["spec"]


async def test_an_unknown_field_is_the_manifest_at_fault(client: KubeClient, namespace: str) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "typo", "namespace": namespace},
        "spec": {"ports": [{"port": 80, "nmae": "http"}]},
    }
    with pytest.raises(InvalidError, match="nmae"):
        await client.apply(manifest)
