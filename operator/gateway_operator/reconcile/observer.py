"""Which configuration each pod has loaded, and the nudges that make the kubelet bring a newer one.

Pods are asked when something about them changes, again and again while they are behind, and once a minute otherwise.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gateway_operator import names
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.errors import ConflictError, KubeError, NotFoundError
from gateway_operator.kube.resources import PODS, ResourceKind
from gateway_operator.reconcile import metrics
from gateway_operator.reconcile.admin_port import AdminPort, Answer
from gateway_operator.reconcile.pods import PodState, PodTable

log = logging.getLogger(__name__)

REST_SECONDS: Final = 60.0
"""Between two questions to a pod that is up to date, a fifth more or less."""
SILENCE_SECONDS: Final = 3.0
"""How long a pod that has answered before may be silent until it counts as one that does not answer: a busy node, one
lost packet."""
CONCURRENT_ASKS: Final = 64
CONCURRENT_NUDGES: Final = 16
PATIENCE_SECONDS: Final = 10.0
"""A ready pod that could not be asked for so long, because too many others are silent, counts as silent itself."""
_SILENT_RETRY: Final = 0.5
_POLLS: Final = ((3.0, 0.1), (60.0, 0.5))
"""Behind for less than so many seconds: asked again after so many."""
_LATE_POLL: Final = 1.0
_UNREADY_POLL: Final = 5.0
"""Behind for longer; the change to ready is told by the API server anyway."""
_STARTING_SECONDS: Final = 2.0
"""A pod that is not ready is nudged only after so long: a process that has just begun reads a fresh mount."""
_SECOND_NUDGE: Final = 0.8
"""The kubelet may hear of the annotation before it hears of the Secret."""
_NUDGE: Final = 3.0
_LATE_NUDGE: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a pod last said. A pod that was restarted since has none."""

    answered: bool
    """False: it does not answer; `sequence` and `revision` are what it said before, if it ever did."""
    sequence: int | None = None
    revision: str | None = None
    error: str = ""
    """Why the newest configuration is not in force there, or why it does not answer."""
    at: float = field(default=0.0, compare=False)
    """Time of the event loop."""

    def has(self, sequence: int | None) -> bool:
        """Whether the pod is known to have loaded this configuration or a newer one."""
        return self.answered and self.sequence is not None and sequence is not None and self.sequence >= sequence


class Patcher(Protocol):
    async def merge_patch(
        self, kind: ResourceKind, namespace: str | None, name: str, patch: Mapping[str, Any], *, subresource: str = ""
    ) -> Any: ...


class Asker(Protocol):
    async def ask(self, ip: str, *, token: str) -> Answer: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Wanted:
    sequence: int | None
    token: str = field(repr=False)


@dataclass(slots=True, eq=False)
class _Watched:
    """One incarnation of one pod."""

    pod: PodState
    since: float
    """When it was seen first, or became ready."""
    observation: Observation | None = None
    silent_since: float | None = None
    behind_since: float | None = None
    reached: bool = False
    asking: bool = False
    again: bool = False
    """Asked for once more while it was being asked."""
    timer: asyncio.TimerHandle | None = None
    nudging: bool = False
    nudges: int = 0
    next_nudge: float = 0.0
    nudge: str = ""
    """The last value written."""


class Observer:
    """`run` it as a task; what is wanted and seen before that is kept until then. Belongs to one event loop."""

    def __init__(
        self,
        *,
        client: Patcher,
        pods: PodTable,
        on_change: Callable[[ObjectRef], None],
        admin_port: Asker | None = None,
    ) -> None:
        """`on_change` is told of every gateway whose pods, or whose pods' observations, are others than before."""
        self._client = client
        self._pods = pods
        self._on_change = on_change
        self._port: Asker = admin_port if admin_port is not None else AdminPort()
        self._wanted: dict[ObjectRef, _Wanted] = {}
        self._watched: dict[str, _Watched] = {}
        self._asks = asyncio.Semaphore(CONCURRENT_ASKS)
        self._nudge_slots = asyncio.Semaphore(CONCURRENT_NUDGES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refused = ""
        metrics.PODS.set_function(lambda: len(self._watched))
        metrics.PODS_BEHIND.set_function(self._count_behind)
        pods.subscribe(self._pod_changed)
        for pod in pods:
            self._pod_changed(None, pod)

    def want(self, gateway: ObjectRef, *, sequence: int | None, token: str) -> None:
        """From now on every pod of the gateway is to have this configuration. Cheap where nothing is new."""
        before = self._wanted.get(gateway)
        now = _Wanted(sequence, token)
        if before == now:
            return
        self._wanted[gateway] = now
        for watched in self._watched_of(gateway):
            # A pod's patience and nudges begin anew with each configuration.
            watched.behind_since, watched.nudges, watched.next_nudge = None, 0, 0.0
            self._turn(watched)

    def forget(self, gateway: ObjectRef) -> None:
        """Its pods are asked no more."""
        if self._wanted.pop(gateway, None) is None:
            return
        for watched in self._watched_of(gateway):
            watched.observation, watched.behind_since = None, None
            _cancel(watched)

    def observations(self, gateway: ObjectRef) -> dict[str, Observation]:
        """By uid of the pod. A pod that was not asked yet, or is ending, has none."""
        return {
            watched.pod.uid: watched.observation
            for watched in self._watched_of(gateway)
            if watched.observation is not None
        }

    def settled(self, gateway: ObjectRef) -> bool:
        """Whether every ready pod was asked, so that the observations are the whole picture. False for seconds only:
        after the start, and when a pod has just become ready."""
        if gateway not in self._wanted:
            return True
        now = _now()
        return all(
            watched.observation is not None or not watched.pod.counts or now - watched.since > PATIENCE_SECONDS
            for watched in self._watched_of(gateway)
        )

    async def run(self) -> None:
        """Until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            for watched in list(self._watched.values()):
                self._turn(watched)
            await self._loop.create_future()
        finally:
            self._loop = None
            for watched in self._watched.values():
                _cancel(watched)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._port.close()

    def _watched_of(self, gateway: ObjectRef) -> list[_Watched]:
        found = (self._watched.get(pod.uid) for pod in self._pods.of(gateway))
        return [watched for watched in found if watched is not None]

    def _count_behind(self) -> int:
        return sum(1 for watched in self._watched.values() if watched.behind_since is not None)

    # What happens to pods

    def _pod_changed(self, before: PodState | None, after: PodState | None) -> None:
        if after is not None and not after.terminating:
            self._take_up(after)
        elif (pod := after or before) is not None and (gone := self._watched.pop(pod.uid, None)) is not None:
            _cancel(gone)
        for gateway in {pod.gateway for pod in (before, after) if pod is not None}:
            self._on_change(gateway)

    def _take_up(self, pod: PodState) -> None:
        watched = self._watched.get(pod.uid)
        if watched is not None and (watched.pod.ip, watched.pod.incarnation) == (pod.ip, pod.incarnation):
            if pod.ready and not watched.pod.ready:
                watched.since = _now()
                wanted = self._wanted.get(pod.gateway)
                if wanted is None or self._behind(watched, wanted):
                    watched.observation = None  # of a process that was starting: asked anew before it counts
            watched.pod = pod
        else:
            if watched is not None:
                _cancel(watched)
            watched = self._watched[pod.uid] = _Watched(pod, since=_now())
        self._turn(watched)

    # Asking

    def _turn(self, watched: _Watched) -> None:
        """Asks the pod now."""
        _cancel(watched)
        pod = watched.pod
        wanted = self._wanted.get(pod.gateway)
        if self._loop is None or wanted is None or not pod.ip:
            return
        if self._behind(watched, wanted):
            self._may_nudge(watched, wanted)
        if watched.asking:
            watched.again = True
            return
        watched.asking = True
        self._spawn(self._ask(watched), name=f"ask {pod.namespace}/{pod.name}")

    async def _ask(self, watched: _Watched) -> None:
        async with self._asks:
            wanted = self._wanted.get(watched.pod.gateway)
            if wanted is None or self._watched.get(watched.pod.uid) is not watched:
                watched.asking = False
                return
            try:
                answer = await self._port.ask(watched.pod.ip, token=wanted.token)
            except Exception:  # else the pod would never be asked again
                log.exception("pod %s/%s could not be asked", watched.pod.namespace, watched.pod.name)
                answer = Answer(answered=False, error="the operator could not ask it")
            finally:
                watched.asking = False
        metrics.POD_ASKS.labels("answered" if answer.answered else "refused" if answer.reached else "silent").inc()
        wanted = self._wanted.get(watched.pod.gateway)
        if wanted is None or self._watched.get(watched.pod.uid) is not watched:
            return
        self._take(watched, answer)
        delay = self._pause(watched, wanted)
        if watched.again:
            watched.again, delay = False, 0.0
        assert self._loop is not None, "tasks end before run() does"
        _cancel(watched)
        watched.timer = self._loop.call_later(delay, self._turn, watched)

    def _take(self, watched: _Watched, answer: Answer) -> None:
        now, before = _now(), watched.observation
        watched.reached = watched.reached or answer.reached
        if answer.answered:
            watched.silent_since = None
            watched.observation = Observation(
                answered=True, sequence=answer.sequence, revision=answer.revision, error=answer.error, at=now
            )
        else:
            watched.silent_since = now if watched.silent_since is None else watched.silent_since
            if before is None or not before.answered or now - watched.silent_since >= SILENCE_SECONDS:
                watched.observation = Observation(
                    answered=False,
                    sequence=before.sequence if before else None,
                    revision=before.revision if before else None,
                    error=answer.error,
                    at=now,
                )
        if watched.observation != before:
            self._on_change(watched.pod.gateway)

    def _pause(self, watched: _Watched, wanted: _Wanted) -> float:
        """Seconds until the pod is asked again."""
        if not self._behind(watched, wanted):
            if watched.silent_since is not None:
                return _SILENT_RETRY
            return REST_SECONDS * random.uniform(0.8, 1.2)
        if watched.nudges == 0 and self._may_nudge(watched, wanted):
            return _POLLS[0][1]
        assert watched.behind_since is not None, "_behind() sets it"
        age = _now() - watched.behind_since
        late = _LATE_POLL if watched.pod.ready else _UNREADY_POLL
        return next((pause for limit, pause in _POLLS if age < limit), late)

    def _behind(self, watched: _Watched, wanted: _Wanted) -> bool:
        observation = watched.observation
        if observation is None or wanted.sequence is None or observation.has(wanted.sequence):
            watched.behind_since = None
            return False
        if watched.behind_since is None:
            watched.behind_since = _now()
        return True

    # Nudging

    def _may_nudge(self, watched: _Watched, wanted: _Wanted) -> bool:
        """Nudges a pod that is behind, where it is time to. One that is neither ready nor ever answered has nobody to
        read the mount, and its kubelet brings the newest configuration when it starts."""
        now = _now()
        if watched.nudging or now < watched.next_nudge:
            return False
        since = watched.behind_since if watched.behind_since is not None else now
        if not watched.pod.ready and not (watched.reached and now - since >= _STARTING_SECONDS):
            return False
        watched.nudges += 1
        watched.nudging = True
        pause = _LATE_NUDGE if now - since > _POLLS[-1][0] else _NUDGE
        watched.next_nudge = now + (_SECOND_NUDGE if watched.nudges == 1 else pause)
        self._spawn(self._nudge(watched, wanted), name=f"nudge {watched.pod.namespace}/{watched.pod.name}")
        return True

    async def _nudge(self, watched: _Watched, wanted: _Wanted) -> None:
        pod = self._pods.get(watched.pod.uid) or watched.pod
        value = next_nudge(wanted.sequence or 0, pod.nudge, watched.nudge)
        patch = {"metadata": {"uid": pod.uid, "annotations": {names.SEQUENCE_ANNOTATION: value}}}
        result = "written"
        try:
            async with self._nudge_slots:
                await self._client.merge_patch(PODS, pod.namespace, pod.name, patch)
            watched.nudge = value
            self._refused = ""
        except (NotFoundError, ConflictError):
            result = "gone"
        except KubeError as error:
            result = "failed"
            # Each complaint once: a missing permission would fill the log.
            level = logging.DEBUG if type(error).__name__ == self._refused else logging.WARNING
            self._refused = type(error).__name__
            log.log(level, "pod %s/%s could not be nudged: %s", pod.namespace, pod.name, error)
        finally:
            watched.nudging = False
            metrics.POD_NUDGES.labels(result).inc()

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)


def next_nudge(sequence: int, *written: str) -> str:
    """A value that none of those on the pod is: a patch that changes nothing wakes nobody. `7`, then `7.1`, `7.2`, …"""
    last = -1
    for value in written:
        number, _, repeat = value.partition(".")
        if number == str(sequence) and (not repeat or (repeat.isascii() and repeat.isdigit() and len(repeat) < 10)):
            last = max(last, int(repeat or 0))
    return str(sequence) if last < 0 else f"{sequence}.{last + 1}"


def _cancel(watched: _Watched) -> None:
    if watched.timer is not None:
        watched.timer.cancel()
        watched.timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
