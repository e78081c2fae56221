"""Somebody else is at a gateway's children: edits in between, foreign names, finalizers, refusals of the API server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import Manifest
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.faults.scenery import MODELS, WITHIN, Gateway

from gateway_operator.kube.resources import DEPLOYMENTS, SECRETS, SERVICES

FINALIZER = "example.com/held"
FEW_FAILURES = 12


@pytest.fixture
def gateway(api: ApiClient) -> Gateway:
    return Gateway(api, new_namespace(api)).create()


@pytest.fixture
def other(gateway: Gateway) -> Gateway:
    """Of the same namespace; nothing of it may suffer."""
    return Gateway(gateway.api, gateway.namespace, "other").create()


@pytest.fixture
def operator(api_server: ApiServer, gateway: Gateway, other: Gateway, tmp_path: Path) -> Iterator[OperatorProcess]:
    with running_operator(api_server, folder=tmp_path, namespaces=[gateway.namespace]) as running:
        running.wait_until_synced()
        for each in (gateway, other):
            each.wait_until_sound()
        yield running


def failures(operator: OperatorProcess) -> int:
    return sum("failed, attempt" in line["message"] for line in operator.log)


def assert_unaffected(other: Gateway) -> None:
    other.edit(other.policy, availableModels=["claude-opus-5-5"])
    other.wait_for_models("claude-opus-5-5")
    assert other.conditions(other.gateway)["Accepted"] == ("True", "Accepted")


def test_edits_between_our_read_and_our_write(gateway: Gateway, other: Gateway, operator: OperatorProcess) -> None:
    """Somebody writes on the very Secrets and the Deployment all the time; every change gets through all the same."""
    uids = gateway.uids()
    over = threading.Event()

    def meddle() -> None:
        number = 0
        while not over.wait(0.02):
            number += 1
            for each in (gateway.config, gateway.credentials, gateway.deployment):
                gateway.patch(each, {"metadata": {"annotations": {"example.com/number": str(number)}}})

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        for round_, model in enumerate(MODELS * 2, start=1):
            gateway.edit(gateway.policy, availableModels=[model])
            gateway.rotate(round_)
            gateway.wait_for_models(model)
            eventually(lambda: gateway.serves_credential(round_), within=WITHIN, what="the credential")  # noqa: B023
    finally:
        over.set()
        meddler.join()
    gateway.wait_until_sound()
    assert gateway.uids() == uids
    annotations = gateway.api.read(gateway.config)["metadata"]["annotations"]
    assert "example.com/number" in annotations, "what others wrote beside ours stays"


@pytest.mark.parametrize("kind", [SERVICES, DEPLOYMENTS, SECRETS], ids=lambda kind: kind.kind)
def test_a_foreign_object_of_a_childs_name(
    gateway: Gateway, other: Gateway, operator: OperatorProcess, kind: object
) -> None:
    """It is there before the gateway that would make it."""
    new = Gateway(gateway.api, gateway.namespace, "late")
    foreign = {SERVICES: _service(new), DEPLOYMENTS: _deployment(new), SECRETS: _secret(new)}[kind]
    before = gateway.api.create(foreign).accepted()
    new.create()
    seen = new.wait_for_condition(new.gateway, "Accepted", "NameTaken", says=foreign["metadata"]["name"])
    assert "delete or rename it" in seen["message"]
    assert gateway.api.read(foreign)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert_unaffected(other)
    gateway.api.delete(foreign).accepted()
    new.wait_until_sound()
    new.wait_for_children()
    assert failures(operator) < FEW_FAILURES


@pytest.mark.parametrize("child", ["Deployment/corp", "Service/corp", "Secret/corp-config", "Secret/corp-signing"])
def test_a_finalizer_keeps_a_child_terminating(
    gateway: Gateway, other: Gateway, operator: OperatorProcess, child: str
) -> None:
    manifest = gateway.children[child]
    held = gateway.patch(manifest, {"metadata": {"finalizers": [FINALIZER]}})
    gateway.api.delete(manifest).accepted()
    seen = gateway.wait_for_condition(gateway.gateway, "Accepted", "ChildTerminating", says=child.partition("/")[2])
    assert FINALIZER in seen["message"]
    assert_unaffected(other)
    gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
    gateway.wait_for_models("claude-haiku-5-5")

    gateway.patch(manifest, {"metadata": {"finalizers": None}})
    eventually(lambda: gateway.live(manifest), within=WITHIN, what=f"{child} is made anew")
    assert gateway.api.read(manifest)["metadata"]["uid"] != held["metadata"]["uid"]
    gateway.wait_until_sound()
    assert failures(operator) < FEW_FAILURES


def test_a_namespace_that_is_terminating(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    """Nothing can be created in it any more; no controller is there to end it."""
    ending, fresh, well = (Gateway(api, new_namespace(api)) for _ in range(3))
    ending.create()
    well.create()
    spaces = [each.namespace for each in (ending, fresh, well)]
    with running_operator(api_server, folder=tmp_path, namespaces=spaces) as operator:
        operator.wait_until_synced()
        for each in (ending, well):
            each.wait_until_sound()
        operator.kill()
        fresh.create()
        for each in (ending, fresh):
            api.delete(_namespace(each)).accepted()
        api.delete(ending.child(SERVICES)).accepted()
        operator.start()
        operator.wait_until_synced()
        says = "because it is being terminated"
        ending.wait_for_condition(ending.gateway, "Accepted", "ChildRefused", says=says)
        fresh.wait_for_condition(fresh.gateway, "Accepted", "ChildRefused", says="being terminated")
        ending.edit(ending.policy, availableModels=["claude-haiku-5-5"])
        ending.wait_for_models("claude-haiku-5-5")
        well.edit(well.policy, availableModels=["claude-haiku-5-5"])
        well.wait_for_models("claude-haiku-5-5")
        assert failures(operator) < FEW_FAILURES


@pytest.mark.parametrize("reason", ["Forbidden", "Invalid", "RequestEntityTooLarge"])
def test_an_admission_rule_refuses_every_child(
    gateway: Gateway, other: Gateway, operator: OperatorProcess, reason: str
) -> None:
    """In whichever of its ways the API server says so, and also for the very first Secret of a gateway."""
    new = Gateway(gateway.api, gateway.namespace, "late")
    rule = _rule(new, reason)
    for each in rule:
        gateway.api.create(each).accepted()
    try:
        eventually(lambda: gateway.api.create(_secret(new), dry_run=True).refusal, within=WITHIN, what="the rule works")
        new.create()
        new.wait_for_condition(new.gateway, "Accepted", "ChildRefused", says="late-signing")
        assert_unaffected(other)
        assert failures(operator) < FEW_FAILURES
    finally:
        for each in rule:
            gateway.api.delete(each).accepted()
    eventually(lambda: not gateway.api.create(_secret(new), dry_run=True).refusal, within=WITHIN, what="it is gone")
    gateway.patch(new.gateway, {"spec": {"replicas": 1}})
    new.wait_until_sound()


def _namespace(gateway: Gateway) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gateway.namespace}}


def _service(gateway: Gateway) -> Manifest:
    return {**gateway.child(SERVICES), "spec": {"ports": [{"port": 80}]}}


def _deployment(gateway: Gateway) -> Manifest:
    labels = {"app": "somebody-elses"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "main"}]}}
    return {**gateway.deployment, "spec": {"selector": {"matchLabels": labels}, "template": pod}}


def _secret(gateway: Gateway) -> Manifest:
    return {**gateway.config, "stringData": {"mine": "not yours"}}


def _rule(gateway: Gateway, reason: str) -> list[Manifest]:
    """Refuses every Secret that the operator, or the test in its place, makes for the gateway."""
    api_version, name = "admissionregistration.k8s.io/v1", f"{gateway.namespace}-{reason.lower()}"
    matches = {
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": gateway.namespace}},
    }
    allowed = [f"{gateway.name}-provider"]
    says = {"expression": f"object.metadata.name in {allowed}", "reason": reason, "message": "not in this house"}
    return [
        {
            "apiVersion": api_version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {"matchConstraints": matches, "validations": [says]},
        },
        {
            "apiVersion": api_version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]
