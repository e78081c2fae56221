"""A policy that cannot be compiled denies the callers whom it was to match, never fewer."""

from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, policy, reasons, secret, with_member

from gateway_config.callers import Caller, PolicyIndex
from gateway_config.contract import Configuration
from gateway_operator.compiler import Compiled, Resource, Severity

CONTRACTOR = Caller(user="eve@partner.example", groups=frozenset({"contractors"}))
ENGINEER = Caller(user="alice@corp.example", groups=frozenset({"engineering"}))
BROKEN: dict[str, Any] = {"noSuchField": 1}
OPEN = policy("everyone", access="Allow", age=1)
WORLD = (binding(), secret())


def configuration(result: Compiled) -> Configuration:
    assert result.configuration is not None
    return result.configuration


def denied(result: Compiled, caller: Caller) -> bool:
    decides = PolicyIndex(configuration(result)).deciding(caller)
    return decides is None or decides.invalid is not None or decides.access == "Deny"


def test_it_says_so_and_denies_its_callers_only() -> None:
    result = compiled(*WORLD, OPEN, policy("contractors", priority=5, matches=[{"groups": ["contractors"]}], **BROKEN))
    assert reasons(result.findings)["claude/contractors"] == {"PolicyInvalid"}
    (finding,) = [each for each in result.findings if each.severity is Severity.ERROR]
    assert finding.path == "spec.noSuchField"
    (invalid,) = configuration(result).policies
    assert invalid.invalid is not None
    assert "noSuchField" in invalid.invalid
    assert (invalid.models, invalid.upstreams) == ((), ())
    assert denied(result, CONTRACTOR)
    assert not denied(result, ENGINEER)


@pytest.mark.parametrize(
    ("matches", "contractor", "engineer"),
    [
        ([{"groups": ["contractors"]}], True, False),
        ([{"groups": ["contractors"], "users": "eve@partner.example"}], True, False),
        ([{"groups": ["contractors"], "color": ["red"]}], True, False),
        ([{"users": ["EVE@partner.example"]}], True, False),
        ([{"emailDomains": ["Partner.example"]}], True, False),
        ([{"emailDomains": ["@partner.example"]}], True, False),
        ([{"groups": ["nobody"]}], False, False),
        ([{"groups": ["nobody"]}, {"groups": "contractors"}], True, True),
        ([{"groups": ["nobody", 5]}], True, True),
        ([{"group": ["contractors"]}], True, True),
        ([{}], True, True),
        ([None], True, True),
        ([[]], True, True),
        ({"groups": ["contractors"]}, True, True),
        ("contractors", True, True),
        (7, True, True),
        (False, True, True),
        ([{"groups": ["\ud800"]}], True, True),
    ],
)
def test_a_condition_that_cannot_be_read_is_dropped(matches: Any, contractor: bool, engineer: bool) -> None:
    result = compiled(*WORLD, OPEN, policy("broken", priority=1, matches=matches, **BROKEN))
    assert denied(result, CONTRACTOR) is contractor
    assert denied(result, ENGINEER) is engineer


@pytest.mark.parametrize(
    ("priority", "comes_first"),
    [(20, True), (5, False), ("20", True), ("5", True), (None, False), ([], True), (True, True), (1.5, True)],
)
def test_a_priority_that_cannot_be_read_is_the_highest(priority: Any, comes_first: bool) -> None:
    sound = policy("sound", priority=10, access="Allow", matches=[{"groups": ["contractors"]}])
    broken = policy("broken", priority=priority, matches=[{"groups": ["contractors"]}], **BROKEN)
    assert denied(compiled(*WORLD, sound, broken), CONTRACTOR) is comes_first


@pytest.mark.parametrize("spec", [None, [], "spec", 5])
def test_without_a_readable_spec_it_speaks_of_everyone(spec: Any) -> None:
    broken = with_member(policy("broken"), "spec", spec)
    result = compiled(*WORLD, OPEN, policy("vip", priority=1000, matches=[{"groups": ["engineering"]}]), broken)
    assert denied(result, CONTRACTOR)
    assert denied(result, ENGINEER)


@pytest.mark.parametrize("refs", [None, [], "corp", [{"name": 5}], [None], [{"name": "corp", "namespace": []}]])
def test_gateways_that_cannot_be_read_are_all_that_would_let_it_in(refs: Any) -> None:
    def broken(namespace: str) -> Resource:
        written = policy("broken", namespace=namespace, matches=[{"groups": ["contractors"]}], priority=1)
        return with_member(written, "spec.gatewayRefs", refs)

    assert denied(compiled(*WORLD, OPEN, broken("claude")), CONTRACTOR)
    assert not denied(compiled(*WORLD, OPEN, broken("elsewhere")), CONTRACTOR)


def test_a_broken_policy_of_another_gateway_is_none_of_ours() -> None:
    result = compiled(*WORLD, OPEN, policy("broken", refs=[{"name": "other"}], **BROKEN))
    assert not denied(result, CONTRACTOR)
    assert result.findings == ()


def test_a_broken_base_layer_denies_everyone() -> None:
    team = policy("team", priority=1, access="Allow", matches=[{"groups": ["contractors"]}])
    result = compiled(*WORLD, policy("base", **BROKEN), team)
    assert denied(result, CONTRACTOR)
    assert denied(result, ENGINEER)
    (specific,) = configuration(result).policies
    assert specific.invalid is not None
    assert "claude/base" in specific.invalid
    assert "claude/team" not in reasons(result.findings)


def test_one_broken_base_policy_of_several_is_enough() -> None:
    result = compiled(*WORLD, policy("one", access="Allow", age=1), policy("two", age=2, **BROKEN))
    assert denied(result, ENGINEER)
    base = configuration(result).base
    assert base is not None
    assert base.name == "claude/two"


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"mcpServers": {}}, "spec.settings.mcpServers"),
        ({"permissions": {"deny": "WebFetch"}}, "spec.settings.permissions.deny"),
        ({"availableModels": []}, "spec.settings.availableModels"),
    ],
)
def test_settings_that_cannot_be_merged_make_a_policy_invalid(settings: Any, path: str) -> None:
    result = compiled(
        *WORLD, OPEN, policy("team", priority=1, matches=[{"groups": ["contractors"]}], settings=settings)
    )
    assert denied(result, CONTRACTOR)
    assert not denied(result, ENGINEER)
    assert path in {finding.path for finding in result.findings if finding.reason == "PolicyInvalid"}


def test_spend_limits_without_a_store_are_not_left_open() -> None:
    limits = [{"period": "Monthly", "amountUSD": "200", "scope": "PerUser"}]
    result = compiled(*WORLD, OPEN, policy("t", priority=1, matches=[{"groups": ["contractors"]}], spendLimits=limits))
    assert "StoreRequired" in reasons(result.findings)["claude/t"]
    assert denied(result, CONTRACTOR)


def test_junk_for_a_name_still_denies() -> None:
    written = policy("broken", matches=[{"groups": ["contractors"]}], priority=1)
    strange = Resource(ref=written.ref._replace(name="No/Such\ud800 Name"), manifest=written.manifest, age=written.age)
    result = compiled(*WORLD, OPEN, strange)
    assert denied(result, CONTRACTOR)
    assert not denied(result, ENGINEER)
