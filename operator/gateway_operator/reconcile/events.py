"""Events (events.k8s.io/v1): what a person who runs `kubectl describe` should notice, each told once."""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from gateway_operator import names
from gateway_operator.api.v1alpha1.base import GROUP, VERSION
from gateway_operator.api.v1alpha1.conditions import ConditionType, Reason
from gateway_operator.compiler import ObjectRef
from gateway_operator.compiler.findings import printable
from gateway_operator.compiler.inventory import GATEWAY
from gateway_operator.kube.errors import ForbiddenError, KubeError, NotFoundError
from gateway_operator.kube.resources import EVENTS
from gateway_operator.reconcile import metrics

log = logging.getLogger(__name__)

LONGEST_NOTE: Final = 1024
"""Characters; the API server refuses more."""
WAITING: Final = 1000
"""Events that wait to be written; what comes while so many wait is dropped."""
WINDOW_SECONDS: Final = 600.0
EVENTS_A_WINDOW: Final = 20
"""Of one object; the same event is told once a window."""
_REMEMBERED: Final = 4096
"""Objects."""


class Told(NamedTuple):
    """One event's content."""

    reason: str
    """CamelCase."""
    note: str
    warning: bool = False
    action: str = "Report"
    """CamelCase: what the operator did or tried."""


class Creator(Protocol):
    async def create(self, manifest: Mapping[str, Any]) -> Any: ...


def transitions(ref: ObjectRef, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Told]:
    """The conditions that turned from one status to the next, as far as a person should notice: not what every edit
    goes through, such as pods that need a moment. First sight of a sound object is nothing to notice either."""
    before, after = _conditions(previous), _conditions(status)
    for kind in (ConditionType.ACCEPTED, ConditionType.RESOLVED_REFS):
        old, new = before.get(kind, {}), after.get(kind, {})
        if new.get("status") == "False" and (old.get("status"), old.get("reason")) != ("False", new.get("reason")):
            yield Told(new["reason"], new.get("message") or f"{kind} is False", warning=True)
        elif new.get("status") == "True" and old.get("status") == "False":
            yield Told(str(kind), f"{kind} again")
    if ref.kind == GATEWAY:
        old, new = before.get(ConditionType.ACCEPTED, {}), after.get(ConditionType.ACCEPTED, {})
        if new.get("reason") == Reason.ACCEPTED_WITH_WARNINGS != old.get("reason"):
            yield Told(new["reason"], new.get("message", ""), warning=True)
        kind = ConditionType.METRIC_UNAVAILABLE
        if kind in after and kind not in before:
            yield Told(after[kind]["reason"], after[kind].get("message", ""), warning=True)
        elif kind in before and kind not in after:
            yield Told("MetricAvailable", "the autoscaler reads its metrics again")


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each.get("type", ""): each for each in status.get("conditions") or ()}


@dataclass(slots=True)
class _Memory:
    times: deque[float] = field(default_factory=deque)
    told: dict[tuple[str, str], float] = field(default_factory=dict)


class EventRecorder:
    """Writes events in the background. A lost event is no reason to do anything again."""

    def __init__(self, *, client: Creator, instance: str = "") -> None:
        """`instance` tells replicas of the operator apart; the pod's name."""
        self._client = client
        self._instance = (instance or os.environ.get("HOSTNAME") or socket.gethostname())[:128]
        self._waiting: asyncio.Queue[tuple[ObjectRef, str, Told, datetime]] = asyncio.Queue(WAITING)
        self._memory: OrderedDict[tuple[ObjectRef, str], _Memory] = OrderedDict()

    def tell(self, about: ObjectRef, *, uid: str, told: Told) -> None:
        """Returns at once. The same event of the same object is told once in ten minutes."""
        if not self._may(about, uid, told):
            metrics.EVENTS.labels("held back").inc()
            return
        try:
            self._waiting.put_nowait((about, uid, told, datetime.now(UTC)))
        except asyncio.QueueFull:
            metrics.EVENTS.labels("dropped").inc()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            about, uid, told, when = await self._waiting.get()
            try:
                await self._client.create(event(about, uid=uid, told=told, when=when, instance=self._instance))
                metrics.EVENTS.labels("written").inc()
            except (NotFoundError, ForbiddenError) as error:  # the namespace is gone, or going
                metrics.EVENTS.labels("refused").inc()
                log.debug("event %s about %s: %s", told.reason, about, error)
            except KubeError as error:
                metrics.EVENTS.labels("failed").inc()
                log.info("event %s about %s is lost: %s", told.reason, about, error)

    def _may(self, about: ObjectRef, uid: str, told: Told) -> bool:
        now = time.monotonic()
        memory = self._memory.setdefault((about, uid), _Memory())
        self._memory.move_to_end((about, uid))
        while len(self._memory) > _REMEMBERED:
            self._memory.popitem(last=False)
        while memory.times and now - memory.times[0] > WINDOW_SECONDS:
            memory.times.popleft()
        memory.told = {key: at for key, at in memory.told.items() if now - at <= WINDOW_SECONDS}
        key = (told.reason, told.note)
        if key in memory.told or len(memory.times) >= EVENTS_A_WINDOW:
            return False
        memory.told[key] = now
        memory.times.append(now)
        return True


def event(about: ObjectRef, *, uid: str, told: Told, when: datetime, instance: str) -> dict[str, Any]:
    """The manifest. Its name is one that no other event has."""
    note = printable(told.note)
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": f"{about.name[:200]}.{secrets.token_hex(8)}", "namespace": about.namespace},
        "eventTime": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if told.warning else "Normal",
        "reason": told.reason[:128],
        "action": told.action,
        "note": note if len(note) <= LONGEST_NOTE else f"{note[: LONGEST_NOTE - 1]}…",
        "regarding": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": uid,
        },
        "reportingController": names.MANAGER,
        "reportingInstance": instance,
    }
