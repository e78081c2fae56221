"""The Secret with the signing keys: made once, rotated as pods follow, never overwritten."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import KubeError
from gateway_operator.kube.resources import SECRETS

MONTH = 30 * 24 * 3600


async def uses(operator: world.Operator, namespace: str) -> list[str]:
    return sorted(key["use"] for key in (await operator.configuration(namespace))["signing_keys"])


async def test_keys_reach_the_pods_with_the_credentials(operator: world.Operator, smallest: str) -> None:
    outcome = await operator.reconcile(smallest)
    (key,) = (await operator.configuration(smallest))["signing_keys"]
    credentials = json.loads((await operator.secret(smallest, "corp-credentials"))["credentials.json"])
    signing = await operator.secret(smallest, "corp-signing")
    assert credentials[key["name"]].encode() == signing[f"key-{key['kid']}"]
    assert signing["admin-token"].decode() == outcome.admin_token == operator.fleet.tokens[outcome.gateway]


async def test_a_key_is_rotated_as_the_pods_follow(operator: world.Operator, smallest: str) -> None:
    first = await operator.reconcile(smallest)
    gateway, fleet = first.gateway, operator.fleet
    fleet.add(gateway, "a", first.sequence)
    fleet.add(gateway, "b", first.sequence)
    assert operator.again == MONTH

    operator.now += MONTH
    published = await operator.reconcile(smallest)
    assert await uses(operator, smallest) == ["Sign", "Verify"]
    (old,) = (key["kid"] for key in (await operator.configuration(smallest))["signing_keys"] if key["use"] == "Sign")

    fleet.add(gateway, "a", published.sequence)
    operator.now += 5
    await operator.reconcile(smallest)
    assert operator.client.writes == [], "b does not know it yet"

    fleet.add(gateway, "b", published.sequence)
    promoted = await operator.reconcile(smallest)
    signing = {key["kid"]: key["use"] for key in (await operator.configuration(smallest))["signing_keys"]}
    assert signing[old] == "Verify"
    assert sorted(signing.values()) == ["Sign", "Verify"]

    for name in ("a", "b"):
        fleet.add(gateway, name, promoted.sequence)
    await operator.reconcile(smallest)
    assert operator.client.writes == ["replace Secret corp-signing"], "it signs no more, which pods know already"
    assert operator.again == 3600 + 300
    operator.now += 3600 + 300
    await operator.reconcile(smallest)
    assert await uses(operator, smallest) == ["Sign"]
    assert f"key-{old}" not in await operator.secret(smallest, "corp-signing")


HOLDING = {
    "ready, and not asked yet": (None, True),
    "not ready, and with an older configuration": (1, False),
    "ready, and behind": (1, True),
}


@pytest.mark.parametrize(("sequence", "ready"), HOLDING.values(), ids=HOLDING)
async def test_a_pod_that_may_not_know_the_key_holds_it_back(
    operator: world.Operator, smallest: str, sequence: int | None, ready: bool
) -> None:
    first = await operator.reconcile(smallest)
    operator.now += MONTH
    published = await operator.reconcile(smallest)
    operator.fleet.add(first.gateway, "a", published.sequence)
    operator.fleet.add(first.gateway, "b", sequence, ready=ready)
    await operator.reconcile(smallest)
    assert operator.client.writes == []
    operator.fleet.add(first.gateway, "b", None, ready=False)  # one that starts: it begins with the newest
    await operator.reconcile(smallest)
    assert operator.client.writes


async def test_an_operator_that_restarts_looks_at_the_pods_first(client: KubeClient, smallest: str) -> None:
    first = world.Operator(client)
    await first.reconcile(smallest)
    first.now += MONTH
    published = await first.reconcile(smallest)

    second = world.Operator(client, now=first.now + 1)
    second.fleet.add(published.gateway, "a", None)
    for _ in range(2):
        await second.reconcile(smallest)
        assert second.client.writes == []
    second.fleet.add(published.gateway, "a", published.sequence)
    await second.reconcile(smallest)
    assert second.client.writes[0] == "replace Secret corp-signing"


async def test_of_two_operators_one_makes_the_keys(client: KubeClient, smallest: str) -> None:
    operators = [world.Operator(client) for _ in range(4)]
    results = await asyncio.gather(*(each.reconcile(smallest) for each in operators), return_exceptions=True)
    assert all(not isinstance(each, BaseException) or isinstance(each, KubeError) for each in results)
    made = await operators[0].secret(smallest, "corp-signing")
    tokens = set()
    for each in operators:
        tokens.add((await each.reconcile(smallest)).admin_token)
    assert tokens == {made["admin-token"].decode()}
    assert await operators[0].secret(smallest, "corp-signing") == made


async def test_of_two_operators_one_rotates(client: KubeClient, smallest: str) -> None:
    operators = [world.Operator(client, now=world.NOW) for _ in range(2)]
    await operators[0].reconcile(smallest)
    for each in operators:
        each.now += MONTH
    await asyncio.gather(*(each.reconcile(smallest) for each in operators), return_exceptions=True)
    state = json.loads((await operators[0].secret(smallest, "corp-signing"))["state"])
    assert [key["phase"] for key in state["keys"]] == ["Signing", "Published"]


async def test_a_damaged_secret_is_left_alone(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    first = await operator.reconcile(smallest)
    damage = {"data": {"state": base64.b64encode(b"{}").decode()}}
    damaged = await client.merge_patch(SECRETS, smallest, "corp-signing", damage)
    api.apply(world.policy(smallest, availableModels=["claude-haiku-5-5"])).accepted()

    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayDeployment", "corp") == {"SigningKeysInvalid"}
    assert operator.client.writes == []
    assert (outcome.revision, outcome.sequence) == (first.revision, first.sequence)
    assert outcome.admin_token == first.admin_token, "the pods can still be asked"
    live = await client.get(SECRETS, smallest, "corp-signing")
    assert live is not None
    assert live["metadata"]["resourceVersion"] == damaged["metadata"]["resourceVersion"]

    await client.delete(SECRETS, smallest, "corp-signing")
    mended = await operator.reconcile(smallest)
    assert not mended.objects[mended.gateway].broken
    assert mended.sequence != first.sequence


async def test_what_others_put_into_the_secret_stays(
    operator: world.Operator, client: KubeClient, smallest: str
) -> None:
    await operator.reconcile(smallest)
    added = {"metadata": {"annotations": {"example.com/a": "b"}}, "data": {"theirs": "eA=="}}
    await client.merge_patch(SECRETS, smallest, "corp-signing", added)
    operator.now += MONTH
    await operator.reconcile(smallest)
    assert operator.client.writes[0] == "replace Secret corp-signing"
    live = await client.get(SECRETS, smallest, "corp-signing")
    assert live is not None
    assert live["metadata"]["annotations"]["example.com/a"] == "b"
    assert live["data"]["theirs"] == "eA=="
