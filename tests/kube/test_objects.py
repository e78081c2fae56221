"""Objects are read, made, replaced, patched and deleted, and every refusal has its own error."""

from __future__ import annotations

import pytest
from tests.cluster.api_server import ApiServer
from tests.kube.clients import secret

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.connection import Connection, FixedAccess, tls_context
from gateway_operator.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
)
from gateway_operator.kube.resources import (
    ALL_KINDS,
    CONFIG_MAPS,
    HTTP_ROUTES,
    SECRETS,
    SERVICE_MONITORS,
    ResourceKind,
    kind_of,
)


async def test_a_created_object_is_read_back(client: KubeClient, namespace: str) -> None:
    made = await client.create(secret(namespace, "a", key="value"))
    read = await client.get(SECRETS, namespace, "a")
    assert read == made
    assert read
    assert read["data"] == {"key": "dmFsdWU="}
    assert "managedFields" not in read["metadata"]


async def test_managed_fields_are_there_for_who_asks(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "a"))
    read = await client.get(SECRETS, namespace, "a", managed_fields=True)
    assert read
    assert read["metadata"]["managedFields"][0]["manager"] == "claude-gateway-operator"


async def test_a_missing_object_is_none(client: KubeClient, namespace: str) -> None:
    assert await client.get(SECRETS, namespace, "absent") is None
    assert await client.get(SECRETS, "no-such-namespace", "absent") is None


async def test_a_kind_that_is_not_served_is_no_missing_object(client: KubeClient, namespace: str) -> None:
    with pytest.raises(NotFoundError):
        await client.get(HTTP_ROUTES, namespace, "absent")
    with pytest.raises(NotFoundError):
        await client.list(SERVICE_MONITORS, namespace)


async def test_a_second_creation_is_refused(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "a"))
    with pytest.raises(AlreadyExistsError):
        await client.create(secret(namespace, "a"))


async def test_a_replacement_of_what_has_changed_is_a_conflict(client: KubeClient, namespace: str) -> None:
    made = await client.create(secret(namespace, "a", key="one"))
    await client.replace({**made, "stringData": {"key": "two"}})
    with pytest.raises(ConflictError):
        await client.replace({**made, "stringData": {"key": "three"}})
    read = await client.get(SECRETS, namespace, "a")
    assert read
    assert read["data"] == {"key": "dHdv"}


async def test_a_replacement_needs_a_resource_version(client: KubeClient, namespace: str) -> None:
    with pytest.raises(ValueError, match="resourceVersion"):
        await client.replace(secret(namespace, "a"))


async def test_a_merge_patch_sets_and_removes(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "a", labels={"gone": "x"}, key="value"))
    patched = await client.merge_patch(SECRETS, namespace, "a", {"metadata": {"labels": {"gone": None, "new": "y"}}})
    assert patched["metadata"]["labels"] == {"new": "y"}
    assert patched["data"] == {"key": "dmFsdWU="}
    with pytest.raises(NotFoundError):
        await client.merge_patch(SECRETS, namespace, "absent", {"metadata": {}})


async def test_deleting_says_whether_it_was_there(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "a"))
    assert await client.delete(SECRETS, namespace, "a")
    assert not await client.delete(SECRETS, namespace, "a")


async def test_another_object_of_the_same_name_is_not_deleted(client: KubeClient, namespace: str) -> None:
    first = await client.create(secret(namespace, "a"))
    await client.delete(SECRETS, namespace, "a")
    second = await client.create(secret(namespace, "a"))
    assert not await client.delete(SECRETS, namespace, "a", uid=first["metadata"]["uid"])
    assert await client.delete(SECRETS, namespace, "a", uid=second["metadata"]["uid"])


async def test_an_invalid_object_names_its_field(client: KubeClient, namespace: str) -> None:
    with pytest.raises(InvalidError, match=r"metadata\.name"):
        await client.create(secret(namespace, "Not_A_Name"))


async def test_what_rbac_refuses_is_forbidden(api_server: ApiServer) -> None:
    connection = Connection(server=api_server.url, tls=tls_context(ca_file=api_server.certificate, insecure=False))
    async with KubeClient(FixedAccess(fixed=connection)) as anonymous:
        with pytest.raises(ForbiddenError, match=r"system:anonymous.*cannot list"):
            await anonymous.list(SECRETS)


async def test_errors_and_their_chains_hold_no_secret_value(client: KubeClient, namespace: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await client.create(secret(namespace, "Bad_Name", key="canary-8417"))
    assert "canary-8417" not in str(caught.value)


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.plural)
async def test_every_kind_is_found_by_its_manifest_and_served_under_its_path(
    client: KubeClient, api: object, kind: ResourceKind
) -> None:
    assert kind_of({"apiVersion": kind.api_version, "kind": kind.kind}) is kind
    if kind in {HTTP_ROUTES, SERVICE_MONITORS}:
        assert not await client.serves(kind)
        return
    resources = (await client.raw_get(kind.group_path))["resources"]
    found = [(item["kind"], item["namespaced"]) for item in resources if item["name"] == kind.plural]
    assert found == [(kind.kind, kind.namespaced)]


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="kind: Elephant"):
        kind_of({"apiVersion": "v1", "kind": "Elephant"})


def test_a_namespaced_object_needs_its_namespace() -> None:
    with pytest.raises(ValueError, match="namespace"):
        CONFIG_MAPS.path(None, "a")
    assert CONFIG_MAPS.path() == "/api/v1/configmaps"
    assert CONFIG_MAPS.path("n", "a", "status") == "/api/v1/namespaces/n/configmaps/a/status"


async def test_a_wrong_token_is_unauthorized(api_server: ApiServer) -> None:
    access = FixedAccess(
        fixed=Connection(
            server=api_server.url,
            authorization="Bearer canary-token",
            tls=tls_context(ca_file=api_server.certificate, insecure=False),
        )
    )
    async with KubeClient(access) as client:
        with pytest.raises(UnauthorizedError) as caught:
            await client.list(SECRETS)
    assert "canary-token" not in str(caught.value) + repr(access)
