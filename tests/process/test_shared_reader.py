"""A resync reads each kind once for all gateways, and asks the API server whatever its lists cannot answer."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import DEPLOYMENTS, GATEWAY_POLICIES, SECRETS, SERVICES, ResourceKind
from gateway_operator.shared_lists import SharedReader

MANAGED = "app.kubernetes.io/managed-by=claude-gateway-operator"


Objects: TypeAlias = list[dict[str, Any]]


class Server:
    """Knows some objects, and remembers what it was asked."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects
        self.asked: list[str] = []
        self.away = False

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> dict[str, Any] | None:
        self.asked.append(f"get {kind.kind} {namespace}/{name}")
        return next((each for each in self._of(kind, namespace) if each["metadata"]["name"] == name), None)

    async def list(self, kind: ResourceKind, namespace: str | None = None, **selection: Any) -> Objects:
        self.asked.append(f"list {kind.kind} {namespace or 'everywhere'}")
        if self.away:
            raise UnavailableError("away")
        return self._of(kind, namespace)

    async def kept(
        self, kind: ResourceKind, namespace: str | None = None, *, keep: Callable[[dict[str, Any]], Any], **_: Any
    ) -> Objects:
        return [keep(item) for item in await self.list(kind, namespace)]

    def _of(self, kind: ResourceKind, namespace: str | None) -> Objects:
        return [
            each
            for each in self.objects
            if each["kind"] == kind.kind and namespace in (None, each["metadata"]["namespace"])
        ]


def an(kind: str, name: str, *, namespace: str = "claude", labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name, "labels": labels or {}}}


def child(kind: str, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "claude-gateway-operator", "claude-gateway.dev/gateway": name}
    return an(kind, name, labels=labels)


async def test_what_was_listed_is_not_asked_for_again() -> None:
    server = Server(an("GatewayPolicy", "one"), an("GatewayPolicy", "two", namespace="lab"))
    reader = SharedReader(server, scopes=(None,))
    assert await reader.load(GATEWAY_POLICIES) == 2
    server.asked.clear()
    found = await reader.get(GATEWAY_POLICIES, "claude", "one")
    assert found is not None
    assert await reader.get(GATEWAY_POLICIES, "claude", "none") is None
    assert len(await reader.list(GATEWAY_POLICIES)) == 2
    assert [each["metadata"]["name"] for each in await reader.list(GATEWAY_POLICIES, "lab")] == ["two"]
    assert server.asked == []


async def test_a_missing_child_is_looked_for_on_the_server_for_its_name_may_be_anothers() -> None:
    foreign = an("Deployment", "corp")
    server = Server(child("Deployment", "lab"))
    reader = SharedReader(server, scopes=(None,))
    await reader.load(DEPLOYMENTS, labels=MANAGED)
    server.objects = (*server.objects, foreign)
    server.asked.clear()
    assert await reader.get(DEPLOYMENTS, "claude", "lab") is not None
    assert server.asked == []
    assert await reader.get(DEPLOYMENTS, "claude", "corp") is foreign
    assert server.asked == ["get Deployment claude/corp"]


async def test_children_of_one_gateway_come_from_the_list_of_all_children() -> None:
    server = Server(child("Service", "corp"), child("Service", "lab"))
    reader = SharedReader(server, scopes=(None,))
    await reader.load(SERVICES, labels=MANAGED)
    server.asked.clear()
    found = await reader.list(SERVICES, "claude", labels=f"{MANAGED},claude-gateway.dev/gateway=lab")
    assert [each["metadata"]["name"] for each in found] == ["lab"]
    assert server.asked == []
    await reader.list(SERVICES, "claude")
    assert server.asked == ["list Service claude"], "others' Services are in no list of ours"


@pytest.mark.parametrize("selection", [{"fields": "type=x"}, {"labels": "team in (a, b)"}, {"labels": "team!=a"}])
async def test_selections_that_the_lists_do_not_know_go_to_the_server(selection: dict[str, str]) -> None:
    server = Server(an("GatewayPolicy", "one"))
    reader = SharedReader(server, scopes=(None,))
    await reader.load(GATEWAY_POLICIES)
    await reader.list(GATEWAY_POLICIES, "claude", **selection)
    assert server.asked[-1] == "list GatewayPolicy claude"
    await reader.get(SECRETS, "claude", "anthropic")
    assert server.asked[-1] == "get Secret claude/anthropic"


async def test_namespaces_beyond_the_scope_go_to_the_server() -> None:
    server = Server(an("GatewayPolicy", "one"), an("GatewayPolicy", "two", namespace="lab"))
    reader = SharedReader(server, scopes=("claude",))
    await reader.load(GATEWAY_POLICIES)
    assert server.asked == ["list GatewayPolicy claude"]
    assert await reader.get(GATEWAY_POLICIES, "lab", "two") is not None
    assert server.asked[-1] == "get GatewayPolicy lab/two"


async def test_a_list_that_fails_leaves_nothing_behind() -> None:
    server = Server(an("GatewayPolicy", "one"))
    server.away = True
    reader = SharedReader(server, scopes=(None,))
    with pytest.raises(UnavailableError):
        await reader.load(GATEWAY_POLICIES)
    server.away = False
    assert await reader.get(GATEWAY_POLICIES, "claude", "one") is not None


async def test_metadata_of_secrets_answers_for_metadata_alone() -> None:
    server = Server(child("Secret", "corp"))
    reader = SharedReader(server, scopes=(None,))
    await reader.load(SECRETS, labels=MANAGED, metadata_only=True)
    server.asked.clear()
    corp = f"{MANAGED},claude-gateway.dev/gateway=corp"
    found = await reader.list(SECRETS, "claude", labels=corp, metadata_only=True)
    assert [each["metadata"]["name"] for each in found] == ["corp"]
    assert server.asked == []
    await reader.get(SECRETS, "claude", "corp")
    await reader.list(SECRETS, "claude", labels=MANAGED)
    assert server.asked == ["get Secret claude/corp", "list Secret claude"]
