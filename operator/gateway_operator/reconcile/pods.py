"""The proxy pods there are, as the API server tells of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway_operator import names
from gateway_operator.children.pod import CONTAINER
from gateway_operator.compiler import ObjectRef
from gateway_operator.compiler.findings import printable
from gateway_operator.compiler.inventory import GATEWAY

SELECTOR: Final = f"{names.NAME_LABEL}={names.PROXY},{names.MANAGED_BY_LABEL}={names.MANAGER}"
"""Label selector of the pods of every gateway."""
_LONGEST_PROBLEM: Final = 300
_ORDINARY: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons for which every container waits for a moment."""
_ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One pod, reduced to what the conditions and the observer need."""

    uid: str
    name: str
    namespace: str
    gateway: ObjectRef
    ip: str = ""
    """Empty until it has one."""
    ready: bool = False
    terminating: bool = False
    """Being deleted, or ended: it gets no more requests and is never ready again."""
    problem: str = ""
    """Why it is not ready, such as `CrashLoopBackOff, last exit code 1`; empty where it is."""
    failing: bool = False
    """Not ready, and in a way that is no part of an ordinary start: its image is not there, or it has crashed."""
    incarnation: str = ""
    """Another one after each restart of the proxy's container."""
    nudge: str = field(default="", compare=False)
    """Value of the sequence annotation."""

    @property
    def counts(self) -> bool:
        """Whether developers' requests reach it."""
        return self.ready and not self.terminating


Listener = Callable[[PodState | None, PodState | None], None]
"""Gets the state before and after; None where there is none. Not called for a pod whose state is the same."""


class PodTable:
    """Every proxy pod of every gateway, fed by watches. A pod that lost our labels is one that is gone."""

    def __init__(self) -> None:
        self._pods: dict[str, PodState] = {}
        self._by_gateway: dict[ObjectRef, dict[str, PodState]] = {}
        self._listeners: list[Listener] = []

    def __len__(self) -> int:
        return len(self._pods)

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def apply_event(self, event_type: str, pod: Mapping[str, Any]) -> None:
        """ADDED, MODIFIED or DELETED; of a deleted pod only its uid is read."""
        uid = pod["metadata"]["uid"]
        self._set(uid, None if event_type == "DELETED" else reduced(pod))

    def apply_list(self, pods: Iterable[Mapping[str, Any]]) -> None:
        """The list of one watch; of what it lacks the watch tells by itself, as DELETED."""
        for pod in pods:
            self._set(pod["metadata"]["uid"], reduced(pod))

    def of(self, gateway: ObjectRef) -> tuple[PodState, ...]:
        """Sorted by name; those that are ending too."""
        return tuple(sorted(self._by_gateway.get(gateway, {}).values(), key=lambda pod: pod.name))

    def get(self, uid: str) -> PodState | None:
        return self._pods.get(uid)

    def __iter__(self) -> Iterator[PodState]:
        yield from list(self._pods.values())

    def _set(self, uid: str, after: PodState | None) -> None:
        before = self._pods.pop(uid, None)
        if before is not None:
            siblings = self._by_gateway[before.gateway]
            del siblings[uid]
            if not siblings:
                del self._by_gateway[before.gateway]
        if after is not None:
            self._pods[uid] = after
            self._by_gateway.setdefault(after.gateway, {})[uid] = after
        if before != after:
            for listener in self._listeners:
                listener(before, after)


def reduced(pod: Mapping[str, Any]) -> PodState | None:
    """The state of a proxy pod; None for a pod that is not one of ours."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    gateway = labels.get(names.GATEWAY_LABEL)
    if not gateway or labels.get(names.NAME_LABEL) != names.PROXY or not names.is_managed(labels):
        return None
    status = pod.get("status") or {}
    terminating = "deletionTimestamp" in metadata or status.get("phase") in _ENDED
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    containers = {each.get("name"): each for each in status.get("containerStatuses") or ()}
    container = containers.get(CONTAINER, {})
    state = PodState(
        uid=metadata["uid"],
        name=metadata["name"],
        namespace=metadata["namespace"],
        gateway=ObjectRef(GATEWAY, metadata["namespace"], gateway),
        ip=status.get("podIP") or "",
        ready=ready,
        terminating=terminating,
        incarnation=f"{container.get('containerID') or ''}/{container.get('restartCount', 0)}",
        nudge=(metadata.get("annotations") or {}).get(names.SEQUENCE_ANNOTATION, ""),
    )
    return (
        state if ready else replace(state, problem=_problem(status, conditions, container), failing=_fails(container))
    )


def _fails(container: Mapping[str, Any]) -> bool:
    waiting = (container.get("state") or {}).get("waiting") or {}
    crashed = bool((container.get("lastState") or {}).get("terminated"))
    return crashed or (waiting.get("reason") or "") not in _ORDINARY


def _problem(status: Mapping[str, Any], conditions: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """In words that do not change while the problem stays: no times, no counts."""
    state = container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    if waiting := state.get("waiting"):
        reason = waiting.get("reason") or "Waiting"
        if reason == "CrashLoopBackOff":
            return f"CrashLoopBackOff, {_exit(last)}" if last else reason
        # such as the image that cannot be pulled; of a back-off, the message counts seconds
        message = "" if "BackOff" in reason else waiting.get("message") or ""
        return _line(f"{reason}: {message}" if message else reason)
    if terminated := state.get("terminated"):
        return f"the proxy ended, {_exit(terminated)}"
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _line(f"{scheduled.get('reason') or 'Unschedulable'}: {scheduled.get('message') or ''}".rstrip(": "))
    if "running" in state:
        return f"running, but not ready; before, {_exit(last)}" if last else "running, but not ready"
    return _line(status.get("reason") or "not started yet")


def _exit(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason") or ""
    code = f"last exit code {terminated.get('exitCode', 'unknown')}"
    return code if reason in ("", "Error", "Completed") else f"{code} ({reason})"


def _line(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[: _LONGEST_PROBLEM - 1]}…"
