"""Outcomes, pods and observations for tests of conditions, as short as they can be written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.compiler.findings import error, warning
from gateway_operator.reconcile.observer import Observation
from gateway_operator.reconcile.outcome import ObjectOutcome, Outcome, Replicas
from gateway_operator.reconcile.pods import PodState
from gateway_operator.reconcile.programmed import Fleet, fleet_of

CORP = ObjectRef("GatewayDeployment", "claude", "corp")
LAB = ObjectRef("GatewayDeployment", "lab", "lab")
BINDING = ObjectRef("ProviderBinding", "claude", "anthropic")
POLICY = ObjectRef("GatewayPolicy", "claude", "everyone")
NOW = "2026-11-23T10:00:00Z"
LATER = "2026-11-23T10:05:00Z"


def revision(number: int) -> str:
    return f"sha256:{number:064x}"


def pod(name: str, *, gateway: ObjectRef = CORP, **state: Any) -> PodState:
    """A ready pod."""
    given = {"ip": "10.0.0.1", "ready": True, "incarnation": "one"} | state
    return PodState(uid=f"uid-{name}", name=name, namespace=gateway.namespace, gateway=gateway, **given)


def says(sequence: int | None, *, error: str = "") -> Observation:
    return Observation(answered=True, sequence=sequence, revision=revision(sequence or 0), error=error)


def silent(sequence: int | None = None) -> Observation:
    return Observation(answered=False, sequence=sequence, error="no answer within 1 s")


def fleet(*loaded: Observation | int | None, unready: Iterable[PodState] = ()) -> Fleet:
    """Ready pods named `pod-0`, `pod-1`, … with what each has loaded; None: not asked yet."""
    seen = [says(each) if isinstance(each, int) else each for each in loaded]
    pods = [pod(f"pod-{number}") for number in range(len(seen))]
    observations = {each.uid: said for each, said in zip(pods, seen, strict=True) if said is not None}
    return fleet_of([*pods, *unready], observations)


def seen(
    ref: ObjectRef,
    *findings: Finding,
    sequence: int | None = 1,
    generation: int = 1,
    status: dict[str, Any] | None = None,
    uid: str = "",
) -> ObjectOutcome:
    return ObjectOutcome(
        ref=ref,
        uid=uid or f"uid-{ref.name}",
        generation=generation,
        findings=tuple(findings),
        revision=None if sequence is None else revision(sequence),
        sequence=sequence,
        status=orjson.dumps(status) if status else b"",
    )


def outcome(*objects: ObjectOutcome, gateway: ObjectRef = CORP, wanted: int = 1, **more: Any) -> Outcome:
    """Of a gateway that is well, unless one of `objects` is the gateway itself."""
    by_ref = {each.ref: each for each in (seen(gateway), *objects)}
    own = by_ref[gateway]
    given: dict[str, Any] = {
        "uid": own.uid,
        "generation": own.generation,
        "url": "https://claude.corp.example",
        "revision": revision(1),
        "sequence": 1,
        "replicas": Replicas(wanted=wanted),
        "selector": f"claude-gateway.dev/gateway={gateway.name}",
    }
    return Outcome(gateway=gateway, objects=by_ref, **(given | more))


def secret_missing(ref: ObjectRef = BINDING) -> Finding:
    return error(
        ref,
        "spec.anthropic.apiKeySecretRef",
        Reason.SECRET_NOT_FOUND,
        "Secret claude/anthropic does not exist",
        condition="ResolvedRefs",
    )


def refused(ref: ObjectRef, message: str = "is wrong", *, path: str = "spec.settings") -> Finding:
    return error(ref, path, Reason.POLICY_INVALID, message)


def unused(ref: ObjectRef, path: str = "spec.rateLimits") -> Finding:
    return warning(ref, path, Reason.NOT_IMPLEMENTED, "is accepted, but this version does not act on it yet")


def of(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of a type."""
    found: dict[str, Any] = next(each for each in status["conditions"] if each["type"] == kind)
    return found


def words(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and reason of every condition."""
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
