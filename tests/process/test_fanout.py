"""Which gateways an event of an object puts into the queue."""

from typing import Any

from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout, gateway_ref

CORP = gateway_ref("claude", "corp")
LAB = gateway_ref("lab", "lab")


def an(kind: str, name: str, spec: dict[str, Any], *, namespace: str = "claude", **metadata: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "uid": f"uid-{name}", "generation": 1, **metadata},
        "spec": spec,
    }


def a_binding(name: str = "anthropic", *, gateway: str = "corp", secret: str = "anthropic", **more: Any) -> Any:
    spec = {
        "gatewayRefs": [{"name": gateway}],
        "type": "Anthropic",
        "anthropic": {"apiKeySecretRef": {"name": secret, "key": "api-key"}},
    }
    return an("ProviderBinding", name, spec, **more)


def test_an_object_touches_the_gateways_that_it_names() -> None:
    policy = an("GatewayPolicy", "p", {"gatewayRefs": [{"name": "corp"}, {"name": "lab", "namespace": "lab"}]})
    assert Fanout().record(policy) == {CORP, LAB}
    assert Fanout().record(an("GatewayDeployment", "corp", {})) == {CORP}


def test_an_edit_touches_old_and_new_gateways() -> None:
    fanout = Fanout()
    fanout.record(a_binding(gateway="corp"))
    assert fanout.record(a_binding(gateway="other", generation=2)) == {CORP, gateway_ref("claude", "other")}
    assert fanout.referrers(CORP) == frozenset()
    assert fanout.targets() == {gateway_ref("claude", "other")}


def test_a_status_alone_touches_nobody() -> None:
    fanout = Fanout()
    fanout.record(a_binding())
    assert fanout.record({**a_binding(), "status": {"conditions": []}}) == frozenset()


def test_a_deletion_and_its_beginning_touch() -> None:
    fanout = Fanout()
    fanout.record(a_binding())
    assert fanout.record(a_binding(deletionTimestamp="2026-01-01T00:00:00Z")) == {CORP}
    assert fanout.forget(ObjectRef("ProviderBinding", "claude", "anthropic")) == {CORP}
    assert fanout.targets() == set()


def test_a_late_deletion_of_an_older_object_of_the_name_is_left_out() -> None:
    fanout = Fanout()
    fanout.record(a_binding(uid="new"))
    ref = ObjectRef("ProviderBinding", "claude", "anthropic")
    assert fanout.forget(ref, uid="old") == frozenset()
    assert fanout.gateways_of(ref) == {CORP}


def test_an_object_that_was_made_anew_under_its_name_touches() -> None:
    fanout = Fanout()
    fanout.record(a_binding(uid="old"))
    assert fanout.record(a_binding(uid="new")) == {CORP}


def test_a_secret_touches_the_gateways_of_every_object_that_refers_to_it() -> None:
    fanout = Fanout()
    fanout.record(a_binding("one", gateway="corp"))
    fanout.record(a_binding("two", gateway="other"))
    fanout.record(a_binding("elsewhere", gateway="far", namespace="lab"))
    assert fanout.gateways_of_secret("claude", "anthropic") == {CORP, gateway_ref("claude", "other")}
    assert fanout.gateways_of_secret("claude", "helm-release") == frozenset()
    fanout.record(a_binding("one", gateway="corp", secret="rotated", generation=2))
    assert fanout.gateways_of_secret("claude", "rotated") == {CORP}


def test_references_deep_in_a_gateway_count() -> None:
    fanout = Fanout()
    spec = {
        "identity": {"oidc": [{"clientSecretRef": {"name": "okta", "key": "s"}}]},
        "store": {"postgres": {"caRef": {"kind": "ConfigMap", "name": "db-ca", "key": "ca.crt"}}},
        "egress": {"caRef": {"kind": "Secret", "name": "corp-ca", "key": "ca.crt"}},
    }
    fanout.record(an("GatewayDeployment", "corp", spec))
    assert fanout.gateways_of_secret("claude", "okta") == {CORP}
    assert fanout.gateways_of_secret("claude", "corp-ca") == {CORP}
    assert fanout.gateways_of_config_map("claude", "db-ca") == {CORP}
    assert fanout.gateways_of_secret("claude", "db-ca") == frozenset()


def test_a_namespace_concerns_only_gateways_that_choose_by_labels() -> None:
    fanout = Fanout()
    selecting = {"allowedPolicies": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}}
    fanout.record(an("GatewayDeployment", "corp", selecting))
    fanout.record(an("GatewayDeployment", "other", {"allowedPolicies": {"namespaces": {"from": "All"}}}))
    assert fanout.gateways_selecting_namespaces() == {CORP}


def test_what_a_complete_list_lacks_is_forgotten_unless_it_came_meanwhile() -> None:
    fanout = Fanout()
    fanout.record(a_binding("gone"))
    since = fanout.mark()
    fanout.record(a_binding("new", gateway="other"))
    assert fanout.forget_missing("ProviderBinding", [], since=since) == {CORP}
    assert fanout.targets() == {gateway_ref("claude", "other")}


def test_broken_objects_are_taken_in_as_far_as_they_go() -> None:
    specs: list[Any] = [{"gatewayRefs": "corp"}, {"gatewayRefs": [None, {"name": 7}]}, None, {"aSecretRef": 1}]
    for spec in specs:
        assert Fanout().record(an("ProviderBinding", "broken", spec)) == frozenset()
