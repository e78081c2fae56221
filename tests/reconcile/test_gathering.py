"""What is read for a gateway: all that counts, and no value besides."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.reconcile import world

from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.client import Object
from gateway_operator.kube.errors import ForbiddenError, UnavailableError
from gateway_operator.kube.resources import NAMESPACES, ResourceKind
from gateway_operator.reconcile.fetch import Gathered, confirm_missing, gather, references

GOOGLE = {"serviceAccountSecretRef": {"name": "google"}, "adminEmail": "a@corp.example"}
CORP = ObjectRef("GatewayDeployment", "claude", "corp")


class FakeReader:
    """Objects in memory. Every read is noted."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = [_live(item) for item in objects]
        self.reads: list[str] = []
        self.forbidden: set[ResourceKind] = set()

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
        self.reads.append(f"get {kind.kind} {namespace or ''}/{name}")
        where = (kind.kind, namespace or "", name)
        return next((item for item in self.objects if _place(item) == where), None)

    async def list(self, kind: ResourceKind, namespace: str | None = None, **selection: Any) -> list[Object]:
        self.reads.append(f"list {kind.kind} {namespace or '*'}")
        if kind in self.forbidden:
            raise ForbiddenError("no", status=403)
        wanted = selection.get("fields", "").removeprefix("type=")
        return [
            item
            for item in self.objects
            if item["kind"] == kind.kind
            and namespace in (None, item["metadata"].get("namespace"))
            and (not wanted or item.get("type") == wanted)
        ]


def _place(item: Object) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _live(item: dict[str, Any]) -> Object:
    metadata = {"uid": "-".join(_place(item)), "creationTimestamp": "2027-01-01T00:00:00Z", **item["metadata"]}
    live = {**item, "metadata": metadata}
    for key, value in live.pop("stringData", {}).items():
        live.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    return live


class Known:
    def __init__(self, *refs: ObjectRef) -> None:
        self.refs = frozenset(refs)

    def referrers(self, gateway: ObjectRef) -> frozenset[ObjectRef]:
        return self.refs


async def gathered(reader: FakeReader, *referrers: ObjectRef, watched: tuple[str, ...] = ()) -> Gathered:
    return await gather(CORP, reader=reader, referrers=Known(*referrers), watched=watched)


async def test_the_smallest_gateway() -> None:
    reader = FakeReader(
        world.gateway("claude"),
        world.binding("claude"),
        world.policy("claude"),
        world.secret("claude"),
        world.secret("claude", "another"),
    )
    found = await gathered(reader)
    assert {ref.kind for ref in found.objects} == {"GatewayDeployment", "ProviderBinding", "GatewayPolicy"}
    assert [secret.name for secret in found.snapshot.secrets] == ["anthropic"]
    assert sorted(reader.reads) == [
        "get GatewayDeployment claude/corp",
        "get Secret claude/anthropic",
        "list GatewayPolicy claude",
        "list ProviderBinding claude",
        "list Secret claude",
        "list Secret claude",
    ]
    (secret,) = found.snapshot.secrets
    assert secret.created == 1_798_761_600
    assert {resource.age for resource in found.snapshot.resources} == {("2027-01-01T00:00:00Z",)}


@pytest.mark.parametrize("kind", ["developer-key", "admin-key"])
async def test_a_key_that_a_binding_names_is_no_credential(kind: str) -> None:
    key = world.secret("claude", type=f"claude-gateway.dev/{kind}", stringData={"sha256": "a" * 64, "user": "alice"})
    found = await gathered(FakeReader(world.gateway("claude"), world.binding("claude"), key))
    (secret,) = found.snapshot.secrets
    assert secret.data["user"] == b"alice"
    assert ObjectRef("Secret", "claude", "anthropic") in found.keys
    labelled = {**key, "metadata": {**key["metadata"], "labels": {"claude-gateway.dev/gateway": "corp"}}}
    with pytest.raises(UnavailableError, match="a list lacks it"):
        await confirm_missing(found.keys, replace(found, keys=frozenset()), reader=FakeReader(labelled))


REFUSED = {
    "a service account's token": {"type": "kubernetes.io/service-account-token"},
    "a Helm release": {"type": "helm.sh/release.v1"},
    "the operator's own": {
        "metadata": {
            "namespace": "claude",
            "name": "anthropic",
            "labels": {"app.kubernetes.io/managed-by": "claude-gateway-operator"},
        }
    },
}


@pytest.mark.parametrize("members", REFUSED.values(), ids=REFUSED)
async def test_values_that_nobody_may_refer_to_are_dropped_at_once(members: dict[str, Any]) -> None:
    reader = FakeReader(world.gateway("claude"), world.binding("claude"), world.secret("claude", **members))
    (secret,) = (await gathered(reader)).snapshot.secrets
    assert secret.data == {}


async def test_selected_namespaces_only() -> None:
    rule = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}}
        for name, team in (("one", "a"), ("two", "a"), ("three", "b"))
    ]
    reader = FakeReader(
        world.gateway("claude", allowedPolicies={"namespaces": rule}),
        *spaces,
        *(world.policy(name, at="claude") for name in ("one", "two", "three", "claude")),
    )
    elsewhere = ObjectRef("GatewayPolicy", "three", "everyone")
    found = await gathered(reader, elsewhere, ObjectRef("GatewayPolicy", "one", "gone"))
    assert {ref.namespace for ref in found.objects if ref.kind == "GatewayPolicy"} == {"one", "two", "three"}
    assert [read for read in reader.reads if "GatewayPolicy" in read] == [
        "list GatewayPolicy one",
        "list GatewayPolicy two",
        "get GatewayPolicy three/everyone",
    ], "what a complete list lacks is gone, and not asked for again"

    reader.forbidden = {NAMESPACES}
    with pytest.raises(ForbiddenError):
        await gathered(reader)


async def test_many_selected_namespaces_are_one_list() -> None:
    rule = {"from": "Selector", "selector": {}}
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"n{number}"}} for number in range(20)]
    reader = FakeReader(world.gateway("claude", allowedPolicies={"namespaces": rule}), *spaces)
    await gathered(reader)
    assert [read for read in reader.reads if "GatewayPolicy" in read] == ["list GatewayPolicy *"]


async def test_references_that_cannot_be_read_may_mean_any_gateway() -> None:
    """As the compiler takes them: a policy that is broken there must not open what it was to close."""
    broken = world.policy("claude", "broken") | {"spec": {"gatewayRefs": "corp"}}
    found = await gathered(FakeReader(world.gateway("claude"), broken))
    assert ObjectRef("GatewayPolicy", "claude", "broken") in found.objects


async def test_of_a_broken_gateway_only_those_are_read_that_are_known_to_name_it() -> None:
    reader = FakeReader(world.gateway("claude", publicURL="no url"), world.policy("claude"))
    found = await gathered(reader, ObjectRef("GatewayPolicy", "claude", "everyone"))
    assert found.model is None
    assert found.uid
    assert set(found.objects) == {CORP, ObjectRef("GatewayPolicy", "claude", "everyone")}
    assert not [read for read in reader.reads if read.startswith("list") and "Secret" not in read]


def test_references_are_those_that_are_acted_on() -> None:
    manifest = world.gateway(
        "claude",
        egress={"caRef": {"kind": "Secret", "name": "ca", "key": "ca.crt"}},
        identity={"oidc": [{"clientSecretRef": {"name": "okta", "key": "x"}, "googleGroups": GOOGLE}]},
        store={"postgres": {"urlSecretRef": {"name": "db"}, "caRef": {"kind": "ConfigMap", "name": "db-ca"}}},
        spend={"alerts": {"signingSecretRef": {"name": "alerts", "key": "hmac"}}},
        exposure={"type": "Ingress", "ingress": {"tlsSecretName": "tls"}},
    )
    assert {f"{ref.kind} {ref.name}" for ref in references(manifest)} == {
        "Secret ca",
        "Secret okta",
        "Secret google",
        "Secret db",
        "ConfigMap db-ca",
    }
    assert set(references(world.binding("team"))) == {ObjectRef("Secret", "team", "anthropic")}
    assert list(references(world.policy("claude", settings={"apiKeySecretRef": {"name": "trap"}}))) == []


@pytest.mark.parametrize("spec", [None, [], "text", {"anthropic": []}, {"anthropic": {"apiKeySecretRef": {"name": 7}}}])
def test_references_of_anything(spec: Any) -> None:
    assert list(references(world.binding("claude") | {"spec": spec})) == []
