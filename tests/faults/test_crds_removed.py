"""The CRDs are removed under a running operator: it says so and ends, and takes nothing down with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import running_api_server
from tests.cluster.plugin import CRDS, with_crds
from tests.cluster.programs import API_SERVER, ensure
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.faults.scenery import Gateway

MISSING = 3


def gone(api: ApiClient, definition: Mapping[str, Any]) -> bool:
    return api.request("GET", api.path_of(definition)).status == 404


@pytest.mark.timeout(240)
def test_children_stay_and_are_taken_up_again(api_server: object, tmp_path: Path) -> None:
    """On an API server of its own, without the garbage collector, which would end what belongs to objects that are no
    more. `api_server` is asked for only so that the programs are built."""
    programs = ensure(API_SERVER, report=print)
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"]) as server:
        api = with_crds(server.client)
        namespace = new_namespace(api)
        gateway = Gateway(api, namespace).create()
        options = {"crd-wait-seconds": 1}
        with running_operator(server, folder=tmp_path, namespaces=[namespace], options=options) as operator:
            operator.wait_until_synced()
            gateway.wait_until_sound()
            gateway.wait_for_children()
            before, index = gateway.uids(), gateway.bundle().index
            # gateways first: one that is still there when its policies go is closed, as after any deletion of policies
            for path in sorted(CRDS.glob("*.yaml")):
                definition = yaml.safe_load(path.read_text())
                api.delete(definition).accepted()
                eventually(lambda: gone(api, definition), within=60, what=f"{path.stem} is gone")  # noqa: B023
            eventually(lambda: not operator.running, within=120, what="it ends")
            operator.start()
            assert operator.wait_for_exit(within=60) == MISSING
            assert "claude-gateway.dev" in operator.log[-1]["message"]
            assert gateway.uids() == before
            assert gateway.bundle().index == index
