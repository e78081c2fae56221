"""The periodic look at everything: what no event told of is found here.

A round lists each kind once, feeds the fan-out, and has every gateway reconciled from those lists, behind whatever
changes meanwhile. Between rounds, a glance at the metadata alone finds edits and deletions that a broken watch lost.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Final

from gateway_operator import metrics, names
from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout
from gateway_operator.installed import KINDS
from gateway_operator.joint_lists import JointReader
from gateway_operator.kube.client import KubeClient, Object, Reader
from gateway_operator.kube.errors import KubeError
from gateway_operator.kube.resources import NAMESPACES, SECRETS, ResourceKind
from gateway_operator.shared_lists import SharedReader

log = logging.getLogger(__name__)

GLANCE_SECONDS: Final = 60.0
_FIRST_GLANCE_SECONDS: Final = 5.0
"""After the first round: what was deleted between its lists and those of the watches."""
_LINGER_SECONDS: Final = 15.0
"""How long a round's lists of the three kinds serve on, for the events of the children that the round wrote."""
_BREATH: Final = 200
"""Objects of a list that are taken in without giving the event loop a turn."""
_JITTER: Final = 0.1
_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 30.0


class Resync:
    """Rounds over everything. `add` puts a gateway into the queue, in the background or not."""

    def __init__(
        self,
        *,
        client: KubeClient,
        fanout: Fanout,
        add: Callable[[ObjectRef, bool], None],
        scopes: tuple[str | None, ...],
        interval: float,
        child_kinds: Callable[[], Iterable[ResourceKind]],
    ) -> None:
        self._client = client
        self._fanout = fanout
        self._add = add
        self._scopes = scopes
        self._interval = interval
        self._child_kinds = child_kinds
        self._live = JointReader(client)
        self._reader: SharedReader | None = None
        self._childless: SharedReader | None = None
        self._pending: set[ObjectRef] = set()
        self._touched: set[ObjectRef] = set()
        self._written: set[ObjectRef] = set()
        self._progress = asyncio.Event()
        self.begun = False
        """Whether a first list has been made: before, an event needs nobody's attention, for the list will show it."""

    def reader_of(self, gateway: ObjectRef) -> Reader:
        """What to reconcile the gateway from: the round's lists, unless something touched it since they began."""
        if self._reader and gateway in self._pending:
            return self._reader
        if self._childless and gateway not in self._touched:
            return self._childless
        return self._live

    def touch(self, gateway: ObjectRef, *, children_only: bool = False) -> None:
        """Something of the gateway changed: lists from before are too old for it. `children_only`: those of children,
        which our own writes touch all the time."""
        if not children_only:
            self._touched.add(gateway)
        self._written.add(gateway)
        self.done(gateway)

    def done(self, gateway: ObjectRef) -> None:
        """The gateway has been reconciled, or is reconciled otherwise."""
        self._pending.discard(gateway)
        self._progress.set()

    async def run(self, *, listed: asyncio.Event, finished: asyncio.Event) -> None:
        """Rounds until cancelled. `listed` is set after the first lists, `finished` after the first round."""
        retry = _FIRST_RETRY
        while True:
            begun = time.monotonic()
            try:
                await self._list()
                listed.set()
                await self._all_done()
            except KubeError as error:
                metrics.RESYNCS.labels("failure").inc()
                log.warning("a resync failed, again in %.0f s; nothing is changed by it: %s", retry, error)
                await asyncio.sleep(retry)
                retry = min(_LAST_RETRY, retry * 2)
                continue
            finally:
                self._reader, self._pending = None, set()
                asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._let_go, self._childless)
            retry = _FIRST_RETRY
            seconds = time.monotonic() - begun
            metrics.RESYNCS.labels("success").inc()
            metrics.RESYNC_SECONDS.set(seconds)
            log.info("resync: %d gateways in %.1f s", len(self._fanout.gateways()), seconds)
            await self._wait(first=not finished.is_set(), finished=finished)

    async def _wait(self, *, first: bool, finished: asyncio.Event) -> None:
        """Until the next round, with glances meanwhile."""
        finished.set()
        clock = asyncio.get_running_loop()
        until = clock.time() + self._interval * random.uniform(1 - _JITTER, 1 + _JITTER)
        pause = _FIRST_GLANCE_SECONDS if first else GLANCE_SECONDS
        while (left := until - clock.time()) > 0:
            await asyncio.sleep(min(left, pause))
            if clock.time() < until:
                try:
                    await self.glance()
                except KubeError as error:
                    log.info("a look for missed changes failed: %s", error)
            pause = GLANCE_SECONDS

    async def glance(self) -> None:
        """Has those gateways reconciled whose objects are not as the fan-out knows them. Raises `KubeError`s."""
        for kind in KINDS:
            since = self._fanout.mark()
            seen: list[ObjectRef] = []
            changed: set[ObjectRef] = set()
            for scope in self._scopes:
                for item in await self._client.list(kind, scope, metadata_only=True):
                    ref = _ref(item)
                    seen.append(ref)
                    if not self._fanout.knows(ref, item["metadata"], since=since):
                        changed.add(ref)
            touched = set(self._fanout.forget_missing(kind.kind, seen, since=since))
            for ref in changed:  # unknown or edited: the references are in the object itself
                found = await self._client.get(kind, ref.namespace, ref.name)
                if found is not None:
                    touched |= self._fanout.record(found)
            for gateway in touched:
                self.touch(gateway)
                self._add(gateway, False)

    async def _list(self) -> None:
        """One round's lists. Raises `KubeError`s, having changed nothing."""
        since = self._fanout.mark()
        self._touched, self._written = set(), set()
        self._childless = None  # the round's before: what has been touched since is no longer known
        self.begun = True
        reader = SharedReader(self._client, scopes=self._scopes)
        ours = f"{names.MANAGED_BY_LABEL}={names.MANAGER}"
        for kind in KINDS:
            metrics.OBJECTS.labels(kind.kind).set(await reader.load(kind))
        for kind in self._child_kinds():
            if await self._client.serves(kind):
                await reader.load(kind, labels=ours)
        await reader.load(SECRETS, labels=ours, metadata_only=True)
        before = self._fanout.targets()
        for kind in KINDS:
            await self._record(kind, reader, since=since)
        for kind in KINDS:
            self._fanout.forget_missing(kind.kind, reader.refs(kind), since=since)
        if None in self._scopes and self._fanout.gateways_selecting_namespaces():
            await reader.load(NAMESPACES, metadata_only=True)
        gateways = before | self._fanout.targets()  # gone ones too: what was kept of them is let go
        self._reader, self._childless = reader, reader.without_children()
        self._pending = gateways - self._touched - self._written
        for gateway in sorted(gateways):
            self._add(gateway, True)

    async def _record(self, kind: ResourceKind, reader: SharedReader, *, since: int) -> None:
        for number, ref in enumerate(reader.refs(kind), 1):
            item = await reader.get(kind, ref.namespace, ref.name)
            if item is not None and not self._fanout.knows(ref, item["metadata"], since=since):
                self._fanout.record(item)
            if number % _BREATH == 0:
                await asyncio.sleep(0)

    def _let_go(self, reader: SharedReader | None) -> None:
        if self._childless is reader:
            self._childless = None

    async def _all_done(self) -> None:
        while self._pending:
            self._progress.clear()
            await self._progress.wait()


def _ref(item: Object) -> ObjectRef:
    return ObjectRef(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
