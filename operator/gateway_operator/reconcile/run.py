"""One reconcile of one gateway on its way: what was read, what is written, what came of it."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway_config.contract import SigningKey
from gateway_operator import names
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.addresses import normal_origin
from gateway_operator.children import (
    Children,
    ChildSettings,
    Manifest,
    children,
    config_secrets,
    surplus_config_secrets,
)
from gateway_operator.compiler import Compiled, Finding, ObjectRef, Severity
from gateway_operator.kube.client import Object, Reader
from gateway_operator.kube.errors import NotFoundError
from gateway_operator.kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    SECRETS,
    ResourceKind,
    kind_of,
)
from gateway_operator.reconcile.apply import NotWrittenError, Settled, Writer
from gateway_operator.reconcile.certificates import certificate_finding
from gateway_operator.reconcile.drift import is_ours
from gateway_operator.reconcile.events import Told
from gateway_operator.reconcile.fetch import Gathered
from gateway_operator.reconcile.outcome import AutoscalerState, ObjectOutcome, Outcome, Replicas
from gateway_operator.reconcile.restraint import Restraint
from gateway_operator.reconcile.revision import FirstRevisions, Packed, Revision, programmed_before
from gateway_operator.reconcile.signing_record import SigningStep
from gateway_operator.together import together

log = logging.getLogger(__name__)

REFUSED_SECONDS: Final = 30.0
"""Until something is tried again that somebody else stands in the way of: no event tells when that ends."""

ENDING_SECONDS: Final = 5.0
"""After its deletion, an object that is still there is told of."""


@dataclass(slots=True, kw_only=True)
class State:
    """What is kept of one gateway from one reconcile to the next."""

    uid: str
    counted: frozenset[ObjectRef] = frozenset()
    """What it was compiled from the last time."""
    compared: bool = False
    """Whether the first configuration of this process has been held against the one that it found in the cluster."""
    firsts: FirstRevisions = field(default_factory=FirstRevisions)
    settled: Settled = field(default_factory=dict)
    restraint: Restraint = field(default_factory=Restraint)
    newest: int = 0
    """The highest sequence that was ever seen or written."""
    made: set[str] = field(default_factory=set)
    """Kind and name of every object that was there once it had been written."""
    keys: tuple[tuple[SigningKey, ...], int] | None = None
    """The signing keys of the live configuration, and the sequence from which on it is known to hold them."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One reconcile on its way, from what was read to what came of it."""

    gathered: Gathered
    compiled: Compiled
    state: State
    reader: Reader
    writer: Writer
    settings: ChildSettings
    now: int
    findings: list[Finding] = field(default_factory=list)
    """Beyond the compiler's."""
    revision: Revision | None = None
    """In the cluster, by now."""
    token: str = field(default="", repr=False)
    firsts: Mapping[ObjectRef, Revision] = field(default_factory=dict)
    deployment: Object | None = None
    autoscaler: Object | None = None
    again: float | None = None
    notices: list[Told] = field(default_factory=list)

    def found(self, finding: Finding) -> None:
        """Something that stands in the way and may go without an event."""
        self.findings.append(finding)
        self.come_again(REFUSED_SECONDS)

    def come_again(self, seconds: float) -> None:
        self.again = seconds if self.again is None else min(self.again, seconds)

    def take(self, step: SigningStep) -> None:
        self.token = step.token
        if step.rotated:
            self.notices.append(Told("SigningKeysRotated", step.rotated, action="Rotate"))
        if step.finding is not None:
            self.found(step.finding)
        if step.again is not None:
            self.come_again(step.again)

    def settle(self, *, before: Revision | None, after: Revision | None) -> None:
        left_out = {each.ref for each in self.compiled.findings if each.severity is Severity.ERROR}
        self.firsts = self.state.firsts.settle(
            self.gathered.objects,
            left_out=left_out,
            before=before,
            after=after,
            programmed=programmed_before(self.gathered.objects, self.gathered.gateway),
        )

    async def read_own(self) -> dict[str, Object]:
        """The Secrets with the configuration's fixed names, those that are there."""
        name = self.gathered.gateway.name
        wanted = (names.signing_secret(name), names.config_secret(name), names.credentials_secret(name))
        own = await self._read(SECRETS, wanted)
        self._note_ending(own.get(names.signing_secret(name)))
        return own

    async def write_config(self, packed: Packed, own: dict[str, Object]) -> None:
        """All of it or, where a name is another's, nothing."""
        gateway = self.gathered.gateway
        secrets = config_secrets(gateway, self.gathered.uid, packed.files)
        further = [secret["metadata"]["name"] for secret in secrets if secret["metadata"]["name"] not in own]
        live = own | await self._read(SECRETS, further)
        try:
            for secret in secrets:
                self.writer.check(SECRETS, secret["metadata"]["name"], live.get(secret["metadata"]["name"]))
            for secret in secrets:
                await self._write(secret, live.get(secret["metadata"]["name"]))
        except NotWrittenError as problem:
            self.found(problem.finding)
            return
        if self.revision != packed.revision:
            log.info("%s: configuration %s is sequence %d", gateway, packed.revision.digest, packed.revision.sequence)
        self.revision = packed.revision
        await self._remove(surplus_config_secrets(gateway, packed.files))

    async def write_children(self, model: GatewayDeployment) -> None:
        gateway = self.gathered.gateway
        made: Children = children(
            model,
            ref=gateway,
            uid=self.gathered.uid,
            settings=self.settings,
            token_audiences=self.compiled.token_audiences,
        )
        self.findings += made.findings
        if (unserved := await certificate_finding(model, gateway, reader=self.reader)) is not None:
            self.findings.append(unserved)
        lives = await together(self._live(kind_of(child), child["metadata"]["name"]) for child in made.wanted)
        for child, live in zip(made.wanted, lives, strict=True):
            try:
                after = await self._write(child, live)
            except NotWrittenError as problem:
                self.found(problem.finding)
                continue
            except NotFoundError as missing:
                if missing.name or kind_of(child) not in self.settings.serves:
                    raise
                continue  # its CRD has just been removed
            if kind_of(child) == DEPLOYMENTS:
                self.deployment = after
            elif kind_of(child) == HORIZONTAL_POD_AUTOSCALERS:
                self.autoscaler = after
        if self.writer.held is not None:
            self.come_again(self.writer.held)
        await self._remove(made.unwanted)

    async def _write(self, wanted: Manifest, live: Object | None) -> Object:
        after = await self.writer.write(wanted, live)
        self._note_ending(live)
        what = f"{wanted['kind']} {wanted['metadata']['name']}"
        if live is None and what in self.state.made:
            note = f"{what} was deleted by somebody else and has been made again"
            self.notices.append(Told("ChildRepaired", note, warning=True, action="Repair"))
        self.state.made.add(what)
        return after

    def _note_ending(self, live: Object | None) -> None:
        """Most deletions are over within a moment, and the next object is made then."""
        if live is None or "deletionTimestamp" not in live["metadata"]:
            return
        since = datetime.fromisoformat(live["metadata"]["deletionTimestamp"]).timestamp()
        if self.now - since < ENDING_SECONDS:
            self.come_again(ENDING_SECONDS)
        else:
            self.found(self.writer.ending(live))

    async def read_deployment(self) -> None:
        """Of a gateway whose children are not looked at."""
        gateway = self.gathered.gateway
        live = await self.reader.get(DEPLOYMENTS, gateway.namespace, gateway.name)
        if live is not None and is_ours(live, gateway=gateway, uid=self.gathered.uid):
            self.deployment = live

    def outcome(self) -> Outcome:
        gateway, gathered = self.gathered.gateway, self.gathered
        self.notices += [
            Told("ChildRepaired", f"{what} was changed by somebody else and has been put right", True, "Repair")
            for what in self.writer.repaired
        ]
        return Outcome(
            gateway=gateway,
            uid=gathered.uid,
            generation=gathered.objects[gateway].generation,
            url=normal_origin(gathered.model.spec.public_url) if gathered.model is not None else None,
            revision=self.revision.digest if self.revision else None,
            sequence=self.revision.sequence if self.revision else None,
            admin_token=self.token,
            objects=_objects(gathered, (*self.compiled.findings, *self.findings), self.firsts),
            key_findings=tuple(each for each in self.compiled.findings if each.ref.kind == SECRETS.kind),
            replicas=_replicas(self.deployment),
            selector=",".join(f"{key}={value}" for key, value in sorted(names.child_labels(gateway.name).items())),
            autoscaler=_autoscaler_state(self.autoscaler),
            notices=tuple(self.notices),
        )

    async def _read(self, kind: ResourceKind, wanted: Iterable[str]) -> dict[str, Object]:
        wanted = list(wanted)
        namespace = self.gathered.gateway.namespace
        found = await together(self.reader.get(kind, namespace, name) for name in wanted)
        return {name: item for name, item in zip(wanted, found, strict=True) if item is not None}

    async def _live(self, kind: ResourceKind, name: str) -> Object | None:
        try:
            return await self.reader.get(kind, self.gathered.gateway.namespace, name)
        except NotFoundError:
            if kind in self.settings.serves:
                return None
            raise

    async def _remove(self, surplus: Iterable[tuple[ResourceKind, str]]) -> None:
        """What is left of another specification; known by our labels, so that nothing else is even read."""
        by_kind: dict[ResourceKind, set[str]] = defaultdict(set)
        for kind, name in surplus:
            by_kind[kind].add(name)
        await together(self._remove_of(kind, wanted) for kind, wanted in by_kind.items())

    async def _remove_of(self, kind: ResourceKind, surplus: Collection[str]) -> None:
        gateway = self.gathered.gateway
        labels = f"{names.MANAGED_BY_LABEL}={names.MANAGER},{names.GATEWAY_LABEL}={gateway.name}"
        for live in await self.reader.list(kind, gateway.namespace, labels=labels, metadata_only=True):
            name = live["metadata"]["name"]
            if name in surplus and await self.writer.remove(kind, live):
                self.state.made.discard(f"{kind.kind} {name}")
                log.info("%s: %s %s is no longer wanted and was deleted", gateway, kind.kind, name)


def gone(gathered: Gathered, compiled: Compiled) -> Outcome:
    return Outcome(gateway=gathered.gateway, uid="", objects=_objects(gathered, compiled.findings, {}))


def _objects(
    gathered: Gathered, findings: Iterable[Finding], firsts: Mapping[ObjectRef, Revision]
) -> dict[ObjectRef, ObjectOutcome]:
    by_ref: dict[ObjectRef, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_ref[finding.ref].append(finding)
    found = {}
    for ref, seen in gathered.objects.items():
        first = firsts.get(ref)
        found[ref] = ObjectOutcome(
            ref=ref,
            uid=seen.uid,
            generation=seen.generation,
            findings=tuple(sorted(by_ref[ref])),
            revision=first.digest if first else None,
            sequence=first.sequence if first else None,
            status=seen.status,
            resource_version=seen.resource_version,
        )
    return found


def _replicas(deployment: Object | None) -> Replicas:
    if deployment is None:
        return Replicas()
    status = deployment.get("status") or {}
    return Replicas(
        wanted=deployment["spec"].get("replicas", 1),
        existing=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        current=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
    )


def _autoscaler_state(autoscaler: Object | None) -> AutoscalerState | None:
    if autoscaler is None:
        return None
    for condition in (autoscaler.get("status") or {}).get("conditions") or ():
        reason = str(condition.get("reason") or "")
        if condition.get("status") == "False" and reason.startswith(("FailedGet", "InvalidMetric")):
            return AutoscalerState(metric_problem=str(condition.get("message") or ""), metric_reason=reason)
    return AutoscalerState()
