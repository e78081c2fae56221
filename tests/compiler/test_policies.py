"""Which policies a gateway gets, in which order, laid over which base."""

from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, of, policy, secret

from gateway_config.canonical import canonical_json, sha256_hex
from gateway_config.contract import Policy, RateLimits
from gateway_operator.compiler import Compiled, Severity

WORLD = (binding(), binding("spare"), secret())
TEAM: dict[str, Any] = {"priority": 5, "matches": [{"groups": ["team"]}]}


def specific(result: Compiled) -> Policy:
    assert result.configuration is not None
    (only,) = result.configuration.policies
    return only


def settings_of(result: Compiled, decides: Policy) -> dict[str, Any] | None:
    assert result.configuration is not None
    if decides.settings is None:
        return None
    document = result.configuration.settings_documents[decides.settings]
    assert sha256_hex(canonical_json(document)) == decides.settings
    return document


def test_matching_order_is_priority_then_age_then_name() -> None:
    match = [{"groups": ["team"]}]
    result = compiled(
        *WORLD,
        policy("young", priority=1, matches=match, age=9),
        policy("old", priority=1, matches=match, age=1),
        policy("b-twin", priority=1, matches=match, age=5),
        policy("a-twin", priority=1, matches=match, age=5),
        policy("high", priority=7, matches=match, age=20),
        policy("unset", matches=match, age=0),
        policy("negative", priority=-3, matches=match, age=0),
    )
    assert result.configuration is not None
    names = [each.name.partition("/")[2] for each in result.configuration.policies]
    assert names == ["high", "old", "a-twin", "b-twin", "young", "unset", "negative"]
    same = of(result.findings, reason="SamePriority")
    assert {finding.ref.name for finding in same} == {"old", "a-twin", "b-twin", "young"}
    assert all(finding.severity is Severity.WARNING and finding.path == "spec.priority" for finding in same)


def test_matches_are_normalised_for_comparison() -> None:
    matches = [{"users": ["Alice@Corp.Example"], "emailDomains": ["Corp.Example"], "groups": ["Keep-Case"]}]
    (match,) = specific(compiled(*WORLD, policy(matches=matches))).matches
    assert (match.users, match.email_domains, match.groups) == (
        ("alice@corp.example",),
        ("corp.example",),
        ("Keep-Case",),
    )


@pytest.mark.parametrize(
    ("base", "team", "access", "models", "upstreams"),
    [
        ({}, {}, "Allow", None, None),
        ({"access": "Deny"}, {}, "Deny", None, None),
        ({"access": "Deny"}, {"access": "Allow"}, "Allow", None, None),
        ({"access": "Allow"}, {"access": "Deny"}, "Deny", None, None),
        ({"availableModels": ["claude-opus-5"]}, {}, "Allow", ("claude-opus-5",), None),
        ({"availableModels": ["claude-opus-5"]}, {"availableModels": []}, "Allow", (), None),
        (
            {"availableModels": ["claude-opus-5"]},
            {"availableModels": ["claude-sonnet-5", "claude-haiku-4-5[1m]", "CLAUDE-SONNET-5"]},
            "Allow",
            ("claude-haiku-4-5-20251001", "claude-sonnet-5"),
            None,
        ),
        ({}, {"availableModels": ["claude-opus-9"]}, "Allow", (), None),
        ({"providers": [{"name": "spare"}]}, {}, "Allow", None, ("claude/spare",)),
        ({"providers": [{"name": "spare"}]}, {"providers": []}, "Allow", None, None),
        (
            {},
            {"providers": [{"name": "spare"}, {"name": "anthropic"}]},
            "Allow",
            None,
            ("claude/anthropic", "claude/spare"),
        ),
        ({}, {"providers": [{"name": "gone"}]}, "Allow", None, ()),
        ({"providers": [{"name": "spare"}]}, {"providers": [{"name": "gone"}]}, "Allow", None, ()),
        ({}, {"providers": [{"name": "spare", "namespace": "other"}]}, "Allow", None, ()),
    ],
)
def test_the_first_match_is_laid_over_the_base_layer(
    base: Any, team: Any, access: str, models: Any, upstreams: Any
) -> None:
    result = compiled(*WORLD, policy("base", **base), policy("team", **TEAM, **team))
    decides = specific(result)
    assert (decides.access, decides.models, decides.upstreams) == (access, models, upstreams)
    assert decides.invalid is None


def test_without_a_base_layer_there_is_none() -> None:
    result = compiled(*WORLD, policy("team", **TEAM))
    assert result.configuration is not None
    assert result.configuration.base is None


def test_a_model_that_nobody_knows_grants_nothing_and_is_told() -> None:
    result = compiled(*WORLD, policy(availableModels=["claude-opus-9", "claude-opus-5"]))
    (finding,) = result.findings
    assert (finding.reason, finding.path, finding.severity) == (
        "ModelUnknown",
        "spec.availableModels[0]",
        Severity.WARNING,
    )
    assert "spec.models.custom" in finding.message


def test_custom_models_of_the_gateway_may_be_granted() -> None:
    listed = [{"id": "claude-internal-1", "upstreamID": "ft-77"}]
    result = compiled(
        gateway(models={"custom": [{"id": "claude-internal-1"}]}),
        binding(models=listed),
        secret(),
        policy(availableModels=["Claude-Internal-1"]),
    )
    assert result.configuration is not None
    assert result.configuration.base is not None
    assert result.configuration.base.models == ("claude-internal-1",)
    assert result.findings == ()


def test_a_granted_model_that_nothing_serves_is_told() -> None:
    result = compiled(
        gateway(models={"custom": [{"id": "claude-internal-1"}]}),
        *WORLD,
        policy(availableModels=["claude-internal-1", "claude-opus-5"]),
    )
    (finding,) = result.findings
    assert (finding.reason, finding.path) == ("ModelNotServed", "spec.availableModels")
    assert '"claude-internal-1"' in finding.message


@pytest.mark.parametrize(
    ("provider", "reason", "condition"),
    [
        ({"name": "gone"}, "BindingNotFound", "ResolvedRefs"),
        ({"name": "elsewhere"}, "BindingNotFound", "ResolvedRefs"),
        ({"name": "keyless"}, "BindingLeftOut", "Accepted"),
    ],
)
def test_a_provider_that_cannot_be_used_is_told(provider: Any, reason: str, condition: str) -> None:
    keyless = {"apiKeySecretRef": {"name": "nowhere", "key": "api-key"}}
    result = compiled(
        *WORLD,
        gateway("other"),
        binding("elsewhere", refs=[{"name": "other"}]),
        binding("keyless", anthropic=keyless),
        policy(providers=[{"name": "spare"}, provider]),
    )
    (finding,) = [finding for finding in result.findings if finding.ref.kind == "GatewayPolicy"]
    assert (finding.reason, finding.condition, finding.path) == (reason, condition, "spec.providers[1]")
    assert result.configuration is not None
    assert result.configuration.base is not None
    assert result.configuration.base.upstreams == ("claude/spare",)


def test_several_base_policies_merge_by_age() -> None:
    result = compiled(
        *WORLD,
        policy("young", age=2, availableModels=["claude-opus-5"], settings={"permissions": {"deny": ["B"]}}),
        policy(
            "old", age=1, access="Deny", availableModels=[], settings={"permissions": {"deny": ["A"]}, "model": "x"}
        ),
    )
    assert result.configuration is not None
    base = result.configuration.base
    assert base is not None
    assert (base.access, base.models) == ("Deny", ("claude-opus-5",))
    assert settings_of(result, base) == {
        "permissions": {"deny": ["A", "B"]},
        "model": "x",
        "availableModels": ["claude-opus-5"],
    }
    warned = of(result.findings, reason="SeveralBasePolicies")
    assert {finding.ref.name for finding in warned} == {"old", "young"}
    assert "claude/old, claude/young" in warned[0].message


@pytest.mark.parametrize(
    ("spec", "warned"),
    [({"matches": []}, True), ({}, False), ({"matches": None}, False), ({"matches": [{"groups": ["team"]}]}, False)],
)
def test_an_empty_list_of_matches_is_told(spec: Any, warned: bool) -> None:
    result = compiled(*WORLD, policy(access="Deny", **spec))
    assert result.configuration is not None
    assert (result.configuration.base is None) is bool(spec.get("matches"))
    findings = of(result.findings, reason="EmptyMatches", severity=Severity.WARNING)
    assert [(finding.path, finding.ref.name) for finding in findings] == ([("spec.matches", "everyone")] * warned)
    assert all("speaks of every caller" in finding.message for finding in findings)


@pytest.mark.parametrize(
    ("base", "team", "served"),
    [
        ({}, {}, None),
        ({}, {"settings": {}}, {}),
        ({"settings": {"model": "x"}}, {}, {"model": "x"}),
        ({}, {"availableModels": []}, {"availableModels": []}),
        (
            {},
            {"availableModels": ["claude-sonnet-5", "claude-haiku-4-5", "claude-opus-9"]},
            {"availableModels": ["claude-sonnet-5", "claude-haiku-4-5-20251001"]},
        ),
        (
            {
                "settings": {"permissions": {"deny": ["WebFetch"]}, "env": {"A": "1"}},
                "availableModels": ["claude-opus-5"],
            },
            {"settings": {"permissions": {"deny": ["Bash"]}, "env": {"B": "2"}}},
            {
                "permissions": {"deny": ["WebFetch", "Bash"]},
                "env": {"A": "1", "B": "2"},
                "availableModels": ["claude-opus-5"],
            },
        ),
    ],
)
def test_the_settings_that_the_client_gets(base: Any, team: Any, served: Any) -> None:
    result = compiled(*WORLD, policy("base", **base), policy("team", **TEAM, **team))
    assert settings_of(result, specific(result)) == served


def test_equal_settings_are_kept_once() -> None:
    teams = [policy(f"t{number}", priority=number, matches=[{"groups": [f"g{number}"]}]) for number in range(5)]
    result = compiled(*WORLD, policy("base", settings={"model": "x"}, availableModels=["claude-opus-5"]), *teams)
    assert result.configuration is not None
    assert len(result.configuration.settings_documents) == 1


@pytest.mark.parametrize(
    ("base", "team", "served"),
    [
        ({}, {}, RateLimits()),
        ({"requestsPerMinute": 60, "openStreams": 8}, {}, RateLimits(requests_per_minute=60, open_streams=8)),
        (
            {"requestsPerMinute": 60, "openStreams": 8},
            {"openStreams": 2, "tokensPerMinute": 9},
            RateLimits(requests_per_minute=60, tokens_per_minute=9, open_streams=2),
        ),
        ({"requestsPerMinute": 60}, {"requestsPerMinute": 0}, RateLimits()),
    ],
)
def test_rate_limits_are_taken_one_by_one_and_0_lifts_one(base: Any, team: Any, served: RateLimits) -> None:
    result = compiled(*WORLD, policy("base", rateLimits=base), policy("team", **TEAM, rateLimits=team))
    assert specific(result).rate_limits == served


def test_fields_of_later_versions_are_told() -> None:
    result = compiled(
        *WORLD, policy(rateLimits={"openStreams": 5}, spendLimits=[{"period": "Daily", "amountUSD": "5"}])
    )
    told = of(result.findings, reason="NotImplemented", severity=Severity.WARNING)
    assert {finding.path for finding in told} == {"spec.spendLimits"}
