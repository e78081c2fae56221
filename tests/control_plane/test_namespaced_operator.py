"""An operator for a list of namespaces neither touches nor asks for anything elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.api_server import OPERATOR, ApiServer
from tests.control_plane.examples import Example, as_operator
from tests.control_plane.operator_process import new_namespace, running_operator


def test_other_namespaces_are_not_even_looked_at(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    ours, theirs = (Example(api, new_namespace(api, prefix)).create() for prefix in ("ours", "theirs"))
    outside = Example(api, theirs.namespace, "outside")
    # what names our gateway from outside, and what of ours names a gateway there
    inward = outside.policy["spec"] | {"gatewayRefs": [{"name": ours.name, "namespace": ours.namespace}]}
    api.create(outside.policy | {"spec": inward}).accepted()
    outward = Example(api, ours.namespace, "outward")
    refs = [{"name": ours.name}, {"name": theirs.name, "namespace": theirs.namespace}]
    spec = {"gatewayRefs": refs, "priority": 1, "matches": [{"groups": ["abroad"]}]}
    api.create(outward.policy | {"spec": outward.policy["spec"] | spec}).accepted()
    before = {each: api.read(each_manifest) for each, each_manifest in _objects(theirs).items()}
    log = control_plane.audit_log
    log.skip()
    lease = new_namespace(api, "operator")
    with running_operator(
        as_operator(control_plane), folder=tmp_path, namespaces=[ours.namespace], lease_namespace=lease
    ) as operator:
        operator.wait_until_synced()
        ours.wait_for_children()
        ours.wait_for(ours.policy, "Programmed", ("False", "NoReadyPods"))
        ours.wait_for(outward.policy, "Accepted", ("True", "Accepted"))
        assert operator.stop() == 0

    asked = [each for each in log.news() if each.user == OPERATOR and each.resource]
    places = {each.namespace for each in asked}
    whole = {each.resource for each in asked if not each.namespace}
    assert places <= {ours.namespace, lease, ""}, places
    assert whole <= {"customresourcedefinitions", "namespaces"}, whole
    assert {each: api.read(each_manifest) for each, each_manifest in _objects(theirs).items()} == before
    assert set(theirs.missing()) == theirs.children.keys()


def _objects(example: Example) -> dict[str, dict[str, object]]:
    return {each["kind"]: each for each in (example.gateway, example.binding, example.policy)}
