"""Writes statuses: composed from a gateway's last outcome and what its pods say, sent only where they differ."""

import asyncio
import hashlib
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson

from gateway_operator.api.v1alpha1.base import GROUP, VERSION
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from gateway_operator.kube.resources import ResourceKind, kind_of
from gateway_operator.reconcile import metrics
from gateway_operator.reconcile.events import Told, transitions
from gateway_operator.reconcile.observer import Observation
from gateway_operator.reconcile.outcome import ObjectOutcome, Outcome
from gateway_operator.reconcile.pods import PodState
from gateway_operator.reconcile.programmed import Fleet, fleet_of
from gateway_operator.reconcile.status import (
    PENDING_REPORT,
    Report,
    Status,
    attached_status,
    gateway_conditions,
    gateway_status,
    report,
    report_of_entry,
)
from gateway_operator.reconcile.troubles import Troubles

CONCURRENT_WRITES: Final = 16
A_TURN: Final = 128
"""Statuses written before looking again at what is most urgent: 1,000 policies that turn at once take seconds, and an
edit in between must not wait for them."""
_AT_ONCE: Final = 0.001
_UNSETTLED: Final = 0.1
_WORDS_SECONDS: Final = 2.0
"""A status that differs in messages alone is written no sooner after the last one: pods that load one after the other
change what is said of those behind several times a second."""
_STALE_SECONDS: Final = 60.0
"""How long a reconcile may take from reading a status to telling its outcome."""
_SUPERSEDED: Final = 4
_ATTEMPTS: Final = 4


class Writer(Protocol):
    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> dict[str, Any] | None: ...

    async def apply(self, manifest: Mapping[str, Any], *, subresource: str = "") -> dict[str, Any]: ...

    async def merge_patch(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any], *, subresource: str = ""
    ) -> dict[str, Any]: ...


class Pods(Protocol):
    def of(self, gateway: ObjectRef) -> tuple[PodState, ...]: ...


class Observations(Protocol):
    def observations(self, gateway: ObjectRef) -> dict[str, Observation]: ...

    def settled(self, gateway: ObjectRef) -> bool: ...


class Teller(Protocol):
    def tell(self, about: ObjectRef, *, uid: str, told: Told) -> None: ...


@dataclass(slots=True)
class _Known:
    """One object's status as the API server has it, as far as we know; a few hundred bytes for each."""

    uid: str
    version: str = ""
    """The newest resource version that we know of."""
    digest: bytes = b""
    packed: bytes = b""
    superseded: tuple[bytes, ...] = ()
    """Digests of the statuses that ours replaced: a reconcile that had read one of them is told of a little later."""
    written_at: float = float("-inf")
    composed: object = None
    """What the status was composed from last, and found or made equal to it; None: to be compared anew."""
    reports: dict[ObjectRef, Report] = field(default_factory=dict)

    def adopt(self, status: bytes) -> None:
        self.digest, self.packed, self.composed = _digest(status), zlib.compress(status, 1), None

    def read(self) -> Status:
        status = orjson.loads(zlib.decompress(self.packed) or b"{}") if self.packed else {}
        return status if isinstance(status, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """One status to write."""

    ref: ObjectRef
    known: _Known
    generation: int
    composed: object
    previous: Status
    status: Status

    @property
    def urgency(self) -> tuple[bool, ObjectRef]:
        """Sorts what somebody waits for first: an edited object before those that only follow the pods."""
        return self.previous.get("observedGeneration") == self.status.get("observedGeneration"), self.ref


class Publisher:
    """Composes and writes the statuses of everything that a gateway has an outcome for. Belongs to one event loop."""

    def __init__(
        self,
        *,
        client: Writer,
        pods: Pods,
        observer: Observations,
        events: Teller,
        on_change: Callable[[ObjectRef], None],
        gateways_of: Callable[[ObjectRef], Collection[ObjectRef]],
    ) -> None:
        """`on_change` asks for a later `publish`; `gateways_of` says which gateways a binding or policy names now, and
        nothing where it does not know the object."""
        self._client = client
        self._pods = pods
        self._observer = observer
        self._events = events
        self._on_change = on_change
        self._gateways_of = gateways_of
        self._outcomes: dict[ObjectRef, Outcome] = {}
        self._known: dict[ObjectRef, _Known] = {}
        self._slots = asyncio.Semaphore(CONCURRENT_WRITES)
        self._troubles = Troubles(events=events)
        self._put_off: dict[ObjectRef, float] = {}
        """By gateway, the seconds after which what was put off may be written."""

    def take(self, outcome: Outcome) -> None:
        """A reconcile has come to this. Statuses follow with the next `publish`, which is asked for."""
        gateway = outcome.gateway
        for seen in outcome.objects.values():
            self._learn(seen)
        before = self._outcomes.get(gateway)
        if before is not None:
            for ref in before.objects.keys() - outcome.objects.keys():
                self._forget(ref, gateway)
        if outcome.objects:
            bare = {ref: replace(seen, status=b"") for ref, seen in outcome.objects.items()}
            self._outcomes[gateway] = replace(outcome, objects=bare)
        else:
            self._outcomes.pop(gateway, None)
        if not outcome.exists:
            self._troubles.forget(gateway)
        for told in outcome.notices:
            self._events.tell(gateway, uid=outcome.uid, told=told)
        self._on_change(gateway)

    async def publish(self, gateway: ObjectRef) -> float | None:
        """Writes what differs. Returns seconds when it wants to be asked again. Raises KubeErrors after everything was
        tried; an object that is gone or is another one by now is none."""
        outcome = self._outcomes.get(gateway)
        if outcome is None:
            return None
        if not self._observer.settled(gateway):
            return _UNSETTLED
        fleet = fleet_of(self._pods.of(gateway), self._observer.observations(gateway))
        self._put_off.pop(gateway, None)
        due = sorted(self._due(outcome, fleet), key=lambda each: (each.ref != gateway, each.urgency))
        results = await asyncio.gather(*(self._write(each) for each in due[:A_TURN]), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if len(due) > A_TURN:
            return _AT_ONCE
        again = [self._put_off.pop(gateway, None), self._troubles.look_again(gateway)]
        return min((each for each in again if each is not None), default=None)

    def _learn(self, seen: ObjectOutcome) -> None:
        known = self._known.get(seen.ref)
        if known is None or known.uid != seen.uid:
            known = self._known[seen.ref] = _Known(seen.uid, seen.resource_version)
            known.adopt(seen.status)
            return
        digest = _digest(seen.status)
        if digest in known.superseded and time.monotonic() - known.written_at < _STALE_SECONDS:
            return
        known.version = seen.resource_version
        if digest != known.digest:
            known.adopt(seen.status)

    def _forget(self, ref: ObjectRef, gateway: ObjectRef) -> None:
        """The object does not name the gateway any more, or is gone."""
        known = self._known.get(ref)
        if known is not None:
            known.reports.pop(gateway, None)
            if not known.reports:
                del self._known[ref]

    def _due(self, outcome: Outcome, fleet: Fleet) -> Iterator[_Due]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for ref, seen in outcome.objects.items():
            known = self._known.get(ref)
            if known is None or known.uid != seen.uid:
                continue  # another gateway has seen a newer object of this name; this one soon will
            if ref == outcome.gateway:
                due = self._due_gateway(outcome, fleet, known, now)
            else:
                due = self._due_attached(seen, outcome, fleet, known, now)
            if due is not None:
                yield due

    def _due_gateway(self, outcome: Outcome, fleet: Fleet, known: _Known, now: str) -> _Due | None:
        conditions = gateway_conditions(outcome, fleet)
        numbers = (fleet.existing, len(fleet.ready), fleet.programmed(outcome.sequence))
        composed = (conditions, numbers, outcome.generation, outcome.url, outcome.revision, outcome.selector)
        if composed == known.composed:
            self._troubles.see(outcome, conditions.ready)
            return None
        previous = known.read()
        self._troubles.see(outcome, conditions.ready, previous)
        status = gateway_status(outcome, fleet, previous=previous, now=now)
        return self._compared(outcome.gateway, outcome, known, composed, previous, status)

    def _due_attached(
        self, seen: ObjectOutcome, outcome: Outcome, fleet: Fleet, known: _Known, now: str
    ) -> _Due | None:
        gateway = outcome.gateway
        named = self._gateways_of(seen.ref) or (gateway,)
        if gateway not in named:
            return None  # it did when this outcome was made
        known.reports[gateway] = report(seen, outcome=outcome, fleet=fleet)
        previous: Status | None = None
        if len(named) > 1 and not known.reports.keys() >= set(named):
            previous = known.read()
            for other in set(named) - known.reports.keys():
                known.reports[other] = _reported_before(previous, other)
        composed = tuple((each, known.reports[each]) for each in sorted(named))
        if composed == known.composed:
            return None
        previous = known.read() if previous is None else previous
        status = attached_status(dict(composed), previous=previous, now=now)
        return self._compared(seen.ref, outcome, known, composed, previous, status)

    def _compared(
        self, ref: ObjectRef, outcome: Outcome, known: _Known, composed: object, previous: Status, status: Status
    ) -> _Due | None:
        if status == previous:
            known.composed = composed
            return None
        left = known.written_at + _WORDS_SECONDS - time.monotonic()
        if left > 0 and _without_messages(status) == _without_messages(previous):
            self._put_off[outcome.gateway] = max(left, self._put_off.get(outcome.gateway, 0.0))
            return None
        return _Due(
            ref=ref,
            known=known,
            generation=outcome.objects[ref].generation,
            composed=composed,
            previous=previous,
            status=status,
        )

    async def _write(self, due: _Due) -> None:
        ref, known = due.ref, due.known
        result = "written"
        try:
            async with self._slots:
                live = await self._send(due)
        except (NotFoundError, ConflictError):
            result = "gone"
            return
        except KubeError:
            result = "failed"
            raise
        finally:
            metrics.STATUS_WRITES.labels(ref.kind, result).inc()
        known.superseded = (known.digest, *known.superseded)[:_SUPERSEDED]
        known.written_at = time.monotonic()
        known.version = live["metadata"].get("resourceVersion", "")
        known.adopt(orjson.dumps(live.get("status") or {}))
        known.composed = due.composed
        for told in transitions(ref, due.previous, due.status):
            self._events.tell(ref, uid=known.uid, told=told)

    async def _send(self, due: _Due) -> dict[str, Any]:
        """The object as it is then. The version is named, because nothing else keeps a status from an object that was
        made anew under the same name: of a status, the API server does not compare the uid."""
        ref = due.ref
        version = due.known.version
        conflict: KubeError | None = None
        for _ in range(_ATTEMPTS):
            manifest = {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": ref.kind,
                "metadata": {"namespace": ref.namespace, "name": ref.name, "resourceVersion": version},
                "status": due.status,
            }
            try:
                if version:
                    return await self._replaced(manifest)
            except ConflictError as error:
                conflict = error
            live = await self._client.get(kind_of(manifest), ref.namespace, ref.name)
            if live is None or live["metadata"]["uid"] != due.known.uid:
                raise NotFoundError(f"{ref} is gone, or another object by now")
            if live["metadata"].get("generation") != due.generation:
                raise NotFoundError(f"{ref} was edited: another status is on its way")
            version = live["metadata"]["resourceVersion"]
        raise UnavailableError(f"status of {ref}: the object changes too fast: {conflict}") from conflict

    async def _replaced(self, manifest: dict[str, Any]) -> dict[str, Any]:
        wanted = manifest["status"]
        live = await self._client.apply(manifest, subresource="status")
        status = live.get("status") or {}
        if status == wanted:
            return live
        # Somebody else has put things there, which an apply leaves alone
        metadata = live["metadata"]
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": {**wanted, **dict.fromkeys(status.keys() - wanted.keys())},
        }
        return await self._client.merge_patch(
            kind_of(manifest), metadata["namespace"], metadata["name"], patch, subresource="status"
        )


def _without_messages(status: Status) -> Status:
    def bare(part: Mapping[str, Any]) -> Status:
        conditions = [{**each, "message": ""} for each in part.get("conditions") or ()]
        return {**part, "conditions": conditions}

    return {**bare(status), "gateways": [bare(entry) for entry in status.get("gateways") or ()]}


def _reported_before(status: Status, gateway: ObjectRef) -> Report:
    for entry in status.get("gateways") or ():
        if (entry.get("namespace"), entry.get("name")) == (gateway.namespace, gateway.name):
            return report_of_entry(entry)
    return PENDING_REPORT


def _digest(status: bytes) -> bytes:
    return hashlib.blake2b(status, digest_size=12).digest()
