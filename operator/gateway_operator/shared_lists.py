"""Lists that a resync makes once for all gateways. Held as JSON, parsed as they are asked for: ten thousand policies
take 20 MB like that, and 150 MB as objects."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import orjson

from gateway_operator import names
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.client import Lister, Object, Objects
from gateway_operator.kube.resources import ResourceKind

_PARSED_NAMESPACES: Final = 2
"""Whose objects of one kind are kept parsed: gateways are worked on by namespace, a few at a time."""


class _Packed(NamedTuple):
    namespace: str
    name: str
    content: bytes


class _PackedList:
    """The objects of one kind."""

    def __init__(self, *, metadata_only: bool, labelled: bool) -> None:
        self.metadata_only = metadata_only
        self.labelled = labelled
        """Whether only the operator's own objects are here."""
        self._items: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._parsed: OrderedDict[str, Objects] = OrderedDict()

    def add(self, item: _Packed) -> None:
        self._items[item.namespace][item.name] = item.content

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def named(self) -> Iterator[tuple[str, str]]:
        """Namespace and name of each."""
        return ((namespace, name) for namespace, items in self._items.items() for name in items)

    def get(self, namespace: str, name: str) -> Object | None:
        content = self._items.get(namespace, {}).get(name)
        return None if content is None else _unpacked(content)

    def of(self, namespace: str | None) -> Objects:
        """Those of one namespace; None: all."""
        if namespace is None:
            return [item for each in self._items for item in self.of(each)]
        parsed = self._parsed.get(namespace)
        if parsed is None:
            parsed = [_unpacked(content) for content in self._items.get(namespace, {}).values()]
            self._parsed[namespace] = parsed
            while len(self._parsed) > _PARSED_NAMESPACES:
                self._parsed.popitem(last=False)
        return parsed


class SharedReader:
    """Reads from lists that were made once for all gateways; from the API server whatever they cannot answer.

    What it returns is shared: it must not be changed. Children are known here only by the operator's label, so that a
    missing one is looked for on the server: its name may be another's.
    """

    def __init__(self, client: Lister, *, scopes: tuple[str | None, ...]) -> None:
        self._client = client
        self._scopes = scopes
        self._lists: dict[ResourceKind, _PackedList] = {}

    async def load(self, kind: ResourceKind, *, labels: str = "", metadata_only: bool = False) -> int:
        """Makes the list of one kind; the number of its objects. Raises `KubeError`s, and keeps nothing then."""
        scopes: tuple[str | None, ...] = self._scopes if kind.namespaced else (None,)
        found = _PackedList(metadata_only=metadata_only, labelled=bool(labels))
        for scope in scopes:
            for item in await self._client.kept(kind, scope, keep=_packed, labels=labels, metadata_only=metadata_only):
                found.add(item)
        self._lists[kind] = found
        return len(found)

    def without_children(self) -> "SharedReader":
        """The same lists but for those of children, which are read live: for a gateway whose children changed."""
        reader = SharedReader(self._client, scopes=self._scopes)
        reader._lists = {kind: found for kind, found in self._lists.items() if not found.labelled}
        return reader

    def refs(self, kind: ResourceKind) -> Iterator[ObjectRef]:
        """Every object of a kind that was loaded."""
        return (ObjectRef(kind.kind, namespace, name) for namespace, name in self._lists[kind].named())

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
        if self._covers(kind, namespace) and not self._lists[kind].metadata_only:
            found = self._lists[kind]
            item = found.get(namespace or "", name)
            if item is not None or not found.labelled:
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
        if fields or wanted is None or not self._has_all(kind, namespace, wanted, metadata_only=metadata_only):
            return await self._client.list(kind, namespace, labels=labels, fields=fields, metadata_only=metadata_only)
        return [item for item in self._lists[kind].of(namespace) if _has(item, wanted)]

    def _has_all(
        self, kind: ResourceKind, namespace: str | None, labels: Mapping[str, str], *, metadata_only: bool
    ) -> bool:
        if not self._covers(kind, namespace):
            return False
        found = self._lists[kind]
        ours = labels.get(names.MANAGED_BY_LABEL) == names.MANAGER
        return (ours or not found.labelled) and (metadata_only or not found.metadata_only)

    def _covers(self, kind: ResourceKind, namespace: str | None) -> bool:
        in_scope = not kind.namespaced or None in self._scopes or namespace in self._scopes
        return kind in self._lists and in_scope


def _packed(item: Object) -> _Packed:
    metadata = item["metadata"]
    return _Packed(metadata.get("namespace", ""), metadata["name"], orjson.dumps(item))


def _unpacked(content: bytes) -> Object:
    item: Object = orjson.loads(content)
    return item


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
