"""An API server that refuses a share of everything for a while: the operator gets there, and does not hammer it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.control_plane.pods import kubelet
from tests.faults.scenery import MODELS, WITHIN, Gateway
from tests.faults.storms import BROKEN, CONFLICT, EXPIRED, TOO_MANY, Asked, Spoiled, Storm, storm_before

SHARE = 0.3
Weather = Callable[[Storm, Asked], Spoiled | None]
MANY_REQUESTS = 1500
"""A dozen edits on four gateways take about 500; a loop without pauses makes so many in a few seconds."""
QUIET_SECONDS = 5.0


@contextmanager
def through(storm: Storm, server: ApiServer, folder: Path, namespace: str) -> Iterator[OperatorProcess]:
    """An operator that is started anew when it ends, behind the storm."""
    options = {"kubeconfig": storm.kubeconfig}
    with running_operator(server, folder=folder, namespaces=[namespace], options=options) as operator:
        operator.wait_until_synced(within=WITHIN)
        operator.keep_running()
        yield operator


def conflicts(storm: Storm, asked: Asked) -> Spoiled | None:
    return CONFLICT if asked.method in ("PUT", "PATCH") and storm.chance(SHARE) else None


def too_many(storm: Storm, asked: Asked) -> Spoiled | None:
    return TOO_MANY if storm.chance(SHARE) else None


def broken(storm: Storm, asked: Asked) -> Spoiled | None:
    return BROKEN if storm.chance(SHARE) else None


def forgetful(storm: Storm, asked: Asked) -> Spoiled | None:
    return EXPIRED if asked.watch and storm.chance(0.7) else None


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", [conflicts, too_many, broken, forgetful], ids=lambda kind: kind.__name__)
def test_every_change_arrives_in_a_storm(api: ApiClient, api_server: ApiServer, tmp_path: Path, kind: Weather) -> None:
    namespace = new_namespace(api)
    gateways = [Gateway(api, namespace, f"gw-{number}").create() for number in range(4)]
    with (
        kubelet(api_server, folder=tmp_path) as node,
        storm_before(api_server, folder=tmp_path) as storm,
        through(storm, api_server, tmp_path, namespace) as operator,
    ):
        for gateway in gateways:
            node.run(namespace, gateway.name)
        for gateway in gateways:
            gateway.wait_for(gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)
        uids = [gateway.uids() for gateway in gateways]
        pid = operator.pid
        storm.seen.clear()
        storm.weather = lambda asked: kind(storm, asked)
        storm.expire_watches()
        for round_, model in enumerate(MODELS):
            for gateway in gateways:
                gateway.edit(gateway.policy, availableModels=[model])
                gateway.rotate(round_ + 1)
            for gateway in gateways:
                gateway.wait_for_models(model)
                eventually(lambda: gateway.serves_credential(round_ + 1), within=WITHIN, what="the credential")  # noqa: B023
        for gateway in gateways:
            eventually(lambda: programmed(gateway), within=WITHIN, what="programmed")  # noqa: B023
        assert len(storm.seen) < MANY_REQUESTS, storm.counted()
        assert [gateway.uids() for gateway in gateways] == uids
        if kind is forgetful:
            assert operator.pid == pid, "that is worth no restart"

        storm.weather = lambda _: None
        eventually(lambda: operator.leads and operator.is_ready(), within=WITHIN, what="it leads and is ready")
        for gateway in gateways:
            eventually(lambda: programmed(gateway), within=WITHIN, what="programmed")  # noqa: B023


@pytest.mark.timeout(240)
def test_watches_that_break_in_the_middle_lose_nothing(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    namespace = new_namespace(api)
    gateway = Gateway(api, namespace).create()
    with (
        storm_before(api_server, folder=tmp_path) as storm,
        through(storm, api_server, tmp_path, namespace) as operator,
    ):
        gateway.wait_until_sound()
        pid = operator.pid
        for number in range(1, 6):
            assert storm.cut_watches()
            gateway.edit(gateway.policy, availableModels=[MODELS[number % 3]])
            gateway.wait_for_models(MODELS[number % 3])
            assert storm.expire_watches()
            gateway.rotate(number)
            eventually(lambda: gateway.serves_credential(number), within=WITHIN, what="the credential")  # noqa: B023
        assert operator.pid == pid, "none of it is worth a restart"


@pytest.mark.timeout(120)
def test_a_server_that_refuses_everything_is_not_hammered(
    api: ApiClient, api_server: ApiServer, tmp_path: Path
) -> None:
    namespace = new_namespace(api)
    gateways = [Gateway(api, namespace, f"gw-{number}").create() for number in range(4)]
    with storm_before(api_server, folder=tmp_path) as storm, through(storm, api_server, tmp_path, namespace):
        for gateway in gateways:
            gateway.wait_until_sound()
        storm.weather = lambda asked: None if "leases" in asked.resource else BROKEN
        storm.expire_watches()
        for gateway in gateways:
            gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
        storm.seen.clear()
        time.sleep(QUIET_SECONDS)  # a while of bad weather, to be counted
        assert storm.counted().total() < 100 * QUIET_SECONDS, storm.counted()
        storm.weather = lambda _: None
        for gateway in gateways:
            gateway.wait_for_models("claude-haiku-5-5")


def programmed(gateway: Gateway) -> bool:
    for each in (gateway.gateway, gateway.binding, gateway.policy):
        seen = gateway.condition(each, "Programmed")
        generation = gateway.api.read(each)["metadata"]["generation"]
        if (seen.get("status"), seen.get("observedGeneration")) != ("True", generation):
            return False
    return True
