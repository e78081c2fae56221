"""A Secret that a binding uses goes bad: the condition says field, value and way out, everything else goes on."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import Manifest
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.faults.scenery import CANARY, WITHIN, Gateway, credential


class Two(Gateway):
    """A gateway with a second binding and a Secret of its own."""

    @property
    def second_key(self) -> Manifest:
        metadata = {"name": "second-provider", "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"api-key": credential(2)}}

    @property
    def second(self) -> Manifest:
        spec = {"type": "Anthropic", "anthropic": {"apiKeySecretRef": {"name": "second-provider", "key": "api-key"}}}
        return self._object("ProviderBinding", "second", {"gatewayRefs": [{"name": self.name}], **spec})


@pytest.fixture
def gateway(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> Iterator[Two]:
    found = Two(api, new_namespace(api))
    found.create()
    for each in (found.second_key, found.second):
        api.create(each).accepted()
    with running_operator(api_server, folder=tmp_path, namespaces=[found.namespace]) as operator:
        operator.wait_until_synced()
        eventually(lambda: found.serves_credential(2), within=WITHIN, what="both bindings")
        yield found


def delete(gateway: Two) -> None:
    gateway.api.delete(gateway.provider_key).accepted()


def drop_the_key(gateway: Two) -> None:
    gateway.patch(gateway.provider_key, {"data": {"api-key": None}})


def empty_the_key(gateway: Two) -> None:
    gateway.patch(gateway.provider_key, {"data": {"api-key": ""}})


def break_the_key(gateway: Two) -> None:
    value = base64.b64encode(f"{credential(0)}\r\nX-Evil: {CANARY}".encode()).decode()
    gateway.patch(gateway.provider_key, {"data": {"api-key": value}})


def make_binary(gateway: Two) -> None:
    gateway.patch(gateway.provider_key, {"data": {"api-key": base64.b64encode(b"\xff\xfe\x00").decode()}})


def change_the_type(gateway: Two) -> None:
    """A Secret's type cannot be changed in place."""
    gateway.api.delete(gateway.provider_key).accepted()
    live = {**gateway.provider_key, "type": "helm.sh/release.v1"}
    gateway.api.create(live).accepted()


FAULTS = {
    delete: "SecretNotFound",
    drop_the_key: "SecretKeyNotFound",
    empty_the_key: "SecretInvalid",
    break_the_key: "SecretInvalid",
    make_binary: "SecretInvalid",
    change_the_type: "SecretNotAllowed",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_is_told_and_the_rest_goes_on(gateway: Two, fault: Callable[[Two], None]) -> None:
    before, uids = gateway.sequence(), gateway.uids()
    fault(gateway)
    seen = gateway.wait_for_condition(gateway.binding, "ResolvedRefs", FAULTS[fault])
    assert "spec.anthropic.apiKeySecretRef" in seen["message"]
    assert f"{gateway.namespace}/corp-provider" in seen["message"]
    assert CANARY not in seen["message"]
    eventually(lambda: not gateway.serves_credential(0), within=WITHIN, what="the broken binding is left out")
    assert gateway.serves_credential(2)
    assert gateway.condition(gateway.second, "ResolvedRefs")["status"] == "True"
    gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
    gateway.wait_for_models("claude-haiku-5-5")

    gateway.api.delete(gateway.provider_key)
    gateway.rotate(1)
    gateway.wait_for_condition(gateway.binding, "ResolvedRefs", "ResolvedRefs")
    eventually(lambda: gateway.serves_credential(1), within=WITHIN, what="the binding is back")
    assert gateway.sequence() > before
    assert gateway.uids() == uids
