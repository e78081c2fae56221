"""What one reconcile of one gateway came to: all that conditions, statuses and events are composed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway_operator.compiler import Finding, ObjectRef, Severity
from gateway_operator.reconcile.events import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOutcome:
    """One object, as one gateway sees it."""

    ref: ObjectRef
    uid: str
    generation: int
    """That the findings speak of."""
    findings: tuple[Finding, ...] = ()
    """Sorted; those of this object only."""
    revision: str | None = None
    sequence: int | None = None
    """The first revision, and its number, that holds this generation; None where none does."""
    status: bytes = field(default=b"", repr=False)
    """The object's status as this reconcile read it, as JSON; see `read_status`."""
    resource_version: str = ""
    """Of the object as this reconcile read it."""

    def read_status(self) -> dict[str, Any]:
        """The object's status as this reconcile read it; empty where it had none."""
        status = orjson.loads(self.status) if self.status else {}
        return status if isinstance(status, dict) else {}

    @property
    def broken(self) -> bool:
        return any(finding.severity is Severity.ERROR for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Numbers of the live Deployment; all 0 where there is none yet."""

    wanted: int = 0
    existing: int = 0
    ready: int = 0
    current: bool = False
    """Whether `existing` and `ready` speak of the Deployment's newest generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalerState:
    """What the live HorizontalPodAutoscaler says of itself, where the gateway has one."""

    metric_problem: str = ""
    """Why a metric cannot be read, in the autoscaler's words; empty: no problem known."""
    metric_reason: str = ""
    """Its CamelCase word for that, such as FailedGetPodsMetric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One gateway. Replaces the one before as a whole."""

    gateway: ObjectRef
    uid: str
    """Empty where there is no such gateway, or it is being deleted: what remains to tell are the objects that name
    it, each with a finding GatewayNotFound."""
    generation: int = 0
    url: str | None = None
    revision: str | None = None
    sequence: int | None = None
    """Of the newest configuration in the cluster, which may be older than the gateway's specification where that cannot
    be compiled; None where there has never been one."""
    admin_token: str = field(default="", repr=False)
    """Of the pods' admin ports; empty where it cannot be read."""
    objects: Mapping[ObjectRef, ObjectOutcome] = field(default_factory=dict)
    """The gateway itself, where it exists, and every binding and policy that names it, let in or not."""
    key_findings: tuple[Finding, ...] = ()
    """On developer keys, whose Secrets have no status: told in the gateway's and as events."""
    replicas: Replicas = Replicas()
    selector: str = ""
    """Of the gateway's pods, as `kubectl get pods -l` takes it."""
    autoscaler: AutoscalerState | None = None
    notices: tuple[Told, ...] = ()
    """What this reconcile did that a person should notice, such as keys that were rotated or a child that was repaired;
    told as events of the gateway, once."""

    @property
    def exists(self) -> bool:
        return bool(self.uid)
