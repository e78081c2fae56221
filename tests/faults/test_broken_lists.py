"""A list that fails, or is nonsense, or lacks what is there, takes nothing away from a gateway that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.control_plane.pods import kubelet
from tests.faults.scenery import WITHIN, Gateway
from tests.faults.storms import BROKEN, Asked, Spoiled, storm_before

KINDS = {
    "gatewaydeployments": "GatewayDeployment",
    "providerbindings": "ProviderBinding",
    "gatewaypolicies": "GatewayPolicy",
    "secrets": "Secret",
}
ANSWERS = ("refused", "nothing", "a page", "another kind", "no version", "empty")
EMPTY_OF_ONE = {
    "no gateways": "gatewaydeployments",
    "no bindings": "providerbindings",
    "no policies": "gatewaypolicies",
}
ROUNDS = 2


def answer(kind: str, resource: str) -> Spoiled:
    said = {"kind": f"{KINDS[resource]}List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []}
    match kind:
        case "refused":
            return BROKEN
        case "nothing":
            return Spoiled(200, b"")
        case "a page":
            return Spoiled(200, b"<html>sign in first</html>")
        case "another kind":
            said["kind"] = "ConfigMapList"
        case "no version":
            said["metadata"] = {}
    return Spoiled(200, json.dumps(said).encode())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", [*ANSWERS, *EMPTY_OF_ONE])
def test_no_list_empties_what_runs(api: ApiClient, api_server: ApiServer, tmp_path: Path, kind: str) -> None:
    """Every resync and every edit meets such lists, and so does an operator that is started anew."""
    resources = {EMPTY_OF_ONE[kind]} if kind in EMPTY_OF_ONE else KINDS.keys()
    namespace = new_namespace(api)
    gateway = Gateway(api, namespace).create()
    api.create(gateway.developer_key("alice@corp.example")).accepted()
    with storm_before(api_server, folder=tmp_path) as storm, kubelet(api_server, folder=tmp_path) as node:
        options = {"kubeconfig": storm.kubeconfig, "resync-seconds": 1}
        with running_operator(api_server, folder=tmp_path, namespaces=[namespace], options=options) as operator:
            operator.wait_until_synced(within=WITHIN)
            operator.keep_running()
            node.run(namespace, gateway.name)
            everything = (gateway.gateway, gateway.binding, gateway.policy)
            for each in everything:
                gateway.wait_for(each, "Programmed", ("True", "Programmed"), within=WITHIN)
            before = gateway.bundle().index
            uids = gateway.uids()
            conditions = [gateway.conditions(each) for each in everything]

            def weather(asked: Asked) -> Spoiled | None:
                spoiled = asked.is_list and asked.resource in resources
                return answer(kind, asked.resource) if spoiled else None

            storm.seen.clear()
            storm.weather = weather
            if kind in ANSWERS[:-1]:
                storm.expire_watches()
            for number in range(ROUNDS):
                storm.seen.clear()
                gateway.patch(gateway.provider_key, {"metadata": {"annotations": {"round": str(number)}}})

                def met() -> bool:
                    return any(asked.is_list and asked.resource in resources for asked, _ in list(storm.seen))

                eventually(met, within=WITHIN, what="a list was asked for")
            operator.kill()
            operator.start()
            operator.keep_running()
            storm.seen.clear()

            def begun() -> bool:
                return sum(asked.is_list and asked.resource in resources for asked, _ in list(storm.seen)) > 3

            eventually(begun, within=WITHIN, what="the new process has asked for lists")
            assert gateway.bundle().index == before
            assert gateway.uids() == uids
            assert [gateway.conditions(each) for each in everything] == conditions

            storm.weather = lambda _: None
            gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
            gateway.wait_for_models("claude-haiku-5-5")
            assert gateway.sequence() > before.sequence
