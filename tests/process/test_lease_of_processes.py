"""Real operators and a real Lease: one leads, others stand by, and a holder that loses it ends."""

import signal
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api_client import MERGE_PATCH, ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.process.cuttable import cuttable

LOST = 4


def lease(api: ApiClient, operator: OperatorProcess) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{operator.lease_namespace}/leases/claude-gateway-operator"
    found: dict[str, Any] = api.get(path)
    return found


@pytest.fixture
def home(api: ApiClient) -> str:
    """The namespace of the Lease, and the one that is looked after."""
    return new_namespace(api)


def test_an_operator_that_is_told_to_end_gives_the_lease_back(
    api: ApiClient, api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    with running_operator(api_server, folder=tmp_path, namespaces=[home], lease_namespace=home) as operator:
        operator.wait_until_synced()
        assert lease(api, operator)["spec"]["holderIdentity"] == operator.identity
        assert operator.stop() == 0
        assert lease(api, operator)["spec"]["holderIdentity"] == ""
        assert all("level" in line for line in operator.log), operator.log_text


def test_a_standby_is_ready_and_takes_over_when_the_leader_is_killed(
    api: ApiClient, api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    def run(identity: str) -> Any:
        return running_operator(api_server, folder=tmp_path, namespaces=[home], lease_namespace=home, identity=identity)

    with run("pod-a") as first:
        first.wait_until_synced()
        with run("pod-b") as second:
            second.wait_until_ready()
            assert not second.leads
            probe = second.probe("/livez")
            assert probe is not None
            assert probe.status == 200
            first.kill()
            eventually(lambda: second.leads, within=20, what="the standby leads")
            second.wait_until_synced()
            assert lease(api, second)["spec"]["holderIdentity"] == "pod-b"


def test_a_killed_operator_takes_its_own_lease_up_again_at_once(
    api: ApiClient, api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    with running_operator(api_server, folder=tmp_path, namespaces=[home], lease_namespace=home) as operator:
        operator.wait_until_synced()
        operator.kill()
        operator.start()
        operator.wait_until_synced()
        assert not any("waiting for the Lease" in line["message"] for line in operator.log)


def test_a_holder_whose_lease_another_takes_ends_with_a_code_of_its_own(
    api: ApiClient, api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    with running_operator(api_server, folder=tmp_path, namespaces=[home], lease_namespace=home) as operator:
        operator.wait_until_synced()
        path = f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/claude-gateway-operator"
        taken = {"spec": {"holderIdentity": "intruder"}}
        api.request("PATCH", path, body=taken, content_type=MERGE_PATCH).accepted()
        assert operator.wait_for_exit() == LOST
        assert "intruder" in operator.log[-1]["message"]
        assert lease(api, operator)["spec"]["holderIdentity"] == "intruder"


def test_a_holder_that_cannot_reach_the_api_server_ends_before_its_lease_runs_out(
    api: ApiClient, api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    with cuttable(api_server, tmp_path) as relay:
        options = {"kubeconfig": relay.kubeconfig}
        with running_operator(
            api_server, folder=tmp_path, namespaces=[home], lease_namespace=home, options=options
        ) as operator:
            operator.wait_until_synced()
            relay.cut()
            assert operator.wait_for_exit() == LOST, operator.log_text
            relay.mend()
            operator.start()
            operator.wait_until_synced()


def test_a_connection_that_its_peer_has_closed_does_not_kill_the_operator(
    api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    with running_operator(api_server, folder=tmp_path, namespaces=[home], lease_namespace=home) as operator:
        operator.wait_until_synced()
        # What the kernel sends to a process that writes to such a connection.
        operator.signal(signal.SIGPIPE)
        assert operator.is_ready()
        assert operator.stop() == 0


def test_an_operator_waits_for_an_api_server_that_is_away_at_its_start(
    api: ApiClient, api_server: ApiServer, home: str, tmp_path: Path
) -> None:
    with cuttable(api_server, tmp_path) as relay:
        relay.cut()
        options = {"kubeconfig": relay.kubeconfig}
        with running_operator(
            api_server, folder=tmp_path, namespaces=[home], lease_namespace=home, options=options
        ) as operator:

            def told() -> bool:
                probe = operator.probe("/readyz")
                return probe is not None and "does not say which kinds" in probe.text

            eventually(told, within=60, what="readiness names the cause")
            relay.mend()
            operator.wait_until_synced(within=60)
