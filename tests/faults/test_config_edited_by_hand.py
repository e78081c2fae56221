"""Somebody edits the Secrets that carry a configuration: pods keep the last good one, the operator repairs it."""

from __future__ import annotations

import base64
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.control_plane.pods import kubelet
from tests.faults.scenery import WITHIN, Gateway

from gateway_config.bundle import CREDENTIALS_FILE, INDEX_FILE


@pytest.fixture
def gateway(api: ApiClient) -> Gateway:
    return Gateway(api, new_namespace(api)).create()


@pytest.fixture
def operator(api_server: ApiServer, gateway: Gateway, tmp_path: Path) -> Iterator[OperatorProcess]:
    with running_operator(api_server, folder=tmp_path, namespaces=[gateway.namespace]) as running:
        running.wait_until_synced()
        gateway.wait_until_sound()
        yield running


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def garble_part(gateway: Gateway) -> None:
    gateway.patch(gateway.config, {"data": {"part-0": encoded(b"not what the index says")}})


def garble_index(gateway: Gateway) -> None:
    gateway.patch(gateway.config, {"data": {INDEX_FILE: encoded(b"{")}})


def empty(gateway: Gateway) -> None:
    gateway.patch(gateway.config, {"data": {INDEX_FILE: None, "part-0": None}})


def drop_credentials(gateway: Gateway) -> None:
    gateway.patch(gateway.credentials, {"data": {CREDENTIALS_FILE: None}})


def swap_credentials(gateway: Gateway) -> None:
    gateway.patch(gateway.credentials, {"data": {CREDENTIALS_FILE: encoded(b"{}")}})


def delete_all(gateway: Gateway) -> None:
    for each in (gateway.config, gateway.credentials):
        gateway.api.delete(each).accepted()


def replace(gateway: Gateway) -> None:
    """Deleted and made anew with another type, by somebody who copied the labels."""
    live = gateway.api.read(gateway.config)
    gateway.api.delete(gateway.config).accepted()
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    gateway.api.create({**live, "metadata": metadata, "type": "example.com/another"}).accepted()


EDITS = (garble_part, garble_index, empty, drop_credentials, swap_credentials, delete_all)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_is_repaired(gateway: Gateway, operator: OperatorProcess, edit: Callable[[Gateway], None]) -> None:
    before = gateway.bundle()
    edit(gateway)

    def repaired() -> bool:
        return gateway.loads(lambda loaded: loaded.configuration == before.configuration)

    eventually(repaired, within=WITHIN, what="it is repaired")
    assert gateway.bundle().credentials == before.credentials
    assert gateway.sequence() >= before.index.sequence
    gateway.wait_until_sound()


def test_a_proxy_keeps_what_it_has_until_then(
    gateway: Gateway, operator: OperatorProcess, api_server: ApiServer, tmp_path: Path
) -> None:
    """The operator sleeps meanwhile, so that the pod really mounts what somebody wrote."""
    with kubelet(api_server, folder=tmp_path) as node:
        pod, late = node.run_real(gateway.namespace, gateway.name)[0], None
        gateway.wait_for(gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)
        operator.signal(signal.SIGSTOP)
        try:
            garble_index(gateway)
            node.call(pod.refresh())
            eventually(lambda: "ConfigCorrupt" in pod.log.read_text(), within=WITHIN, what="the pod has seen it")
            late = node.run_real(gateway.namespace, gateway.name)[0]
        finally:
            operator.kill()
        assert _is_ready(gateway, pod.name)
        operator.start()
        operator.wait_until_synced()
        eventually(lambda: _is_ready(gateway, late.name), within=WITHIN, what="the pod that began with it is ready")
        gateway.wait_for(gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)
        assert _is_ready(gateway, pod.name)


def test_a_secret_that_cannot_be_repaired_is_named_with_the_way_out(
    gateway: Gateway, operator: OperatorProcess
) -> None:
    before = gateway.uids()
    operator.signal(signal.SIGSTOP)  # it would make the Secret again between our two steps
    try:
        replace(gateway)
    finally:
        operator.signal(signal.SIGCONT)
    seen = gateway.wait_for_condition(gateway.gateway, "Accepted", "ChildRefused", says="corp-config")
    assert "delete it" in seen["message"]
    gateway.api.delete(gateway.config).accepted()
    gateway.wait_until_sound()
    assert {name for name, uid in gateway.uids().items() if uid != before[name]} == {"Secret/corp-config"}


def test_a_secret_that_was_made_immutable_is_named_with_the_way_out(
    gateway: Gateway, operator: OperatorProcess
) -> None:
    gateway.patch(gateway.credentials, {"immutable": True})
    before = gateway.bundle().index
    gateway.rotate(3)
    seen = gateway.wait_for_condition(gateway.gateway, "Accepted", "ChildRefused", says="corp-credentials")
    assert "delete it" in seen["message"]
    assert gateway.bundle().index == before, "the last one stays whole"
    gateway.api.delete(gateway.credentials).accepted()
    eventually(lambda: gateway.serves_credential(3), within=WITHIN, what="the new credential")
    gateway.wait_until_sound()


def _is_ready(gateway: Gateway, pod: str) -> bool:
    path = f"/api/v1/namespaces/{gateway.namespace}/pods/{pod}"
    conditions = gateway.api.get(path).get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
