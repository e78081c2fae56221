"""What counts as an edit of a child, and what does not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reconcile import world

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GatewayDeployment, validate
from gateway_operator.children import OPTIONAL_KINDS, children
from gateway_operator.compiler import ObjectRef
from gateway_operator.reconcile.drift import LIST_KEYS, WHOLE, differs, is_ours, with_fingerprint

REF = ObjectRef("GatewayDeployment", "claude", "corp")


def _wanted() -> dict[str, dict[str, Any]]:
    found = {}
    for exposure in ("Ingress", "LoadBalancer"):
        spec = {"exposure": {"type": exposure}, "autoscaling": {"minReplicas": 2, "maxReplicas": 5}}
        model = validate(world.gateway("claude", **spec))
        assert isinstance(model, GatewayDeployment)
        settings = world.SETTINGS
        for manifest in children(model, ref=REF, uid="u", settings=settings).wanted:
            found[f"{manifest['kind']}, {exposure}"] = manifest
    assert OPTIONAL_KINDS
    return found


WANTED = _wanted()
EXTRA = st.sampled_from(["text", 7, True, {"a": "b"}, ["x"], None])


def defaulted(value: Any, draw: Callable[[Any], Any], member: str = "") -> Any:
    """As the API server and others might have extended it: members everywhere, and items where lists are merged."""
    if member in WHOLE:
        return value
    if isinstance(value, dict):
        grown = {name: defaulted(each, draw, name) for name, each in value.items()}
        if draw(st.booleans()) and not any("Fingerprint" in name for name in grown):
            grown["someDefault"] = draw(EXTRA)
        return grown
    if isinstance(value, list):
        items = [defaulted(each, draw) for each in value]
        keys = LIST_KEYS.get(member, ((),))
        merged = any(keyed and all(isinstance(item, dict) and keyed[0] in item for item in value) for keyed in keys)
        if value and merged and member != "ports" and draw(st.booleans()):
            items.insert(0, dict.fromkeys(keys[0], "another"))
        return items
    return value


@given(data=st.data(), name=st.sampled_from(sorted(WANTED)))
def test_what_was_added_is_no_drift(data: st.DataObject, name: str) -> None:
    sent = with_fingerprint(WANTED[name])
    live = defaulted(copy.deepcopy(sent), data.draw) | {"status": {"replicas": 1}}
    assert not differs(sent, live)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for name, each in value.items() for found in leaves(each, (*path, name))]
    if isinstance(value, list):
        return [found for position, each in enumerate(value) for found in leaves(each, (*path, position))]
    return [path]


@given(data=st.data(), name=st.sampled_from(sorted(WANTED)))
def test_every_value_that_is_changed_or_gone_is_drift(data: st.DataObject, name: str) -> None:
    sent = with_fingerprint(WANTED[name])
    path = data.draw(st.sampled_from(leaves(sent)))
    live = copy.deepcopy(sent)
    parent: Any = live
    for part in path[:-1]:
        parent = parent[part]
    if data.draw(st.booleans()) or isinstance(parent, list):
        parent[path[-1]] = "changed"
    else:
        del parent[path[-1]]
    assert differs(sent, live), path


def _service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    members = {"selector": {"a": "b"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "corp"}, "spec": members}


CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "the same": (_service(), False),
    "defaults": (_service(clusterIP="10.0.0.1", sessionAffinity="None"), False),
    "ports in another order, and one more": (
        _service(ports=[{"port": 81, "protocol": "TCP"}, {"name": "http", "port": 80, "protocol": "TCP"}]),
        False,
    ),
    "another port": (_service(ports=[{"name": "http", "port": 81, "protocol": "TCP"}]), True),
    "no ports": (_service(ports=[]), True),
    "the same port of another protocol": (_service(ports=[{"name": "http", "port": 80, "protocol": "UDP"}]), True),
    "more in the selector": (_service(selector={"a": "b", "c": "d"}), True),
    "no selector": (_service(selector=None), True),
    "a number as text": (_service(ports=[{"name": "http", "port": "80", "protocol": "TCP"}]), True),
}


@pytest.mark.parametrize(("live", "drift"), CASES.values(), ids=CASES)
def test_a_service(live: dict[str, Any], drift: bool) -> None:
    assert differs(_service(), live) is drift


def test_lists_of_one_owner_are_compared_whole() -> None:
    def policy(*cidrs: str) -> dict[str, Any]:
        rules = [{"from": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs], "ports": [{"port": 1, "protocol": "TCP"}]}]
        return {"kind": "NetworkPolicy", "metadata": {"name": "corp"}, "spec": {"ingress": rules}}

    assert not differs(policy("10.0.0.0/8"), policy("10.0.0.0/8"))
    assert differs(policy("10.0.0.0/8"), policy("10.0.0.0/8", "0.0.0.0/0"))
    opened = policy("10.0.0.0/8")
    opened["spec"]["ingress"][0]["ports"].append({"port": 2, "protocol": "TCP"})
    assert differs(policy("10.0.0.0/8"), opened)


def test_what_the_api_server_drops_is_not_missed() -> None:
    sent = {"kind": "X", "metadata": {"name": "x"}, "spec": {"list": [], "nothing": None, "empty": {}}}
    assert not differs(sent, {"kind": "X", "metadata": {"name": "x"}, "spec": {"empty": {}}})
    assert differs(sent, {"kind": "X", "metadata": {"name": "x"}, "spec": {}}), "an empty object may say something"


def test_data_of_a_secret_is_exact() -> None:
    sent = {"kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "eA=="}}
    assert not differs(sent, copy.deepcopy(sent))
    assert differs(sent, {**sent, "data": {"a": "eA==", "b": "eA=="}})
    assert differs(sent, {**sent, "data": None})


OURS = names.child_labels("corp")
OWNERS = {
    "ours": (OURS, [{"uid": "u"}], True),
    "ours and another owner's": (OURS, [{"uid": "x"}, {"uid": "u"}], True),
    "an orphan": (OURS, None, True),
    "of an earlier gateway": (OURS, [{"uid": "x"}], False),
    "of an earlier gateway, without the name": ({names.MANAGED_BY_LABEL: names.MANAGER}, [{"uid": "x"}], False),
    "an orphan without the name": ({names.MANAGED_BY_LABEL: names.MANAGER}, None, False),
    "ours, with another name on it": (names.child_labels("other"), [{"uid": "u"}], True),
    "ours, without the name": ({names.MANAGED_BY_LABEL: names.MANAGER}, [{"uid": "u"}], True),
    "ours, with the name alone": ({names.GATEWAY_LABEL: "corp"}, [{"uid": "u"}], True),
    "never marked": ({}, [{"uid": "u"}], False),
    "without labels": (None, None, False),
}


@pytest.mark.parametrize(("labels", "owners", "ours"), OWNERS.values(), ids=OWNERS)
def test_whose_it_is(labels: dict[str, str] | None, owners: list[dict[str, str]] | None, ours: bool) -> None:
    live = {"metadata": {"name": "corp", "labels": labels, "ownerReferences": owners}}
    assert is_ours(live, gateway=REF, uid="u") is ours
