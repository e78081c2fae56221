"""Conditions and statuses of the three kinds, composed from what is known. Pure: the time is given.

A status is a plain dictionary in the form in which the API server holds it, so that both can be compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway_operator.api.v1alpha1.conditions import STANDING, ConditionStatus, ConditionType, Reason
from gateway_operator.children.autoscaler import OPEN_STREAMS_METRIC
from gateway_operator.compiler import Finding, ObjectRef, Severity
from gateway_operator.compiler.findings import printable
from gateway_operator.reconcile.outcome import ObjectOutcome, Outcome
from gateway_operator.reconcile.programmed import PROGRAMMED, Fleet, Verdict, no_ready_pods, pod_problems, programmed

Status = dict[str, Any]

LISTED_FINDINGS: Final = 8
LONGEST_MESSAGE: Final = 4096
"""Characters. The schema allows 32768, which nobody reads; 1,000 policies' statuses lie in memory."""

ACCEPTED: Final = Verdict(ConditionStatus.TRUE, Reason.ACCEPTED)
RESOLVED: Final = Verdict(ConditionStatus.TRUE, Reason.RESOLVED_REFS)
READY: Final = Verdict(ConditionStatus.TRUE, Reason.READY)
PENDING: Final = Verdict(ConditionStatus.UNKNOWN, Reason.PENDING, "Waiting for the operator")


class Conditions(NamedTuple):
    """What is said of an object; of the four that are always there, and the one that is not."""

    accepted: Verdict = PENDING
    resolved_refs: Verdict = PENDING
    programmed: Verdict = PENDING
    ready: Verdict = PENDING
    metric_unavailable: Verdict | None = None

    @property
    def standing(self) -> tuple[Verdict, Verdict, Verdict, Verdict]:
        """In the order of `STANDING`."""
        return self.accepted, self.resolved_refs, self.programmed, self.ready

    def by_type(self) -> dict[ConditionType, Verdict]:
        found = dict(zip(STANDING, self.standing, strict=True))
        extra = self.metric_unavailable
        return found if extra is None else found | {ConditionType.METRIC_UNAVAILABLE: extra}


ALL_WELL: Final = Conditions(ACCEPTED, RESOLVED, PROGRAMMED, READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An object at one gateway."""

    generation: int
    revision: str | None
    conditions: Conditions


PENDING_REPORT: Final = Report(generation=0, revision=None, conditions=Conditions())
"""Of a gateway that has not looked at the object yet."""


def report(seen: ObjectOutcome, *, outcome: Outcome, fleet: Fleet) -> Report:
    """What a gateway says of a binding or policy that names it."""
    accepted, resolved = _judged(seen.findings, seen.ref)
    loaded = programmed(seen.sequence, accepted=accepted, resolved=resolved, outcome=outcome, fleet=fleet)
    conditions = Conditions(accepted, resolved, loaded, _ready(accepted, resolved, loaded))
    if conditions == ALL_WELL:
        conditions = ALL_WELL  # one for all objects: 10,000 of them are held
    return Report(generation=seen.generation, revision=seen.revision, conditions=conditions)


def gateway_conditions(outcome: Outcome, fleet: Fleet) -> Conditions:
    """Of the gateway itself, where it exists."""
    own = outcome.objects.get(outcome.gateway)
    if own is None:
        return Conditions()
    accepted, resolved = _judged((*own.findings, *_as_warnings(outcome.key_findings)), outcome.gateway)
    loaded = programmed(own.sequence, accepted=accepted, resolved=resolved, outcome=outcome, fleet=fleet)
    ready = _ready(accepted, resolved, loaded)
    if ready.holds and len(fleet.ready) < outcome.replicas.wanted:
        ready = Verdict(ConditionStatus.FALSE, Reason.PODS_NOT_READY, _too_few(outcome, fleet))
    elif ready.holds and (failing := fleet.failing):
        # without this, a rollout that never ends would be told by nobody
        message = f"the pods that are ready serve on, but others do not start: {pod_problems(failing)}"
        ready = Verdict(ConditionStatus.FALSE, Reason.PODS_NOT_READY, _bounded(message))
    return Conditions(accepted, resolved, loaded, ready, _metric(outcome))


def gateway_status(outcome: Outcome, fleet: Fleet, *, previous: Mapping[str, Any], now: str) -> Status:
    """The whole status of the gateway. `previous` is the one that it replaces; `now` is RFC 3339."""
    conditions = gateway_conditions(outcome, fleet)
    status: Status = {
        "observedGeneration": outcome.generation,
        "conditions": _stamped(conditions, outcome.generation, previous.get("conditions"), now),
        "replicas": fleet.existing,
        "readyReplicas": len(fleet.ready),
        "programmedReplicas": fleet.programmed(outcome.sequence),
    }
    optional = {"url": outcome.url, "revision": outcome.revision, "selector": outcome.selector}
    return status | {name: value for name, value in optional.items() if value}


def attached_status(reports: Mapping[ObjectRef, Report], *, previous: Mapping[str, Any], now: str) -> Status:
    """The whole status of a binding or policy, from its reports at the gateways that it names."""
    ordered = sorted(reports.items())
    generation = min((each.generation for _, each in ordered if each is not PENDING_REPORT), default=0)
    before = {(entry.get("namespace"), entry.get("name")): entry for entry in previous.get("gateways") or ()}
    entries = []
    for gateway, each in ordered:
        old = before.get((gateway.namespace, gateway.name), {})
        entry: Status = {"namespace": gateway.namespace, "name": gateway.name}
        if each.revision:
            entry["revision"] = each.revision
        entry["conditions"] = _stamped(each.conditions, each.generation, old.get("conditions"), now)
        entries.append(entry)
    status: Status = {
        "conditions": _stamped(_summary(ordered), generation, previous.get("conditions"), now),
        "gateways": entries,
    }
    return status | ({"observedGeneration": generation} if generation else {})


def report_of_entry(entry: Mapping[str, Any]) -> Report:
    """A report as it was written: of a gateway that has not been looked at since the operator's start."""
    found = {each.get("type"): each for each in entry.get("conditions") or ()}
    verdicts = [
        Verdict(
            ConditionStatus(found[kind].get("status", "Unknown")),
            found[kind].get("reason") or PENDING.reason,
            found[kind].get("message") or "",
        )
        if kind in found
        else PENDING
        for kind in STANDING
    ]
    generations = [each.get("observedGeneration") or 0 for each in found.values()]
    return Report(
        generation=min(generations, default=0), revision=entry.get("revision"), conditions=Conditions(*verdicts)
    )


def _judged(findings: Iterable[Finding], ref: ObjectRef) -> tuple[Verdict, Verdict]:
    """Accepted and ResolvedRefs."""
    listed = tuple(findings)
    if not listed:
        return ACCEPTED, RESOLVED
    errors = [finding for finding in listed if finding.severity is Severity.ERROR]
    refused = [finding for finding in errors if finding.condition == "Accepted"]
    unresolved = [finding for finding in errors if finding.condition == "ResolvedRefs"]
    warnings = [finding for finding in listed if finding.severity is Severity.WARNING]
    if refused:
        accepted = Verdict(ConditionStatus.FALSE, refused[0].reason, _message(refused, ref))
    elif warnings:
        accepted = Verdict(ConditionStatus.TRUE, Reason.ACCEPTED_WITH_WARNINGS, _message(warnings, ref))
    else:
        accepted = ACCEPTED
    if unresolved:
        return accepted, Verdict(ConditionStatus.FALSE, unresolved[0].reason, _message(unresolved, ref))
    return accepted, RESOLVED


def _as_warnings(findings: Iterable[Finding]) -> list[Finding]:
    """A broken key is left out; the gateway stays accepted."""
    return [finding._replace(severity=Severity.WARNING, condition="Accepted") for finding in findings]


def _message(findings: Sequence[Finding], ref: ObjectRef) -> str:
    texts = []
    for finding in findings[:LISTED_FINDINGS]:
        where = [str(finding.ref)] if finding.ref != ref else []
        where += [finding.path] if finding.path else []
        texts.append(": ".join([*where, finding.message]))
    more = len(findings) - len(texts)
    return _bounded("; ".join(texts), f"; and {more} more" if more else "")


def _bounded(text: str, end: str = "") -> str:
    room = LONGEST_MESSAGE - len(end)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + end


def _ready(*parts: Verdict) -> Verdict:
    """True when all are; else the first that is False says why, else the first that is not known."""
    for status in (ConditionStatus.FALSE, ConditionStatus.UNKNOWN):
        for verdict in parts:
            if verdict.status is status:
                return verdict
    return READY


def _too_few(outcome: Outcome, fleet: Fleet) -> str:
    wanted = outcome.replicas.wanted
    if not fleet.ready:
        return no_ready_pods(fleet)
    problems = pod_problems(fleet.unready)
    return f"{len(fleet.ready)} of {wanted} pods are ready" + (f": {problems}" if problems else "")


def _metric(outcome: Outcome) -> Verdict | None:
    state = outcome.autoscaler
    if state is None or not state.metric_problem:
        return None
    way_out = (
        "install metrics-server"
        if state.metric_reason == "FailedGetResourceMetric"
        else f"install an adapter that serves {OPEN_STREAMS_METRIC} of pods, or scale by cpuUtilization alone"
    )
    message = f"spec.autoscaling: {way_out}; the autoscaler says: {state.metric_problem}"
    return Verdict(ConditionStatus.TRUE, Reason.METRIC_UNAVAILABLE, _bounded(printable(message)))


def _summary(reports: Sequence[tuple[ObjectRef, Report]]) -> Conditions:
    """The conditions over all gateways: each holds where it holds everywhere."""
    if len(reports) == 1:
        return reports[0][1].conditions
    by_type = zip(*(found.conditions.standing for _, found in reports), strict=True)
    gateways = [gateway for gateway, _ in reports]
    return Conditions(*(_worst(list(zip(gateways, verdicts, strict=True))) for verdicts in by_type))


def _worst(verdicts: Sequence[tuple[ObjectRef, Verdict]]) -> Verdict:
    for status in (ConditionStatus.FALSE, ConditionStatus.UNKNOWN):
        for gateway, verdict in verdicts:
            if verdict.status is status:
                return _told_of(gateway, verdict)
    # True everywhere: the one with something to say, such as a warning
    for gateway, verdict in verdicts:
        if verdict.message:
            return _told_of(gateway, verdict)
    return verdicts[0][1] if verdicts else PENDING


def _told_of(gateway: ObjectRef, verdict: Verdict) -> Verdict:
    return verdict._replace(
        message=_bounded(f"gateway {gateway.namespace}/{gateway.name}: {verdict.message}".rstrip(": "))
    )


_NEVER: Final = "1970-01-01T00:00:00Z"
"""What the schema's default says."""


def _stamped(conditions: Conditions, generation: int, previous: Any, now: str) -> list[Status]:
    """With the time of the last change of each status: a new reason or message is no such change."""
    before = {each.get("type"): each for each in previous or ()}
    stamped = []
    for kind, verdict in conditions.by_type().items():
        old = before.get(str(kind), {})
        since = old.get("lastTransitionTime") if old.get("status") == str(verdict.status) else None
        condition: Status = {
            "type": str(kind),
            "status": str(verdict.status),
            "reason": str(verdict.reason),
            "message": verdict.message,
            "lastTransitionTime": since if since and since != _NEVER else now,
        }
        if generation:
            condition["observedGeneration"] = generation
        stamped.append(condition)
    return stamped
