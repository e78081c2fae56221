"""Claude Desktop's block of a policy on its way into the configuration."""

from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, of, policy, secret

from gateway_config.callers import Caller
from gateway_operator.compiler import explain

WORLD = (gateway(), binding(), secret())
TEAM: dict[str, Any] = {"matches": [{"groups": ["team"]}]}


@pytest.mark.parametrize(
    ("base", "team", "merged"),
    [
        (None, None, None),
        ({}, None, {}),
        (None, {}, {}),
        ({"a": 1, "b": {"x": 1}}, {"b": {"y": 1}}, {"a": 1, "b": {"y": 1}}),
        (
            {"disabledBuiltinTools": ["A", "B"]},
            {"disabledBuiltinTools": ["B", "C"]},
            {"disabledBuiltinTools": ["A", "B", "C"]},
        ),
        (
            {"coworkEgressAllowedHosts": ["a.example"]},
            {"coworkEgressAllowedHosts": ["b.example"]},
            {"coworkEgressAllowedHosts": ["b.example"]},
        ),
    ],
)
def test_a_policy_is_laid_over_the_base_layer(base: Any, team: Any, merged: Any) -> None:
    given = {} if base is None else {"desktop": base}
    special = {} if team is None else {"desktop": team}
    result = compiled(*WORLD, policy("base", **given), policy("team", **TEAM, **special))
    assert result.configuration is not None
    (only,) = result.configuration.policies
    assert only.desktop == merged


@pytest.mark.parametrize(
    ("desktop", "path"),
    [
        ({"disabledBuiltinTools": "WebFetch"}, "spec.desktop.disabledBuiltinTools"),
        ({"coworkEgressAllowedHosts": [1]}, "spec.desktop.coworkEgressAllowedHosts"),
        ({"x": float("nan")}, "spec.desktop.x"),
    ],
)
def test_what_cannot_be_served_denies_its_callers(desktop: Any, path: str) -> None:
    result = compiled(*WORLD, policy("team", **TEAM, desktop=desktop))
    assert [finding.path for finding in of(result.findings, reason="PolicyInvalid")] == [path]
    assert result.configuration is not None
    assert result.configuration.policies[0].invalid is not None


def test_explain_says_who_configured_it() -> None:
    result = compiled(*WORLD, policy("base", desktop={"a": 1}), policy("team", **TEAM))
    told = explain(result, Caller(user="alice", groups=frozenset({"team"})))
    assert told.desktop == {"a": 1}
    assert [ref.name for ref in told.sources["desktop"]] == ["base"]
