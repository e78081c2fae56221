"""What is written, and above all what is not: nothing where nothing changed."""

from __future__ import annotations

import asyncio

from tests.cluster.api_client import TABLE, ApiClient
from tests.control_plane.pods import Kubelet
from tests.status.outcomes import secret_missing, unused
from tests.status.rig import Reporting, eventually

from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.resources import GATEWAY_DEPLOYMENTS, GATEWAY_POLICIES, PROVIDER_BINDINGS


async def _ready(rig: Reporting, node: Kubelet, *policies: str) -> list[ObjectRef]:
    objects = await rig.gateway_and_policies(*policies)
    await rig.write_configuration(1)
    await asyncio.to_thread(node.run, rig.namespace, "corp")
    await rig.reconciled()
    for each in objects:
        await rig.until(each, "Ready", "Ready")
    await rig.quiet()
    return objects


async def test_what_kubectl_shows(rig: Reporting, node: Kubelet, api: ApiClient) -> None:
    binding = await rig.apply(
        PROVIDER_BINDINGS,
        "anthropic",
        {"type": "Anthropic", "anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}},
    )
    await _ready(rig, node, "everyone")
    await rig.reconciled(secret_missing(binding))
    await rig.until(binding, "Ready", "SecretNotFound")
    assert await asyncio.to_thread(_columns, api, GATEWAY_DEPLOYMENTS.path(rig.namespace)) == {
        "Name": "corp",
        "Ready": "True",
        "Programmed": "True",
        "URL": "https://claude.corp.example",
        "Replicas": 1,
        "Reason": "Ready",
        "Revision": f"sha256:{1:064x}",
    }
    shown = await asyncio.to_thread(_columns, api, PROVIDER_BINDINGS.path(rig.namespace))
    assert (shown["Ready"], shown["Programmed"], shown["Reason"]) == ("False", "False", "SecretNotFound")
    shown = await asyncio.to_thread(_columns, api, GATEWAY_POLICIES.path(rig.namespace))
    assert (shown["Ready"], shown["Programmed"], shown["Reason"]) == ("True", "True", "Ready")


async def test_reconciles_that_find_nothing_new_write_nothing(rig: Reporting, node: Kubelet) -> None:
    await _ready(rig, node, "everyone", "contractors")
    before = list(rig.client.statuses)
    for _ in range(3):
        await rig.reconciled()
        await rig.quiet()
    assert rig.client.statuses == before


async def test_a_restarted_operator_writes_nothing_where_nothing_changed(rig: Reporting, node: Kubelet) -> None:
    await _ready(rig, node, "everyone", "contractors")
    before = list(rig.client.statuses)
    await rig.restart()
    rig.observer.want(rig.gateway, sequence=1, token="")
    await rig.reconciled()
    await rig.quiet()
    assert rig.client.statuses == before


async def test_one_changed_policy_of_many_is_one_or_two_writes(rig: Reporting, node: Kubelet) -> None:
    _, *policies = await _ready(rig, node, *(f"policy-{number}" for number in range(40)))
    before = len(rig.client.statuses)
    await rig.apply_policy("policy-7", models=["claude-haiku-5-5"])
    await rig.write_configuration(2)
    await rig.reconciled()
    await rig.until(policies[7], "Programmed", "Programmed")
    await rig.quiet()
    written = [ref for ref in rig.client.statuses[before:] if ref.kind == "GatewayPolicy"]
    assert set(written) == {policies[7]}
    assert len(written) <= 2


async def test_the_edited_object_is_written_before_those_that_follow_the_pods(rig: Reporting, node: Kubelet) -> None:
    _, *policies = await _ready(rig, node, *(f"policy-{number}" for number in range(12)))
    before = len(rig.client.statuses)
    await rig.apply_policy("policy-9", models=["claude-haiku-5-5"])
    rig.held.clear()
    await rig.write_configuration(2)
    await rig.reconciled()
    await rig.until(policies[9], "Programmed", "Programmed")
    written = [ref for ref in rig.client.statuses[before:] if ref.kind == "GatewayPolicy"]
    assert written[0] == policies[9]


async def test_a_status_that_somebody_overwrote_is_repaired(rig: Reporting, node: Kubelet) -> None:
    gateway, policy = await _ready(rig, node, "everyone")
    for ref in (gateway, policy):
        await rig.write(ref, {"conditions": []})
    await rig.reconciled()
    for ref in (gateway, policy):
        await rig.until(ref, "Ready", "Ready")


async def test_an_object_that_is_gone_or_new_under_its_old_name_is_no_problem(rig: Reporting, node: Kubelet) -> None:
    _, gone, again = await _ready(rig, node, "gone", "again")
    await rig.client.delete(GATEWAY_POLICIES, rig.namespace, "gone")
    await rig.client.delete(GATEWAY_POLICIES, rig.namespace, "again")
    await rig.apply_policy("again", models=["claude-haiku-5-5"])
    first = await rig.status(again)
    rig.reconciled_late(unused)
    await rig.quiet()
    assert await rig.status(again) == first
    rig.held.clear()
    await rig.reconciled()
    await rig.until(again, "Ready", "Ready")
    assert await rig.client.get(GATEWAY_POLICIES, rig.namespace, gone.name) is None


async def test_an_entry_of_another_gateway_stays_and_one_that_is_named_no_more_goes(
    rig: Reporting, node: Kubelet
) -> None:
    _, policy = await _ready(rig, node, "everyone")
    lab = ObjectRef("GatewayDeployment", rig.namespace, "lab")
    entry = (await rig.status(policy))["gateways"][0]
    both = [entry, entry | {"name": "lab"}]
    await rig.write(policy, {"gateways": both})
    rig.named[policy] = (rig.gateway, lab)
    await rig.restart()
    rig.observer.want(rig.gateway, sequence=1, token="")
    before = list(rig.client.statuses)
    await rig.reconciled()
    await rig.quiet()
    assert rig.client.statuses == before
    assert (await rig.status(policy))["gateways"] == both

    rig.named[policy] = (rig.gateway,)  # and whoever wrote the entry makes no difference
    await rig.reconciled()
    await rig.quiet()
    assert (await rig.status(policy))["gateways"] == [entry]


async def test_conditions_that_turn_are_told_once_as_events(rig: Reporting, node: Kubelet) -> None:
    binding = await rig.apply(
        PROVIDER_BINDINGS,
        "anthropic",
        {"type": "Anthropic", "anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}},
    )
    await _ready(rig, node)
    for _ in range(3):
        await rig.reconciled(secret_missing(binding))
        await rig.until(binding, "ResolvedRefs", "SecretNotFound")
    await rig.restart()
    rig.observer.want(rig.gateway, sequence=1, token="")
    await rig.reconciled(secret_missing(binding))
    await rig.quiet()
    await rig.reconciled()
    await rig.until(binding, "ResolvedRefs", "ResolvedRefs")

    async def told() -> bool:
        return "ResolvedRefs" in await rig.event_reasons()

    await eventually(told, what="the event of the recovery")
    assert await rig.event_reasons() == ["Ready", "ResolvedRefs", "SecretNotFound"]


def _columns(api: ApiClient, path: str) -> dict[str, object]:
    """The row of the one object, as `kubectl get -o wide` shows it; without its age."""
    table = api.get(path, accept=TABLE)
    (row,) = table["rows"]
    names = [column["name"] for column in table["columnDefinitions"]]
    return {name: cell for name, cell in zip(names, row["cells"], strict=True) if name != "Age"}
