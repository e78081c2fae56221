"""Policies that take more than eight Secrets: ConfigTooLarge, and the last configuration that fitted stays."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import Manifest
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.faults.scenery import Gateway

COUNT = 12
VALUE = 900_000
"""Characters, of which four fifths remain when they are compressed."""


def large(gateway: Gateway, number: int) -> Manifest:
    chance = random.Random(number)
    text = base64.b85encode(chance.randbytes(VALUE * 4 // 5)).decode()
    spec = {"gatewayRefs": [{"name": gateway.name}], "matches": [{"users": [f"u{number}"]}], "priority": number}
    return gateway._object("GatewayPolicy", f"large-{number}", {**spec, "settings": {"env": {"NOISE": text}}})


@pytest.mark.timeout(240)
def test_too_large(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    namespace = new_namespace(api)
    gateway, small = Gateway(api, namespace).create(), Gateway(api, namespace, "small").create()
    with running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        for each in (gateway, small):
            each.wait_until_sound()
        uids = gateway.uids()
        policies = [large(gateway, number) for number in range(COUNT)]
        for policy in policies:
            api.create(policy).accepted()
        seen = gateway.wait_for_condition(gateway.gateway, "Accepted", "ConfigTooLarge", within=120)
        assert "fewer or smaller policies" in seen["message"]
        last = gateway.bundle()
        gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
        small.edit(small.policy, availableModels=["claude-haiku-5-5"])
        small.wait_for_models("claude-haiku-5-5")
        assert gateway.bundle().index == last.index
        assert gateway.uids() == uids

        for policy in policies[1:]:
            api.delete(policy).accepted()
        gateway.wait_for_models("claude-haiku-5-5", within=120)
        gateway.wait_until_sound()
        assert gateway.sequence() > last.index.sequence
