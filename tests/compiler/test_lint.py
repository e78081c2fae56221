"""Findings over all gateways, and on what belongs to none."""

from typing import Any

import pytest
from tests.compiler.manifests import CORP, binding, gateway, key, policy, reasons, secret, snapshot

from gateway_operator.compiler import Severity, StoreDefault, compile_gateway, lint


def test_objects_of_no_gateway_are_looked_at_too() -> None:
    found = lint(
        snapshot(
            binding("lost", refs=[{"name": "gone"}], type="Antropic"),
            policy("lost", refs=[{"name": "gone", "namespace": "far"}], noSuchField=1),
            policy("nowhere", refs="gone"),
            key("stray"),
        )
    )
    assert reasons(found) == {
        "claude/lost": {"Invalid", "PolicyInvalid", "GatewayNotFound"},
        "claude/nowhere": {"PolicyInvalid"},
        "claude/stray": {"GatewayNotFound"},
    }


def test_a_finding_is_told_once_however_many_gateways_share_the_object() -> None:
    both = [{"name": "corp"}, {"name": "other"}]
    found = lint(
        snapshot(gateway(), gateway("other"), binding(refs=both), policy(refs=both, availableModels=["claude-nothing"]))
    )
    assert [finding.reason for finding in found] == ["ModelUnknown", "SecretNotFound"]
    assert list(found) == sorted(found)


def test_a_broken_gateway_is_told_with_its_field() -> None:
    (finding,) = lint(snapshot(gateway(publicURL="ftp://x"), binding(), policy(), secret()))
    assert (finding.ref, finding.path, finding.severity) == (CORP, "spec.publicURL", Severity.ERROR)
    assert (finding.condition, finding.reason) == ("Accepted", "Invalid")


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (
            {"identity": {"oidc": [{"name": "okta", "issuer": "https://corp.okta.com", "clientID": "x"}]}},
            "spec.identity.oidc",
        ),
        ({"audit": {"store": True}}, "spec.audit.store"),
    ],
)
@pytest.mark.parametrize("store_default", ["None", "Embedded"])
def test_what_needs_a_store_says_so_where_there_is_none(spec: Any, path: str, store_default: StoreDefault) -> None:
    world = snapshot(gateway(**spec), binding(), policy(), secret())
    errors = [each for each in lint(world, store_default=store_default) if each.severity is Severity.ERROR]
    has_configuration = compile_gateway(world, CORP, store_default=store_default).configuration is not None
    assert has_configuration is (store_default == "Embedded")
    assert [(each.reason, each.path) for each in errors] == ([] if has_configuration else [("StoreRequired", path)])


def test_a_store_of_its_own_is_enough() -> None:
    world = snapshot(gateway(audit={"store": True}, store={"type": "Embedded"}), binding(), policy(), secret())
    assert not [each for each in lint(world) if each.severity is Severity.ERROR]


def test_fields_of_later_versions_are_told() -> None:
    found = lint(
        snapshot(
            gateway(spend={"multiplier": "2", "retention": "800h"}),
            binding(pricing=[{"id": "claude-opus-5-5", "inputPerMTok": "4", "outputPerMTok": "20"}]),
            policy(),
            secret(),
        )
    )
    assert {(each.ref.kind, each.path, each.reason, each.severity) for each in found} == {
        ("GatewayDeployment", "spec.spend.multiplier", "NotImplemented", Severity.WARNING),
        ("GatewayDeployment", "spec.spend.retention", "NotImplemented", Severity.WARNING),
        ("ProviderBinding", "spec.pricing", "NotImplemented", Severity.WARNING),
    }


def test_an_embedded_store_is_told_to_belong_to_one_pod() -> None:
    embedded = snapshot(gateway(store={"type": "Embedded"}), binding(), policy(), secret())
    found = {(each.path, each.reason, each.severity) for each in lint(embedded)}
    assert ("spec.store.type", "SinglePod", Severity.WARNING) in found
    # Without a cluster there is one process anyway.
    assert "SinglePod" not in {each.reason for each in lint(embedded, store_default="Embedded")}
