"""Which gateways an object touches: a hint in memory, fed by events and repaired by every resync.

Nothing is compiled from it. What it misses is found by the next resync; what it says too much costs a look in vain.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.resources import GATEWAY_DEPLOYMENTS

_GATEWAY: Final = GATEWAY_DEPLOYMENTS.kind
_SECRET: Final = "Secret"  # noqa: S105  # a kind
_CONFIG_MAP: Final = "ConfigMap"
_RULES: Final = ("allowedBindings", "allowedPolicies")


@dataclass(frozen=True, slots=True)
class _Record:
    uid: str
    generation: int
    deleting: bool
    gateways: tuple[ObjectRef, ...]
    """The gateway itself, or those that a binding or policy names."""
    values: tuple[ObjectRef, ...]
    """Secrets and ConfigMaps that it refers to."""
    selects: bool
    """Whether a gateway chooses namespaces by their labels."""
    recorded: int


def gateway_ref(namespace: str, name: str) -> ObjectRef:
    return ObjectRef(_GATEWAY, sys.intern(namespace), sys.intern(name))


class Fanout:
    """Holds objects of the three kinds, reduced to their references: about a kilobyte for each."""

    def __init__(self) -> None:
        self._records: dict[ObjectRef, _Record] = {}
        self._referrers: dict[ObjectRef, set[ObjectRef]] = defaultdict(set)
        self._users: dict[ObjectRef, set[ObjectRef]] = defaultdict(set)
        self._selecting: set[ObjectRef] = set()
        self._clock = 0

    def record(self, manifest: Mapping[str, Any]) -> frozenset[ObjectRef]:
        """Takes in an object as it is now. The gateways that have to look at it: those that it named before, and those
        that it names now; none when nothing but its status or its labels changed."""
        ref = _ref(manifest)
        metadata = manifest["metadata"]
        spec = manifest.get("spec")
        spec = spec if isinstance(spec, dict) else {}
        self._clock += 1
        record = _Record(
            uid=metadata.get("uid", ""),
            generation=metadata.get("generation", 0),
            deleting="deletionTimestamp" in metadata,
            gateways=(ref,) if ref.kind == _GATEWAY else tuple(_named_gateways(spec, ref.namespace)),
            values=tuple(sorted(set(_values(spec, ref.namespace)))),
            selects=ref.kind == _GATEWAY and any(_selects(spec.get(rule)) for rule in _RULES),
            recorded=self._clock,
        )
        before = self._records.get(ref)
        if before is not None:
            self._unlink(ref, before)
        self._records[ref] = record
        self._link(ref, record)
        if before is None:
            return frozenset(record.gateways)
        if (before.uid, before.generation, before.deleting) == (record.uid, record.generation, record.deleting):
            return frozenset()
        return frozenset(before.gateways + record.gateways)

    def forget(self, ref: ObjectRef, *, uid: str = "") -> frozenset[ObjectRef]:
        """Takes an object out; gives the gateways that it touched. With `uid`, only while that is the one known."""
        record = self._records.get(ref)
        if record is None or (uid and record.uid != uid):
            return frozenset()
        del self._records[ref]
        self._unlink(ref, record)
        return frozenset(record.gateways)

    def knows(self, ref: ObjectRef, metadata: Mapping[str, Any], *, since: int) -> bool:
        """Whether the object is recorded as this metadata has it, or was recorded after `since` (see `mark`)."""
        record = self._records.get(ref)
        if record is None:
            return False
        there = (metadata.get("uid", ""), metadata.get("generation", 0), "deletionTimestamp" in metadata)
        return record.recorded > since or (record.uid, record.generation, record.deleting) == there

    def mark(self) -> int:
        """A moment, to be taken before a list is asked for."""
        return self._clock

    def forget_missing(self, kind: str, found: Iterable[ObjectRef], *, since: int) -> frozenset[ObjectRef]:
        """Takes out what a complete list lacks, unless it was recorded after `since`; the gateways touched."""
        there = set(found)
        gone = [
            ref
            for ref, record in self._records.items()
            if ref.kind == kind and ref not in there and record.recorded <= since
        ]
        return frozenset().union(*(self.forget(ref) for ref in gone))

    def gateways(self) -> list[ObjectRef]:
        return sorted(ref for ref in self._records if ref.kind == _GATEWAY)

    def targets(self) -> set[ObjectRef]:
        """Every gateway that there is, or that some object names."""
        return {ref for ref in self._records if ref.kind == _GATEWAY} | self._referrers.keys()

    def gateways_of(self, ref: ObjectRef) -> frozenset[ObjectRef]:
        """The gateways that an object of the three kinds touches."""
        record = self._records.get(ref)
        return frozenset(record.gateways) if record else frozenset()

    def gateways_of_secret(self, namespace: str, name: str) -> frozenset[ObjectRef]:
        return self._gateways_of_value(ObjectRef(_SECRET, namespace, name))

    def gateways_of_config_map(self, namespace: str, name: str) -> frozenset[ObjectRef]:
        return self._gateways_of_value(ObjectRef(_CONFIG_MAP, namespace, name))

    def gateways_selecting_namespaces(self) -> frozenset[ObjectRef]:
        """Those for which a namespace's labels decide whose objects count."""
        return frozenset(self._selecting)

    def referrers(self, gateway: ObjectRef) -> frozenset[ObjectRef]:
        """Bindings and policies that name the gateway, let in or not."""
        return frozenset(self._referrers.get(gateway, ()))

    def _gateways_of_value(self, value: ObjectRef) -> frozenset[ObjectRef]:
        return frozenset().union(*(self.gateways_of(user) for user in self._users.get(value, ())))

    def _link(self, ref: ObjectRef, record: _Record) -> None:
        if ref.kind != _GATEWAY:
            for gateway in record.gateways:
                self._referrers[gateway].add(ref)
        for value in record.values:
            self._users[value].add(ref)
        if record.selects:
            self._selecting.add(ref)

    def _unlink(self, ref: ObjectRef, record: _Record) -> None:
        for index, keys in ((self._referrers, record.gateways), (self._users, record.values)):
            for key in keys:
                if key in index:
                    index[key].discard(ref)
                    if not index[key]:
                        del index[key]
        self._selecting.discard(ref)


def _ref(manifest: Mapping[str, Any]) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(sys.intern(manifest["kind"]), sys.intern(metadata.get("namespace", "")), metadata["name"])


def _named_gateways(spec: Mapping[str, Any], namespace: str) -> Iterator[ObjectRef]:
    refs = spec.get("gatewayRefs")
    for ref in refs if isinstance(refs, list) else ():
        if isinstance(ref, dict) and isinstance(ref.get("name"), str):
            elsewhere = ref.get("namespace")
            yield gateway_ref(elsewhere if elsewhere and isinstance(elsewhere, str) else namespace, ref["name"])


def _values(node: Any, namespace: str) -> Iterator[ObjectRef]:
    """Every Secret and ConfigMap that a spec refers to, wherever it stands; free-form parts may give some too many."""
    if isinstance(node, list):
        for item in node:
            yield from _values(item, namespace)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "secretName" and isinstance(value, str):
            yield ObjectRef(_SECRET, namespace, value)
        elif isinstance(value, dict) and isinstance(name := value.get("name"), str) and key.endswith(("Ref", "ref")):
            if key.lower().endswith("secretref"):
                yield ObjectRef(_SECRET, namespace, name)
            elif value.get("kind") in (_SECRET, _CONFIG_MAP):
                yield ObjectRef(value["kind"], namespace, name)
        elif key not in ("settings", "desktop"):  # a policy's documents, which refer to nothing
            yield from _values(value, namespace)


def _selects(rule: Any) -> bool:
    namespaces = rule.get("namespaces") if isinstance(rule, dict) else None
    return isinstance(namespaces, dict) and namespaces.get("from") == "Selector"
