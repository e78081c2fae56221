"""Workload issuers: compiled in order, and left out whole where a token could fall to the wrong rule."""

from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, policy, secret

from gateway_config.contract import WorkloadIssuer, WorkloadRule
from gateway_operator.compiler import Compiled, Severity

GITHUB: dict[str, Any] = {
    "name": "github",
    "issuer": "https://token.actions.githubusercontent.com",
    "audience": "https://claude.corp.example",
    "rules": [
        {
            "match": {"repository_owner": "corp", "environment": "prod"},
            "user": "ci:{repository}",
            "groups": ["prod", "ci"],
        },
        {"match": {"repository_owner": "corp"}, "user": "ci"},
    ],
}


def with_workloads(*workloads: dict[str, Any]) -> Compiled:
    return compiled(gateway(identity={"workloads": list(workloads)}), binding(), policy(), secret())


def names(result: Compiled) -> list[str]:
    assert result.configuration is not None
    return [issuer.name for issuer in result.configuration.workload_issuers]


def test_issuers_and_rules_keep_their_order() -> None:
    result = with_workloads(GITHUB, {**GITHUB, "name": "gitlab", "issuer": "https://gitlab.example"})
    assert result.configuration is not None
    assert result.findings == ()
    assert result.configuration.workload_issuers[0] == WorkloadIssuer(
        name="github",
        issuer="https://token.actions.githubusercontent.com",
        audience="https://claude.corp.example",
        rules=(
            WorkloadRule(
                match={"environment": "prod", "repository_owner": "corp"}, user="ci:{repository}", groups=("ci", "prod")
            ),
            WorkloadRule(match={"repository_owner": "corp"}, user="ci"),
        ),
    )
    assert names(result) == ["github", "gitlab"]


@pytest.mark.parametrize("user", ["ci:{repository", "ci:repository}", "ci:{}", "{{repository}}", "{a{b}}"])
def test_a_template_with_a_loose_brace_leaves_the_workload_out(user: str) -> None:
    rules = [{"match": {"a": "b"}, "user": user}, {"match": {"a": "c"}, "user": "everyone"}]
    result = with_workloads({**GITHUB, "rules": rules}, {**GITHUB, "name": "other", "issuer": "https://gitlab.example"})
    assert names(result) == ["other"]
    (finding,) = result.findings
    assert (finding.path, finding.reason) == ("spec.identity.workloads[0].rules[0].user", "Invalid")
    assert finding.severity is Severity.ERROR


def test_one_issuer_with_one_audience_stands_once() -> None:
    result = with_workloads(GITHUB, {**GITHUB, "name": "again"}, {**GITHUB, "name": "third", "audience": "x"})
    assert names(result) == ["github", "third"]
    (finding,) = result.findings
    assert (finding.path, finding.reason) == ("spec.identity.workloads[1].issuer", "IssuerNotUnique")


def test_workload_tokens_need_no_store() -> None:
    result = with_workloads(GITHUB)
    assert result.configuration is not None
    assert result.configuration.store is None
