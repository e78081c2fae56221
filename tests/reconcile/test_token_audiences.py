"""Tokens of the pods' service account: a binding that exchanges one for another audience rolls pods, no other does."""

from __future__ import annotations

from typing import Any

from tests.reconcile import world

from gateway_operator.kube.client import KubeClient
from gateway_operator.names import token_file

ANTHROPIC = "https://api.anthropic.com"
IDENTITY = {"organizationID": "org", "federationRuleID": "fdrl_1", "serviceAccountID": "svac_1"}


def federated(namespace: str, name: str, **identity: str) -> dict[str, Any]:
    return world.binding(namespace, name, anthropic={"workloadIdentity": {**IDENTITY, **identity}})


async def test_pods_get_a_token_for_each_audience(operator: world.Operator, client: KubeClient, smallest: str) -> None:
    await operator.reconcile(smallest)
    without = (await operator.deployment(smallest))["spec"]["template"]

    await client.create(federated(smallest, "first"))
    await operator.reconcile(smallest)
    with_token = (await operator.deployment(smallest))["spec"]["template"]
    assert with_token != without
    (upstream,) = [
        each
        for each in (await operator.configuration(smallest))["upstreams"]
        if each["credential"]["kind"] == "Federated"
    ]
    (volume,) = [each for each in with_token["spec"]["volumes"] if each["name"] == "tokens"]
    (mount,) = [each for each in with_token["spec"]["containers"][0]["volumeMounts"] if each["name"] == "tokens"]
    (source,) = volume["projected"]["sources"]
    assert upstream["credential"]["token_file"] == f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    assert upstream["credential"]["token_file"] == token_file(ANTHROPIC)

    await client.create(federated(smallest, "second", serviceAccountID="svac_2"))
    await operator.reconcile(smallest)
    assert "apply Deployment corp" not in operator.client.writes
    assert (await operator.deployment(smallest))["spec"]["template"] == with_token
