"""The periodic look at everything: what no event told of is found here.

A round lists each kind once, feeds the fan-out, and has every gateway reconciled from those lists, behind whatever
changes meanwhile. Between rounds, a glance at the metadata alone finds edits and deletions that a broken watch lost.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from gateway_operator import metrics, names
from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout
from gateway_operator.installed import KINDS
from gateway_operator.joint_lists import JointReader
from gateway_operator.kube.client import KubeClient, Object, Objects, Reader
from gateway_operator.kube.errors import KubeError
from gateway_operator.kube.resources import NAMESPACES, ResourceKind

log = logging.getLogger(__name__)

GLANCE_SECONDS: Final = 60.0
_FIRST_GLANCE_SECONDS: Final = 5.0
"""After the first round: what was deleted between its lists and those of the watches."""
_LINGER_SECONDS: Final = 15.0
"""How long a round's lists of the three kinds serve on, for the events of the children that the round wrote."""
_JITTER: Final = 0.1
_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 30.0


class SharedReader:
    """Reads from lists that were made once for all gateways; from the API server whatever they cannot answer.

    What it returns is shared: it must not be changed. Children are known here only by the operator's label, so that a
    missing one is looked for on the server: its name may be another's.
    """

    def __init__(self, client: Reader, *, scopes: tuple[str | None, ...]) -> None:
        self._client = client
        self._scopes = scopes
        self._lists: dict[ResourceKind, dict[str, dict[str, Object]]] = {}
        self._labelled: set[ResourceKind] = set()

    async def load(self, kind: ResourceKind, *, labels: str = "", metadata_only: bool = False) -> int:
        """Makes the list of one kind; the number of its objects. Raises `KubeError`s, and keeps nothing then."""
        scopes: tuple[str | None, ...] = self._scopes if kind.namespaced else (None,)
        found: dict[str, dict[str, Object]] = defaultdict(dict)
        for scope in scopes:
            for item in await self._client.list(kind, scope, labels=labels, metadata_only=metadata_only):
                metadata = item["metadata"]
                found[metadata.get("namespace", "")][metadata["name"]] = item
        self._lists[kind] = dict(found)
        if labels:
            self._labelled.add(kind)
        return sum(len(items) for items in found.values())

    def without_children(self) -> "SharedReader":
        """The same lists but for those of children, which are read live: for a gateway whose children changed."""
        reader = SharedReader(self._client, scopes=self._scopes)
        reader._lists = {kind: found for kind, found in self._lists.items() if kind not in self._labelled}
        return reader

    def all(self, kind: ResourceKind) -> Iterator[Object]:
        for items in self._lists.get(kind, {}).values():
            yield from items.values()

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
        if self._covers(kind, namespace):
            item = self._lists[kind].get(namespace or "", {}).get(name)
            if item is not None or kind not in self._labelled:
                return item
        return await self._client.get(kind, namespace, name)

    async def list(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Objects:
        wanted = _equalities(labels)
        complete = kind not in self._labelled or (wanted or {}).get(names.MANAGED_BY_LABEL) == names.MANAGER
        if fields or wanted is None or not complete or not self._covers(kind, namespace):
            return await self._client.list(kind, namespace, labels=labels, fields=fields, metadata_only=metadata_only)
        items = self._lists[kind].get(namespace, {}).values() if namespace else self.all(kind)
        return [item for item in items if _has(item, wanted)]

    def _covers(self, kind: ResourceKind, namespace: str | None) -> bool:
        in_scope = not kind.namespaced or None in self._scopes or namespace in self._scopes
        return kind in self._lists and in_scope


def _equalities(selector: str) -> Mapping[str, str] | None:
    """The labels that a selector asks for; None when it asks for more than equality."""
    wanted = {}
    for term in filter(None, selector.split(",")):
        key, sign, value = term.partition("=")
        if not sign or key.endswith("!") or any(mark in key for mark in " ()"):
            return None
        wanted[key] = value.removeprefix("=")
    return wanted


def _has(item: Object, labels: Mapping[str, str]) -> bool:
    if not labels:
        return True
    there = item["metadata"].get("labels") or {}
    return all(there.get(key) == value for key, value in labels.items())


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
        self.begun = True
        reader = SharedReader(self._client, scopes=self._scopes)
        for kind in KINDS:
            metrics.OBJECTS.labels(kind.kind).set(await reader.load(kind))
        for kind in self._child_kinds():
            if await self._client.serves(kind):
                await reader.load(kind, labels=f"{names.MANAGED_BY_LABEL}={names.MANAGER}")
        before = self._fanout.targets()
        for kind in KINDS:
            for item in reader.all(kind):
                if not self._fanout.knows(_ref(item), item["metadata"], since=since):
                    self._fanout.record(item)
        refs = {kind: [_ref(item) for item in reader.all(kind)] for kind in KINDS}
        for kind in KINDS:
            self._fanout.forget_missing(kind.kind, refs[kind], since=since)
        if None in self._scopes and self._fanout.gateways_selecting_namespaces():
            await reader.load(NAMESPACES, metadata_only=True)
        gateways = before | self._fanout.targets()  # gone ones too: what was kept of them is let go
        self._reader, self._childless = reader, reader.without_children()
        self._pending = gateways - self._touched - self._written
        for gateway in sorted(gateways):
            self._add(gateway, True)

    def _let_go(self, reader: SharedReader | None) -> None:
        if self._childless is reader:
            self._childless = None

    async def _all_done(self) -> None:
        while self._pending:
            self._progress.clear()
            await self._progress.wait()


def _ref(item: Object) -> ObjectRef:
    return ObjectRef(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
