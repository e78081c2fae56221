"""What a holder of the Lease runs: watches fill the queues, the queues reconcile and report, a resync looks at all."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_operator import kopf_events, metrics
from gateway_operator.children import OPTIONAL_KINDS
from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout
from gateway_operator.handlers import children, config_maps, namespaces, pods, secrets
from gateway_operator.handlers.intake import Intake
from gateway_operator.health import Health
from gateway_operator.kube.client import KubeClient, Reader
from gateway_operator.kube.errors import KubeError
from gateway_operator.kube.resources import ResourceKind
from gateway_operator.kube.watching import Watch
from gateway_operator.queue import KeyedQueue
from gateway_operator.reconcile.pods import PodTable
from gateway_operator.resync import Resync
from gateway_operator.settings import Settings

log = logging.getLogger(__name__)

LISTED: Final = "watches"
SYNCED: Final = "resync"
_DISCOVERY_SECONDS: Final = 60.0
_DRAIN_SECONDS: Final = 5.0
"""What is in work when the process is told to end may take so long; it is done again by the next holder anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the queues do, and what has to run beside it."""

    reconcile: Callable[[ObjectRef, Reader], Awaitable[float | None]]
    publish: Callable[[ObjectRef], Awaitable[float | None]]
    pods: PodTable
    serve: Callable[[frozenset[ResourceKind]], None] = lambda _: None
    """Told which optional kinds the API server has, before the first reconcile and whenever it changes."""
    tasks: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    """What runs from the beginning to the end."""
    close: Callable[[], Awaitable[None]] | None = None


class Operation:
    """Made once the Lease is held. `work` makes the rest, with the fan-out and what asks for a report."""

    def __init__(
        self,
        *,
        client: KubeClient,
        settings: Settings,
        health: Health,
        work: Callable[[Fanout, Callable[[ObjectRef], None]], Work],
        on_signals_lost: Callable[[], None],
    ) -> None:
        self._client = client
        self._settings = settings
        self._health = health
        self._on_signals_lost = on_signals_lost
        self._fanout = Fanout()
        self._reconciles = KeyedQueue[ObjectRef](name="reconcile", work=self._reconcile, workers=settings.workers)
        self._reports = KeyedQueue[ObjectRef](name="publish", work=self._publish, workers=settings.workers)
        self._work = work(self._fanout, self._reports.add)
        self._intake = Intake(fanout=self._fanout, touch=self._touch, touch_children=self._touch_children)
        self._resync = Resync(
            client=client,
            fanout=self._fanout,
            add=self._add,
            scopes=settings.scopes,
            interval=settings.resync,
            child_kinds=lambda: (*children.KINDS, *sorted(self._served, key=str)),
        )
        self._served: frozenset[ResourceKind] = frozenset()
        self._followed: set[ResourceKind] = set()
        self._discovered = False
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. Raises what ended one of its tasks; returns when one ended without an error."""
        work: asyncio.Task[Any] = asyncio.create_task(self._begin(), name="start")
        ended: asyncio.Task[Any] = asyncio.create_task(self._ended.wait(), name="a vital task")
        try:
            await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            for task in self._tasks:
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            for task in (work, ended):
                task.cancel()

    async def _begin(self) -> None:
        begun = time.monotonic()
        self._health.await_stage(LISTED)
        self._health.await_stage(SYNCED)
        for name, task in self._work.tasks.items():
            self._start(name, task())
        watches = list(self._watches())
        for watch in watches:
            self._follow(watch)
        await self._go_on(watches, begun)
        await self._ended.wait()

    async def stop(self) -> None:
        """Lets what is in work come to its end, for a few seconds; takes up nothing new."""
        self._reconciles.close()
        self._reports.close()
        if self._queues:
            await asyncio.wait(self._queues, timeout=_DRAIN_SECONDS)
        for task in self._tasks | self._queues:
            task.cancel()
        if self._tasks or self._queues:
            await asyncio.wait(self._tasks | self._queues, timeout=_DRAIN_SECONDS)
        if self._work.close:
            await self._work.close()

    async def _go_on(self, watches: Iterable[Watch], begun: float) -> None:
        """The order matters: watches first, so that nothing falls between them and the lists of the first round; kopf
        last, so that its first events, which say what those lists said, touch nobody."""
        for watch in watches:
            self._health.await_stage(LISTED, f"{watch.kind.plural} are not listed yet")
            await watch.synced.wait()
        self._health.reach(LISTED)
        await self._discover()
        listed, finished = asyncio.Event(), asyncio.Event()
        self._start("resync", self._resync.run(listed=listed, finished=finished))
        await listed.wait()
        self._queues = {
            self._start("reconcile queue", self._reconciles.run()),
            self._start("publish queue", self._reports.run()),
        }
        self._start("discovery", self._discover_forever())
        self._start(
            "kopf",
            kopf_events.run(
                access=self._client.access,
                intake=self._intake,
                namespaces=self._settings.namespaces,
                on_started=self._on_signals_lost,
            ),
        )
        await finished.wait()
        metrics.SYNCED_SECONDS.set(time.monotonic() - begun)
        self._health.reach(SYNCED)

    def _watches(self) -> Iterator[Watch]:
        client, intake = self._client, self._intake
        for scope in self._settings.scopes:
            yield secrets.watch(client, intake, namespace=scope)
            yield config_maps.watch(client, intake, namespace=scope)
            yield pods.watch(
                client,
                on_event=self._work.pods.apply_event,
                on_listed=self._work.pods.apply_list,
                namespace=scope,
            )
            for kind in children.KINDS:
                yield children.watch(client, intake, kind, namespace=scope)
        if not self._settings.namespaces:
            yield namespaces.watch(client, intake)

    async def _discover_forever(self) -> None:
        while True:
            await asyncio.sleep(_DISCOVERY_SECONDS)
            await self._discover()

    async def _discover(self) -> None:
        """Follows an optional kind from when the API server has it; its CRD may come long after us."""
        served = set()
        for kind in OPTIONAL_KINDS:
            try:
                if await self._client.serves(kind):
                    served.add(kind)
            except KubeError as error:
                log.info("whether the API server has %s is not known: %s", kind.kind, error)
                served |= self._served & {kind}
        if served == self._served and self._discovered:
            return
        self._discovered = True
        for kind in served - self._followed:  # once: a watch outlives the kind, and goes on when it comes back
            for scope in self._settings.scopes:
                self._follow(children.watch(self._client, self._intake, kind, namespace=scope))
        self._followed |= served
        self._served = frozenset(served)
        self._work.serve(self._served)
        if self._resync.begun:
            for gateway in self._fanout.gateways():
                self._touch(gateway)

    def _follow(self, watch: Watch) -> None:
        where = f" in {watch.namespace}" if watch.namespace else ""
        self._start(f"watch of {watch.kind.plural}{where}", watch.run())

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        self._health.watch_task(name, task)
        task.add_done_callback(lambda _: self._ended.set())
        return task

    def _touch_children(self, gateway: ObjectRef) -> None:
        self._touch(gateway, children_only=True)

    def _touch(self, gateway: ObjectRef, *, children_only: bool = False) -> None:
        """An event's way into the queue. Before the first list there is nothing to do: it shows what the event did."""
        if self._resync.begun and self._settings.looks_after(gateway.namespace):
            self._resync.touch(gateway, children_only=children_only)
            self._reconciles.add(gateway)

    def _add(self, gateway: ObjectRef, background: bool) -> None:
        """Objects may name gateways of namespaces that we do not look after, and may not look into."""
        if self._settings.looks_after(gateway.namespace):
            self._reconciles.add(gateway, background=background)
        else:
            self._resync.done(gateway)

    async def _reconcile(self, gateway: ObjectRef) -> float | None:
        reader = self._resync.reader_of(gateway)
        try:
            return await self._work.reconcile(gateway, reader)
        finally:
            self._resync.done(gateway)

    async def _publish(self, gateway: ObjectRef) -> float | None:
        return await self._work.publish(gateway)
