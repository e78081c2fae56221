"""Nothing that goes wrong takes away what serves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_config import bundle
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    GATEWAY_DEPLOYMENTS,
    GATEWAY_POLICIES,
    PROVIDER_BINDINGS,
    SECRETS,
    SERVICES,
    ResourceKind,
)


@pytest.mark.parametrize(
    "kind",
    [GATEWAY_DEPLOYMENTS, PROVIDER_BINDINGS, GATEWAY_POLICIES, SECRETS, CONFIG_MAPS],
    ids=lambda kind: kind.kind,
)
async def test_a_read_that_fails_changes_nothing(
    operator: world.Operator, api: ApiClient, smallest: str, kind: ResourceKind
) -> None:
    api.apply(
        world.gateway(smallest, egress={"caRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}})
    ).accepted()
    outcome = await operator.reconcile(smallest)
    operator.client.writes.clear()
    operator.client.broken = {kind}
    with pytest.raises(UnavailableError):
        await operator.reconciler.reconcile(outcome.gateway)
    assert operator.client.writes == []
    assert operator.outcomes[outcome.gateway] is outcome, "what was said before stands"

    operator.client.broken = set()
    await operator.reconcile(smallest)
    assert operator.client.writes == []


@pytest.mark.parametrize("kind", [PROVIDER_BINDINGS, GATEWAY_POLICIES, SECRETS], ids=lambda kind: kind.kind)
async def test_a_list_that_is_empty_by_error_empties_nothing(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str, kind: ResourceKind
) -> None:
    key = world.secret(
        smallest,
        "key-alice",
        type="claude-gateway.dev/developer-key",
        stringData={"sha256": "a" * 64, "user": "alice"},
    )
    key["metadata"]["labels"] = {"claude-gateway.dev/gateway": "corp"}
    api.create(key).accepted()
    outcome = await operator.reconcile(smallest)
    operator.client.writes.clear()
    operator.client.empty = {kind}
    with pytest.raises(UnavailableError, match="is there, but a list lacks it"):
        await operator.reconciler.reconcile(outcome.gateway)
    assert operator.client.writes == []

    names = {PROVIDER_BINDINGS: "anthropic", GATEWAY_POLICIES: "everyone", SECRETS: "key-alice"}
    operator.client.empty = set()
    await client.delete(kind, smallest, names[kind])
    after = await operator.reconcile(smallest)
    assert after.revision != outcome.revision, "what is really gone is taken out"


@pytest.mark.parametrize("kind", [PROVIDER_BINDINGS, GATEWAY_POLICIES], ids=lambda kind: kind.kind)
async def test_a_new_process_believes_no_list_that_is_empty_by_error(
    operator: world.Operator, client: KubeClient, smallest: str, kind: ResourceKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "PART_BYTES", 400)  # several parts
    before = await operator.reconcile(smallest)
    restarted = world.Operator(client)
    restarted.client.empty = {kind}
    for _ in range(2):
        with pytest.raises(UnavailableError, match="is there, but a list lacks it"):
            await restarted.reconcile(smallest)
        assert restarted.client.writes == []

    restarted.client.empty = set()
    after = await restarted.reconcile(smallest)
    assert restarted.client.writes == []
    assert (after.revision, after.sequence) == (before.revision, before.sequence)


async def test_what_went_while_no_operator_ran_is_taken_out_at_the_first_look(
    operator: world.Operator, client: KubeClient, smallest: str
) -> None:
    before = await operator.reconcile(smallest)
    await client.delete(GATEWAY_POLICIES, smallest, "everyone")
    after = await world.Operator(client).reconcile(smallest)
    assert after.revision != before.revision


async def test_a_child_that_cannot_be_read_is_not_overwritten(operator: world.Operator, smallest: str) -> None:
    operator.client.broken = {SERVICES}
    with pytest.raises(UnavailableError):
        await operator.reconcile(smallest)
    assert "apply Service corp" not in operator.client.writes


async def test_a_refused_gateway_keeps_what_it_has(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    first = await operator.reconcile(smallest)
    api.apply(world.gateway(smallest, audit={"store": True})).accepted()
    api.create(world.policy(smallest, "late")).accepted()
    outcome = await operator.reconcile(smallest)
    assert operator.client.writes == []
    assert "StoreRequired" in world.reasons(outcome, "GatewayDeployment", "corp")
    assert (outcome.revision, outcome.sequence) == (first.revision, first.sequence)
    assert outcome.admin_token == first.admin_token
    sequences = {ref.name: seen.sequence for ref, seen in outcome.objects.items()}
    assert sequences == {"corp": None, "anthropic": first.sequence, "everyone": first.sequence, "late": None}
    assert outcome.replicas.wanted == 2

    restarted = world.Operator(client)
    again = await restarted.reconcile(smallest)
    assert restarted.client.writes == []
    assert again.sequence == first.sequence
    assert restarted.fleet.wanted[again.gateway] == first.sequence


async def test_a_configuration_that_does_not_fit_leaves_the_last_one(
    operator: world.Operator, api: ApiClient, smallest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await operator.reconcile(smallest)
    monkeypatch.setattr(bundle, "PART_BYTES", 100)
    api.apply(world.policy(smallest, availableModels=["claude-haiku-5-5"])).accepted()
    outcome = await operator.reconcile(smallest)
    assert operator.client.writes == []
    assert world.reasons(outcome, "GatewayDeployment", "corp") == {"ConfigTooLarge"}
    assert (outcome.revision, outcome.sequence) == (first.revision, first.sequence)
    assert outcome.objects[ObjectRef("GatewayPolicy", smallest, "everyone")].sequence is None


async def test_parts_come_and_go_with_the_size(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await operator.reconcile(smallest)
    with monkeypatch.context() as patched:
        size = len((await operator.secret(smallest, "corp-config"))["part-0"])
        patched.setattr(bundle, "PART_BYTES", size // 2 + 200)
        api.apply(world.policy(smallest, availableModels=["claude-haiku-5-5"])).accepted()
        await operator.reconcile(smallest)
    assert operator.client.writes[-1] == "apply Secret corp-config"
    assert operator.client.writes[0] == "apply Secret corp-config-1"
    api.apply(world.policy(smallest, availableModels=["claude-sonnet-5-5"])).accepted()
    await operator.reconcile(smallest)
    assert operator.client.writes == ["apply Secret corp-config", "delete Secret corp-config-1"]
    assert await client.get(SECRETS, smallest, "corp-config-1") is None


async def test_a_broken_binding_is_left_out_and_the_rest_goes_on(
    operator: world.Operator, api: ApiClient, smallest: str
) -> None:
    await operator.reconcile(smallest)
    api.create(
        world.binding(smallest, "second", anthropic={"apiKeySecretRef": {"name": "nowhere", "key": "api-key"}})
    ).accepted()
    api.create(world.policy(smallest, "team", matches=[{"groups": ["a"]}])).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "ProviderBinding", "second") == {"SecretNotFound"}
    assert outcome.objects[ObjectRef("ProviderBinding", smallest, "second")].sequence is None
    assert outcome.objects[ObjectRef("GatewayPolicy", smallest, "team")].sequence == outcome.sequence

    api.create(world.secret(smallest, "nowhere")).accepted()
    mended = await operator.reconcile(smallest)
    assert mended.objects[ObjectRef("ProviderBinding", smallest, "second")].sequence == mended.sequence
    assert mended.sequence != outcome.sequence


async def test_a_gateway_that_is_gone_or_going_is_not_written(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    labels = {"claude-gateway.dev/gateway": "corp"}
    name = {"namespace": smallest, "name": "key-alice", "labels": labels}
    api.create(world.secret(smallest, type="claude-gateway.dev/developer-key", metadata=name)).accepted()
    first = await operator.reconcile(smallest)
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    await client.merge_patch(GATEWAY_DEPLOYMENTS, smallest, "corp", held)
    api.delete(world.gateway(smallest))
    await client.delete(DEPLOYMENTS, smallest, "corp")
    for step in ("going", "gone"):
        if step == "gone":
            released: dict[str, Any] = {"metadata": {"finalizers": None}}
            await client.merge_patch(GATEWAY_DEPLOYMENTS, smallest, "corp", released)
        outcome = await operator.reconcile(smallest)
        assert operator.client.writes == [], step
        assert not outcome.exists
        assert outcome.gateway not in outcome.objects
        assert world.reasons(outcome, "GatewayPolicy", "everyone") == {"GatewayNotFound"}
        assert world.reasons(outcome, "ProviderBinding", "anthropic") == {"GatewayNotFound"}
        assert operator.fleet.forgotten[-1] == first.gateway


async def test_what_was_programmed_stays_so_over_a_restart(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    """The new operator writes another revision at once; an object that pods already have is not taken back for it."""
    first = await operator.reconcile(smallest)
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "lastTransitionTime": "2027-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    entry = {"namespace": smallest, "name": "corp", "revision": "sha256:" + "1" * 64, "conditions": [condition]}
    written = world.binding(smallest) | {"status": {"observedGeneration": 1, "gateways": [entry]}}
    del written["spec"]
    api.apply(written, subresource="status").accepted()
    api.apply(world.policy(smallest, availableModels=["claude-haiku-5-5"])).accepted()

    restarted = world.Operator(client, now=world.NOW + 10)
    outcome = await restarted.reconcile(smallest)
    seen = {ref.kind: (each.revision, each.sequence) for ref, each in outcome.objects.items()}
    assert seen["ProviderBinding"] == (entry["revision"], first.sequence)
    assert seen["GatewayPolicy"] == (outcome.revision, outcome.sequence)
    assert outcome.sequence != first.sequence
