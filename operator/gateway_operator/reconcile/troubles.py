"""Troubles of pods that last: told as events only then, because every rollout passes through moments of them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from gateway_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType, Reason
from gateway_operator.compiler import ObjectRef
from gateway_operator.reconcile.events import Told
from gateway_operator.reconcile.outcome import Outcome
from gateway_operator.reconcile.programmed import Verdict

LASTING_SECONDS: Final = 10.0
_OF_PODS: Final = frozenset({Reason.NO_READY_PODS, Reason.PODS_BEHIND, Reason.PODS_NOT_READY})


class Teller(Protocol):
    def tell(self, about: ObjectRef, *, uid: str, told: Told) -> None: ...


@dataclass(slots=True)
class _Trouble:
    reason: str
    since: float
    told: bool
    first: bool
    """Whether the gateway has never been ready."""


class Troubles:
    """Of each gateway, why its pods keep it from being ready."""

    def __init__(self, *, events: Teller) -> None:
        self._events = events
        self._troubles: dict[ObjectRef, _Trouble] = {}

    def see(self, outcome: Outcome, ready: Verdict, previous: Mapping[str, Any] | None = None) -> None:
        """The condition Ready of a gateway as it is now. `previous` is the status that it replaces, if it changes."""
        gateway = outcome.gateway
        trouble = self._troubles.get(gateway)
        if ready.status is ConditionStatus.FALSE and ready.reason in _OF_PODS:
            if trouble is None or trouble.reason != ready.reason:
                # A trouble that had lasted before this process began was told by the one before.
                told = _lasted(previous, reason=ready.reason)
                first = _first_sight(previous) if trouble is None else trouble.first
                self._troubles[gateway] = _Trouble(ready.reason, time.monotonic(), told, first)
            elif not trouble.told and time.monotonic() - trouble.since >= LASTING_SECONDS:
                trouble.told = True
                self._events.tell(gateway, uid=outcome.uid, told=Told(ready.reason, ready.message, warning=True))
            return
        self._troubles.pop(gateway, None)
        over = _lasted(previous) if trouble is None else trouble.told or trouble.first
        if ready.holds and (over or _first_sight(previous)):
            where = f" at {outcome.url}" if outcome.url else ""
            self._events.tell(gateway, uid=outcome.uid, told=Told(Reason.READY, f"the gateway is ready{where}"))

    def look_again(self, gateway: ObjectRef) -> float | None:
        """Seconds until a trouble that goes on is to be told."""
        trouble = self._troubles.get(gateway)
        if trouble is None or trouble.told:
            return None
        return max(0.1, LASTING_SECONDS - (time.monotonic() - trouble.since))

    def forget(self, gateway: ObjectRef) -> None:
        self._troubles.pop(gateway, None)


def _ready_before(status: Mapping[str, Any] | None) -> Mapping[str, Any]:
    conditions = (status or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == ConditionType.READY), {})


def _first_sight(status: Mapping[str, Any] | None) -> bool:
    return status is not None and _ready_before(status).get("status", "Unknown") == "Unknown"


def _lasted(status: Mapping[str, Any] | None, *, reason: str = "") -> bool:
    """Whether a trouble of pods (this one) stood in the status for long enough to have been told."""
    before = _ready_before(status)
    if before.get("status") != "False" or before.get("reason") not in ({reason} if reason else _OF_PODS):
        return False
    try:
        since = datetime.fromisoformat(before["lastTransitionTime"])
    except (KeyError, ValueError, TypeError):
        return False
    return (datetime.now(UTC) - since).total_seconds() >= LASTING_SECONDS
