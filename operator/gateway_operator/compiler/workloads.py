"""Workload issuers: whose tokens CI jobs and pods present, and whom they stand for.

A source with a rule that cannot be read is left out whole: with one rule less, a token could fall to a wider one.
"""

import re
from typing import Final

from gateway_config.contract import WorkloadIssuer, WorkloadRule
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.identity import Workload
from gateway_operator.compiler.findings import Finding, error
from gateway_operator.compiler.snapshot import ObjectRef

_TEMPLATE: Final = re.compile(r"(?:[^{}]|\{[^{}]+\})*")
"""Text in which every `{claim}` is whole."""


def compile_workloads(gateway: GatewayDeployment, ref: ObjectRef) -> tuple[tuple[WorkloadIssuer, ...], list[Finding]]:
    """In the order written."""
    issuers: list[WorkloadIssuer] = []
    findings: list[Finding] = []
    seen: dict[tuple[str, str], str] = {}
    for position, workload in enumerate(gateway.spec.identity.workloads):
        path = f"spec.identity.workloads[{position}]"
        problems = _template_problems(workload, path, ref)
        first = seen.setdefault((workload.issuer, workload.audience), workload.name)
        if first != workload.name:
            message = (
                f'"{first}" has this issuer and audience already, and a token could be either\'s: put the rules '
                "together there, or take another audience; this one is left out"
            )
            problems.append(error(ref, f"{path}.issuer", Reason.ISSUER_NOT_UNIQUE, message))
        findings += problems
        if not problems:
            issuers.append(_issuer(workload))
    return tuple(issuers), findings


def _issuer(workload: Workload) -> WorkloadIssuer:
    return WorkloadIssuer(
        name=workload.name,
        issuer=workload.issuer,
        audience=workload.audience,
        rules=tuple(
            WorkloadRule(match=dict(sorted(rule.match.items())), user=rule.user, groups=tuple(sorted(rule.groups)))
            for rule in workload.rules
        ),
    )


def _template_problems(workload: Workload, path: str, ref: ObjectRef) -> list[Finding]:
    message = "every brace must belong to a {claim}: write a claim's name between { and }; the workload is left out"
    return [
        error(ref, f"{path}.rules[{number}].user", Reason.INVALID, message)
        for number, rule in enumerate(workload.rules)
        if not _TEMPLATE.fullmatch(rule.user)
    ]
