"""Of two operators one acts. The one that was asleep while its Lease ran out writes nothing more."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.cluster.api_client import eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import as_operator
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.faults.scenery import Gateway

TAKEN_OVER = 60.0
"""The Lease lasts 15 s; the rest is a busy machine's."""
LOST = 4


@pytest.mark.timeout(240)
def test_a_leader_that_was_paused_writes_nothing_once_another_leads(control_plane: ApiServer, tmp_path: Path) -> None:
    """The audit log tells them apart: the paused one is of the operator's own user, the other the administrator."""
    api, log = control_plane.client, control_plane.audit_log
    namespace = new_namespace(api)
    gateways = [Gateway(api, namespace, f"gw-{number}").create() for number in range(4)]
    with running_operator(as_operator(control_plane), folder=tmp_path, namespaces=[namespace]) as paused:
        paused.wait_until_synced()
        home = paused.lease_namespace
        with running_operator(control_plane, folder=tmp_path, namespaces=[namespace], lease_namespace=home) as other:
            other.wait_until_ready()
            for gateway in gateways:  # it has its hands full when it falls asleep
                gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
                gateway.edit(gateway.gateway, replicas=3)
            paused.signal(signal.SIGSTOP)
            eventually(lambda: other.leads, within=TAKEN_OVER, what="the other leads")
            other.wait_until_synced()
            for gateway in gateways:
                gateway.wait_for_models("claude-haiku-5-5")
                gateway.edit(gateway.policy, availableModels=["claude-opus-5-5"])
            log.skip()

            paused.signal(signal.SIGCONT)
            assert paused.wait_for_exit() == LOST
            for gateway in gateways:
                gateway.wait_for_models("claude-opus-5-5")
            assert log.writes(user="operator") == []


@pytest.mark.timeout(240)
def test_what_changed_between_two_leaders_is_caught_up(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    namespace = new_namespace(api)
    gateway = Gateway(api, namespace).create()
    with running_operator(control_plane, folder=tmp_path, namespaces=[namespace], identity="pod-a") as first:
        first.wait_until_synced()
        gateway.wait_for_children()
        before, uids = gateway.sequence(), gateway.uids()
        home = first.lease_namespace
        with running_operator(control_plane, folder=tmp_path, namespaces=[namespace], lease_namespace=home) as second:
            second.wait_until_ready()
            first.kill()
            gateway.rotate(1)
            gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
            eventually(lambda: second.leads, within=TAKEN_OVER, what="the standby leads")
            gateway.wait_for_models("claude-haiku-5-5")
            eventually(lambda: gateway.serves_credential(1), within=TAKEN_OVER, what="the new credential")
            assert gateway.sequence() > before
            assert gateway.uids() == uids
