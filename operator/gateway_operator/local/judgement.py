"""Everything that can be said against the manifests of some directories, in the order of the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from gateway_operator.compiler import Finding, ObjectRef, Severity, Validation, lint
from gateway_operator.local.manifests import DirectoryUnreadableError, ManifestReader, Manifests, Problem
from gateway_operator.local.placeholders import ELSEWHERE, with_placeholders

UNREADABLE_REASON = "Unreadable"
FAULT_REASON = "Invalid"


class LocatedFinding(NamedTuple):
    """With the file and line that it is about, also for what kept a file from being read."""

    problem: Problem
    severity: Literal["Error", "Warning"]
    reason: str
    """Stable CamelCase."""
    ref: ObjectRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    findings: tuple[LocatedFinding, ...]
    notes: tuple[Problem, ...] = ()
    objects: int = 0
    unreadable: bool = False
    """Something could not be read at all, so the rest may look worse or better than it is."""

    @property
    def errors(self) -> int:
        return sum(finding.severity == "Error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors


def judge(directories: Sequence[Path]) -> Judgement:
    """Reads the directories together, as the objects of one cluster."""
    try:
        return judged(ManifestReader(directories).read())
    except DirectoryUnreadableError as error:
        return Judgement(findings=(LocatedFinding(error.problem, "Error", UNREADABLE_REASON),), unreadable=True)


def judged(manifests: Manifests) -> Judgement:
    """What can be said against manifests that were read, from files or from a cluster."""
    findings = [LocatedFinding(problem, "Error", UNREADABLE_REASON) for problem in manifests.unreadable]
    findings += [LocatedFinding(problem, "Error", FAULT_REASON) for problem in manifests.faults]
    findings += [_located(manifests, finding) for finding in _findings(manifests)]
    return Judgement(
        findings=tuple(sorted(set(findings), key=lambda finding: (finding.problem, finding.severity, finding.reason))),
        notes=manifests.notes,
        objects=manifests.objects,
        unreadable=bool(manifests.unreadable),
    )


def _findings(manifests: Manifests) -> set[Finding]:
    """With what lies elsewhere taken to be there, or one missing Secret would be told again of all that needs it."""
    validation = Validation()
    snapshot = manifests.snapshot
    findings = set(lint(snapshot, validation=validation))
    absent = {finding for finding in findings if finding.reason in ELSEWHERE and manifests.elsewhere}
    if absent:
        findings = absent.union(lint(with_placeholders(snapshot, absent), validation=validation))
    return findings


def _located(manifests: Manifests, finding: Finding) -> LocatedFinding:
    elsewhere = finding.reason in ELSEWHERE and manifests.elsewhere
    is_error = finding.severity == Severity.ERROR and not elsewhere
    message = f"{finding.message} {elsewhere}; it has to be in the cluster" if elsewhere else finding.message
    problem = manifests.problem(finding.ref, finding.path, message)
    return LocatedFinding(problem, "Error" if is_error else "Warning", finding.reason, finding.ref)
