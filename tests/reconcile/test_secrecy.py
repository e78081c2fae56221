"""Values of Secrets are in Secrets, and nowhere else."""

from __future__ import annotations

import json
import logging

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import (
    DEPLOYMENTS,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)


async def test_no_value_is_told(
    operator: world.Operator,
    client: KubeClient,
    api: ApiClient,
    smallest: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    api.create(world.secret(smallest, "spaced", stringData={"api-key": f"{world.CANARY} {world.CANARY}"})).accepted()
    bad = {"apiKeySecretRef": {"name": "spaced", "key": "api-key"}}
    api.create(world.binding(smallest, "second", anthropic=bad)).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "ProviderBinding", "second") == {"SecretInvalid"}
    signing = await operator.secret(smallest, "corp-signing")
    values = [world.CANARY, *(value.decode() for name, value in signing.items() if name != "state")]
    assert len(values) == 3

    told = [repr(outcome), caplog.text, signing["state"].decode()]
    for kind in (SECRETS, DEPLOYMENTS, SERVICES, SERVICE_ACCOUNTS, NETWORK_POLICIES, POD_DISRUPTION_BUDGETS):
        told += [json.dumps({**item, "data": None}) for item in await client.list(kind, smallest)]
    told.append(json.dumps(await operator.configuration(smallest)))
    for value in values:
        assert not [text for text in told if value in text]
    assert outcome.admin_token in values
