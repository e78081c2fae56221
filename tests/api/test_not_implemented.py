"""Fields that are accepted but not acted on are named; fields that are acted on, and defaults, are not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from gateway_operator.api.v1alpha1 import KINDS, not_implemented, validate
from gateway_operator.api.v1alpha1.messages import field_named, model_at
from gateway_operator.api.v1alpha1.not_implemented import ACTED_ON

CASES = Path(__file__).parents[1] / "crd" / "cases"


def _paths(case: str) -> list[str]:
    manifest: dict[str, Any] = yaml.safe_load((CASES / f"{case}.yaml").read_text())
    return [path for path, _ in not_implemented(validate(manifest))]


@pytest.mark.parametrize(
    "case",
    [
        "gatewaydeployment/accepted-smallest",
        "gatewaydeployment/accepted-allowed-bindings-by-selector",
        "gatewaydeployment/accepted-egress-no-proxy",
        "gatewaydeployment/accepted-null-is-unset",
        "gatewaydeployment/accepted-addresses-of-both-families",
        "gatewaydeployment/accepted-autoscaling",
        "gatewaydeployment/accepted-exposure-http-route",
        "gatewaydeployment/accepted-network-policy-peers",
        "gatewaydeployment/accepted-pod-template",
        "gatewaydeployment/accepted-oidc-every-field",
        "gatewaydeployment/accepted-oidc-public-client",
        "gatewaydeployment/accepted-store-embedded",
        "providerbinding/accepted-smallest",
        "providerbinding/accepted-anthropic-oauth-token",
        "providerbinding/accepted-anthropic-workload-identity",
        "providerbinding/accepted-bedrock-bearer-token",
        "providerbinding/accepted-claude-platform-aws-access-key",
        "providerbinding/accepted-foundry-entra",
        "providerbinding/accepted-vertex-ai-impersonation",
        "providerbinding/accepted-listed-models-only",
        "gatewaypolicy/accepted-smallest",
        "gatewaypolicy/accepted-deny",
        "gatewaypolicy/accepted-each-kind-of-match",
    ],
)
def test_nothing_to_say(case: str) -> None:
    assert _paths(case) == []


@pytest.mark.parametrize(
    ("case", "paths"),
    [
        ("providerbinding/accepted-everything", ["spec.pricing"]),
        ("gatewaypolicy/accepted-everything", ["spec.spendLimits"]),
    ],
)
def test_each_field_is_named(case: str, paths: list[str]) -> None:
    assert _paths(case) == paths


def test_a_value_that_is_the_default_is_not_named() -> None:
    # The API server writes defaults into the object: nobody asked for those.
    manifest = yaml.safe_load((CASES / "providerbinding/accepted-smallest.yaml").read_text())
    defaults = {"weight": 1, "forwardUserIdentity": False, "health": {"coolDown": "30s", "failuresBeforeCoolDown": 3}}
    assert not_implemented(validate({**manifest, "spec": {**manifest["spec"], **defaults}})) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_the_table_names_fields_that_exist(kind: type[BaseModel]) -> None:
    for path in ACTED_ON[kind]:
        *around, name = path.split(".")
        owner = model_at(kind, tuple(around))
        assert owner is not None, path
        assert field_named(owner, name), path
