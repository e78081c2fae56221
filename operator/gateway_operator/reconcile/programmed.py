"""Whether every ready pod has loaded what it should: a decision from what was observed, without clock or I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway_operator.api.v1alpha1.conditions import ConditionStatus, Reason
from gateway_operator.reconcile.observer import Observation
from gateway_operator.reconcile.outcome import Outcome
from gateway_operator.reconcile.pods import PodState

_NAMED: Final = 3
"""Pods that a message names; a message that lists fifty is read by nobody."""


class Verdict(NamedTuple):
    """One condition's content."""

    status: ConditionStatus
    reason: str
    message: str = ""

    @property
    def holds(self) -> bool:
        return self.status is ConditionStatus.TRUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The pods of one gateway at one moment."""

    ready: tuple[tuple[PodState, Observation | None], ...] = ()
    """Those that developers' requests reach. Without an observation: it could not be asked."""
    unready: tuple[PodState, ...] = ()
    loaded: int | None = None
    """The lowest sequence of all ready pods; None where there is no ready pod, or one of them does not say."""

    @property
    def existing(self) -> int:
        return len(self.ready) + len(self.unready)

    @property
    def failing(self) -> tuple[PodState, ...]:
        """Of the unready, those that are not just on their way."""
        return tuple(pod for pod in self.unready if pod.failing)

    def programmed(self, sequence: int | None) -> int:
        """How many ready pods have loaded this configuration or a newer one."""
        return sum(1 for _, seen in self.ready if seen is not None and seen.has(sequence))


def fleet_of(pods: Iterable[PodState], observations: Mapping[str, Observation]) -> Fleet:
    """Pods that are ending are none of it."""
    here = [pod for pod in pods if not pod.terminating]
    ready = tuple((pod, observations.get(pod.uid)) for pod in here if pod.ready)
    sequences = [seen.sequence if seen is not None and seen.answered else None for _, seen in ready]
    known = [sequence for sequence in sequences if sequence is not None]
    return Fleet(
        ready=ready,
        unready=tuple(pod for pod in here if not pod.ready),
        loaded=min(known) if known and len(known) == len(sequences) else None,
    )


PROGRAMMED: Final = Verdict(ConditionStatus.TRUE, Reason.PROGRAMMED)
_NOT_ACCEPTED: Final = Verdict(
    ConditionStatus.FALSE, Reason.NOT_ACCEPTED, "this generation is not in force: see the condition Accepted"
)
_REFS_NOT_RESOLVED: Final = Verdict(
    ConditionStatus.FALSE, Reason.REFS_NOT_RESOLVED, "this generation is not in force: see the condition ResolvedRefs"
)


def programmed(
    sequence: int | None, *, accepted: Verdict, resolved: Verdict, outcome: Outcome, fleet: Fleet
) -> Verdict:
    """The condition Programmed of an object whose generation is in the configuration from `sequence` on."""
    if not accepted.holds:
        return _NOT_ACCEPTED
    if not resolved.holds:
        return _REFS_NOT_RESOLVED
    if sequence is None:
        return _not_written(outcome)
    if fleet.loaded is not None and fleet.loaded >= sequence:
        return PROGRAMMED
    if not fleet.ready:
        return Verdict(ConditionStatus.FALSE, Reason.NO_READY_PODS, no_ready_pods(fleet))
    return Verdict(ConditionStatus.FALSE, Reason.PODS_BEHIND, _behind(sequence, fleet))


def no_ready_pods(fleet: Fleet) -> str:
    problems = pod_problems(fleet.unready)
    return f"no pod of the gateway is ready: {problems}" if problems else "the gateway has no pod"


def pod_problems(unready: Iterable[PodState]) -> str:
    """Each pod with its own problem."""
    return _few([f"pod {pod.name}: {pod.problem or 'not ready'}" for pod in unready])


def _not_written(outcome: Outcome) -> Verdict:
    own = outcome.objects.get(outcome.gateway)
    if own is not None and own.broken:
        return Verdict(
            ConditionStatus.FALSE,
            Reason.GATEWAY_NOT_ACCEPTED,
            f"{outcome.gateway} cannot be compiled: see its conditions; until then its pods keep what they have",
        )
    return Verdict(
        ConditionStatus.FALSE, Reason.NOT_WRITTEN, "the configuration with this generation is not written yet"
    )


def _behind(sequence: int, fleet: Fleet) -> str:
    late = [f"pod {pod.name}{_state(seen)}" for pod, seen in fleet.ready if seen is None or not seen.has(sequence)]
    return f"{len(late)} of {len(fleet.ready)} ready pods have not loaded it: {_few(late)}"


def _state(seen: Observation | None) -> str:
    if seen is None:
        return " has not been asked yet"
    if not seen.answered:
        return f" does not say what it has loaded: {seen.error}"
    return f": {seen.error}" if seen.error else " still has an older one"


def _few(texts: list[str]) -> str:
    more = f"; and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
