"""What belongs to a gateway, and what does not, when several namespaces are in play."""

from __future__ import annotations

from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient


async def test_two_gateways_of_one_name_never_meet(
    operator: world.Operator, api: ApiClient, client: KubeClient
) -> None:
    here, there = world.new_namespace(api), world.new_namespace(api)
    for namespace, model in ((here, "claude-haiku-5-5"), (there, "claude-sonnet-5-5")):
        api.create(world.secret(namespace, stringData={"api-key": f"key-of-{namespace}"})).accepted()
        api.create(world.gateway(namespace)).accepted()
        api.create(world.binding(namespace)).accepted()
        api.create(world.policy(namespace, availableModels=[model])).accepted()
    for namespace, model in ((here, "claude-haiku-5-5"), (there, "claude-sonnet-5-5")):
        outcome = await operator.reconcile(namespace)
        assert {ref.namespace for ref in outcome.objects} == {namespace}
        configuration = await operator.configuration(namespace)
        assert configuration["base"]["models"] == [model]
        credentials = (await operator.secret(namespace, "corp-credentials"))["credentials.json"].decode()
        assert f"key-of-{namespace}" in credentials
        assert credentials.count("key-of-") == 1
    for namespace in (here, there):
        await operator.reconcile(namespace)
        assert operator.client.writes == []


async def test_a_policy_of_another_namespace_counts_only_where_it_is_let_in(
    operator: world.Operator, api: ApiClient, smallest: str
) -> None:
    team = world.new_namespace(api, {"team": "research"})
    api.create(world.policy(team, "research", at=smallest, matches=[{"groups": ["research"]}])).accepted()

    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayPolicy", "research", team) == {"NotAllowedByGateway"}
    assert "policies" not in await operator.configuration(smallest)
    assert f"list GatewayPolicy {team}/" not in operator.client.reads
    assert "list GatewayPolicy /" not in operator.client.reads

    for rule in (
        {"from": "Selector", "selector": {"matchLabels": {"team": "research"}}},
        {"from": "All"},
    ):
        api.apply(world.gateway(smallest, allowedPolicies={"namespaces": rule})).accepted()
        outcome = await operator.reconcile(smallest)
        assert world.reasons(outcome, "GatewayPolicy", "research", team) == set()
        (policy,) = (await operator.configuration(smallest))["policies"]
        assert policy["name"] == f"{team}/research"

    rule = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    api.apply(world.gateway(smallest, allowedPolicies={"namespaces": rule})).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayPolicy", "research", team) == {"NotAllowedByGateway"}
    assert outcome.objects[world.ObjectRef("GatewayPolicy", team, "research")].sequence is None


async def test_all_means_the_namespaces_that_the_operator_looks_after(client: KubeClient, api: ApiClient) -> None:
    home, inside, outside = (world.new_namespace(api, {"team": "research"}) for _ in range(3))
    api.create(world.secret(home)).accepted()
    api.create(world.binding(home)).accepted()
    for rule in ({"from": "All"}, {"from": "Selector", "selector": {"matchLabels": {"team": "research"}}}):
        api.apply(world.gateway(home, allowedPolicies={"namespaces": rule})).accepted()
        for namespace in (inside, outside):
            api.apply(world.policy(namespace, "team", at=home, matches=[{"groups": ["a"]}])).accepted()
        operator = world.Operator(client, namespaces=(home, inside))
        outcome = await operator.reconcile(home)
        assert {ref.namespace for ref in outcome.objects if ref.kind == "GatewayPolicy"} == {inside}
        assert not [read for read in operator.client.reads if outside in read], "no right to look there"
        assert not [read for read in operator.client.reads if read.startswith("list") and read.endswith(" /")]


async def test_a_reference_to_a_secret_never_leaves_its_namespace(
    operator: world.Operator, api: ApiClient, smallest: str
) -> None:
    """The gateway's own namespace has a Secret of that name; the binding's does not."""
    team = world.new_namespace(api)
    api.apply(world.gateway(smallest, allowedBindings={"namespaces": {"from": "All"}})).accepted()
    api.create(world.binding(team, "theirs", at=smallest)).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "ProviderBinding", "theirs", team) == {"SecretNotFound"}
    upstreams = (await operator.configuration(smallest))["upstreams"]
    assert [upstream["name"] for upstream in upstreams] == [f"{smallest}/anthropic"]

    api.create(world.secret(team, stringData={"api-key": "their-own"})).accepted()
    outcome = await operator.reconcile(smallest)
    assert not world.reasons(outcome, "ProviderBinding", "theirs", team)
    credentials = (await operator.secret(smallest, "corp-credentials"))["credentials.json"].decode()
    assert "their-own" in credentials


async def test_values_of_those_who_are_not_let_in_are_not_read(
    operator: world.Operator, api: ApiClient, smallest: str
) -> None:
    team = world.new_namespace(api)
    api.create(world.secret(team)).accepted()
    api.create(world.binding(team, "theirs", at=smallest)).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "ProviderBinding", "theirs", team) == {"NotAllowedByGateway"}
    assert not [read for read in operator.client.reads if "Secret" in read and team in read]


async def test_objects_of_no_gateway_of_ours_cost_nothing(
    operator: world.Operator, api: ApiClient, smallest: str
) -> None:
    api.create(world.policy(smallest, "elsewhere") | {"spec": {"gatewayRefs": [{"name": "other"}]}}).accepted()
    outcome = await operator.reconcile(smallest)
    assert "elsewhere" not in {ref.name for ref in outcome.objects}
    lost = await operator.reconcile(smallest, "other")
    assert world.reasons(lost, "GatewayPolicy", "elsewhere") == {"GatewayNotFound"}
    assert not lost.exists
    assert operator.client.writes == []
