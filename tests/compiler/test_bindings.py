"""Bindings become upstreams with their models resolved."""

from typing import Any

import pytest
from tests.compiler.manifests import CANARY, binding, compiled, gateway, policy, reasons, secret

from gateway_config.models import ModelNames
from gateway_operator.compiler import Severity

CUSTOM = {"custom": [{"id": "claude-internal-1"}]}
KEY_REF = {"name": "anthropic", "key": "api-key"}


def upstream_models(**spec: Any) -> dict[str, str]:
    result = compiled(gateway(models=CUSTOM), binding(**spec), policy(), secret())
    assert result.configuration is not None
    return result.configuration.upstreams[0].models


def test_every_built_in_model_by_default_and_no_custom_one() -> None:
    models = upstream_models()
    assert models["claude-3-5-haiku-20241022"] == "claude-3-5-haiku-20241022"
    assert "claude-internal-1" not in models


@pytest.mark.parametrize("spelling", ["claude-haiku-4-5", "claude-haiku-4-5-20251001", "Claude-Haiku-4-5[1m]"])
def test_a_listed_model_may_be_spelled_in_any_way(spelling: str) -> None:
    models = upstream_models(models=[{"id": spelling, "upstreamID": "haiku-eu"}])
    assert models["claude-haiku-4-5-20251001"] == "haiku-eu"
    assert len(models) > 15


def test_a_custom_model_is_served_where_it_is_mapped() -> None:
    models = upstream_models(models=[{"id": "claude-internal-1", "upstreamID": "ft-77"}], onlyListedModels=True)
    assert models == {"claude-internal-1": "ft-77"}


def test_unknown_and_repeated_models_are_told_and_left_out() -> None:
    listed = [
        {"id": "claude-opus-9", "upstreamID": "x"},
        {"id": "claude-opus-5", "upstreamID": "first"},
        {"id": "CLAUDE-opus-5", "upstreamID": "second"},
    ]
    result = compiled(binding(models=listed, onlyListedModels=True), policy(), secret())
    assert result.configuration is not None
    assert result.configuration.upstreams[0].models == {"claude-opus-5": "first"}
    found = {(finding.path, finding.reason) for finding in result.findings}
    assert found == {("spec.models[0].id", "ModelUnknown"), ("spec.models[2].id", "ModelDuplicate")}
    (unknown,) = [finding for finding in result.findings if finding.reason == "ModelUnknown"]
    assert "spec.models.custom" in unknown.message


def test_a_binding_that_serves_nothing_says_so() -> None:
    listed = [{"id": "claude-opus-9", "upstreamID": "x"}]
    result = compiled(binding(models=listed, onlyListedModels=True), policy(), secret())
    assert "NoModels" in reasons(result.findings)["claude/anthropic"]


def test_upstreams_come_by_priority_then_by_name() -> None:
    result = compiled(
        binding("b", priority=10),
        binding("a", priority=10),
        binding("c", priority=200),
        binding("d"),
        policy(),
        secret(),
    )
    assert result.configuration is not None
    names = [upstream.name for upstream in result.configuration.upstreams]
    assert names.index("claude/c") == 0
    assert names.index("claude/a") < names.index("claude/b")


def test_weight_health_and_requests_at_once() -> None:
    said = {"weight": 3, "health": {"failuresBeforeCoolDown": 5, "coolDown": "1m30s"}, "maxConcurrentRequests": 20}
    result = compiled(binding("a", **said), binding("b"), policy(), secret())
    assert result.configuration is not None
    found, usual = result.configuration.upstreams
    assert (found.weight, found.max_concurrent_requests) == (3, 20)
    assert (found.health.failures_before_cool_down, found.health.cool_down_seconds) == (5, 90)
    assert (usual.weight, usual.max_concurrent_requests) == (1, 0)
    assert (usual.health.failures_before_cool_down, usual.health.cool_down_seconds) == (3, 30)
    assert not [one for one in result.findings if one.reason == "NotImplemented"]


def test_an_oauth_token_and_an_address_of_its_own() -> None:
    anthropic = {"baseURL": "https://gateway.corp.example/anthropic/", "oauthTokenSecretRef": KEY_REF}
    timeouts = {"connect": "1s", "firstByte": "1m30s", "idle": "1500ms"}
    result = compiled(binding(anthropic=anthropic, timeouts=timeouts), policy(), secret())
    assert result.configuration is not None
    (upstream,) = result.configuration.upstreams
    assert upstream.credential.kind == "OAuthToken"
    assert upstream.base_url == "https://gateway.corp.example/anthropic"
    assert upstream.timeouts.connect_seconds == 1
    assert upstream.timeouts.first_byte_seconds == 90
    assert upstream.timeouts.idle_seconds == 1.5


@pytest.mark.parametrize(
    ("region", "model", "upstream_id"),
    [
        ("us-east-1", "claude-opus-5-5", "us.anthropic.claude-opus-5-5"),
        ("us-west-2", "claude-opus-4-1-20250805", "us.anthropic.claude-opus-4-1-20250805-v1:0"),
        ("ca-central-1", "claude-fable-5-2", "us.anthropic.claude-fable-5-2"),
        ("eu-central-1", "claude-opus-4-6", "eu.anthropic.claude-opus-4-6-v1"),
        ("eu-west-1", "claude-haiku-5-5", "eu.anthropic.claude-haiku-5-5"),
        # No profile of Fable 5.1 and 5.2 is Europe's own.
        ("eu-west-1", "claude-fable-5-1", "global.anthropic.claude-fable-5-1"),
        # London and Zurich are no source of the European profiles.
        ("eu-west-2", "claude-opus-5-5", "global.anthropic.claude-opus-5-5"),
        ("ap-northeast-1", "claude-opus-5-5", "jp.anthropic.claude-opus-5-5"),
        ("ap-northeast-3", "claude-sonnet-4-6", "jp.anthropic.claude-sonnet-4-6"),
        ("ap-northeast-1", "claude-sonnet-5", "global.anthropic.claude-sonnet-5"),
        ("ap-northeast-1", "claude-sonnet-4-20250514", "apac.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("ap-southeast-2", "claude-opus-4-8", "au.anthropic.claude-opus-4-8"),
        ("ap-southeast-2", "claude-sonnet-5-5", "global.anthropic.claude-sonnet-5-5"),
        ("ap-southeast-1", "claude-3-7-sonnet-20250219", "apac.anthropic.claude-3-7-sonnet-20250219-v1:0"),
        ("ap-south-1", "claude-opus-5", "in.anthropic.claude-opus-5"),
        ("sa-east-1", "claude-opus-5-5", "global.anthropic.claude-opus-5-5"),
        ("me-south-1", "claude-haiku-4-5-20251001", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
        # Where no profile is known, the bare id.
        ("eu-central-1", "claude-opus-4-1-20250805", "anthropic.claude-opus-4-1-20250805-v1:0"),
        ("us-gov-west-1", "claude-opus-4-8", "us-gov.anthropic.claude-opus-4-8"),
        ("us-gov-west-1", "claude-haiku-5-5", "anthropic.claude-haiku-5-5"),
        ("cn-north-1", "claude-opus-5-5", "anthropic.claude-opus-5-5"),
    ],
)
def test_a_bedrock_id_has_the_prefix_that_its_region_and_model_go_by(region: str, model: str, upstream_id: str) -> None:
    models = upstream_models(type="Bedrock", bedrock={"region": region, "podIdentity": {}})
    assert models[model] == upstream_id


def test_a_binding_names_its_own_ids_instead() -> None:
    listed = [{"id": "eu.anthropic.claude-opus-5-5", "upstreamID": PROFILE}, {"id": "claude-haiku-5-5"}]
    bedrock = {"region": "eu-west-1", "podIdentity": {}}
    models = upstream_models(type="Bedrock", bedrock=bedrock, models=listed, onlyListedModels=True)
    assert models == {"claude-opus-5-5": PROFILE, "claude-haiku-5-5": "eu.anthropic.claude-haiku-5-5"}


PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/AbC123"


@pytest.mark.parametrize("spelling", [PROFILE, PROFILE.upper(), f"{PROFILE}[1m]"])
def test_an_arn_that_a_binding_names_means_its_model(spelling: str) -> None:
    bedrock = {"region": "eu-west-1", "podIdentity": {}}
    listed = [{"id": "claude-opus-5-5", "upstreamID": PROFILE}]
    result = compiled(
        binding("cloud", type="Bedrock", bedrock=bedrock, models=listed), policy(availableModels=[spelling])
    )
    assert result.configuration is not None
    assert ModelNames(result.configuration.models).canonical(spelling) == "claude-opus-5-5"
    assert result.configuration.base is not None
    assert result.configuration.base.models == ("claude-opus-5-5",)


def test_an_arn_that_no_binding_names_means_nothing() -> None:
    result = compiled(binding(), policy(availableModels=[PROFILE]), secret())
    assert "ModelUnknown" in reasons(result.findings)["claude/everyone"]


def test_a_broken_binding_leaves_the_others_standing() -> None:
    result = compiled(binding("broken", type="Antropic"), binding(), policy(), secret())
    assert result.configuration is not None
    assert [upstream.name for upstream in result.configuration.upstreams] == ["claude/anthropic"]
    (finding,) = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    assert (finding.ref.name, finding.path, finding.condition) == ("broken", "spec.type", "Accepted")


def test_two_bindings_may_share_a_secret() -> None:
    result = compiled(binding("one"), binding("two"), policy(), secret())
    assert result.credentials == {"claude/one": CANARY, "claude/two": CANARY}
