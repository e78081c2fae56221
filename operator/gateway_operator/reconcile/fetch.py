"""Reads everything that may count for one gateway. The only part of a reconcile that decides what is read.

Whatever cannot be read is an error, never an absence: only the API server's own word that an object is not there
counts as that.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import orjson

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.not_implemented import ACTED_ON
from gateway_operator.api.v1alpha1.references import AllowedObjects, FromNamespaces
from gateway_operator.api.v1alpha1.validation import KINDS
from gateway_operator.compiler import ConfigMap, ObjectRef, Resource, Secret, Snapshot
from gateway_operator.compiler.inventory import BINDING, POLICY, check
from gateway_operator.compiler.references import REFUSED_TYPES, admits
from gateway_operator.compiler.salvage import salvaged_gateways
from gateway_operator.kube.client import Object, Objects, Reader
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import (
    CONFIG_MAPS,
    GATEWAY_DEPLOYMENTS,
    GATEWAY_POLICIES,
    NAMESPACES,
    PROVIDER_BINDINGS,
    SECRETS,
    ResourceKind,
)
from gateway_operator.together import together

CONCURRENT_READS: Final = 8
"""Of one gateway at a time."""
_MANY_NAMESPACES: Final = 8
"""From so many on, one list of the whole cluster is cheaper than one of each."""
_DOCUMENTS: Final = frozenset({"spec.settings", "spec.desktop"})
"""Of a policy, passed through as they are: they refer to nothing."""
_SECRET: Final = "Secret"  # noqa: S105  # a kind
_CONFIG_MAP: Final = "ConfigMap"
_KINDS: Final = {kind.kind: kind for kind in (GATEWAY_DEPLOYMENTS, PROVIDER_BINDINGS, GATEWAY_POLICIES, SECRETS)}
_ATTACHED: Final = (BINDING, POLICY)

_Result = TypeVar("_Result")


class Referrers(Protocol):
    """The fan-out, as far as a reconcile asks it."""

    def referrers(self, gateway: ObjectRef) -> frozenset[ObjectRef]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object of the three kinds, as it was read."""

    uid: str
    generation: int
    status: bytes = field(default=b"", repr=False)
    """JSON."""
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a gateway is compiled from."""

    gateway: ObjectRef
    uid: str = ""
    """Empty where there is no such gateway, or it is being deleted."""
    model: GatewayDeployment | None = None
    """None where the gateway breaks its schema as well."""
    snapshot: Snapshot = field(default_factory=Snapshot, repr=False)
    objects: Mapping[ObjectRef, Seen] = field(default_factory=dict)
    """Every object of the three kinds in the snapshot."""
    keys: frozenset[ObjectRef] = frozenset()
    """Secrets of developer and admin keys."""
    listed: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    """Namespaces in which all bindings and policies were listed, by kind; None for all."""

    @property
    def counted(self) -> frozenset[ObjectRef]:
        """What must not be missing next time without having been looked for by name."""
        return self.keys | self.objects.keys()


async def gather(gateway: ObjectRef, *, reader: Reader, referrers: Referrers, watched: tuple[str, ...]) -> Gathered:
    """Raises `KubeError`s. `watched`: the namespaces that may be looked into; empty: all.

    Lists reach only the namespaces whose objects the gateway lets in. Objects elsewhere that name it are known to
    `referrers`, and read by name: they are told that they are not let in. Values of Secrets are read of objects that
    are let in.
    """
    reading = _Reading(reader, watched)
    live = await reader.get(GATEWAY_DEPLOYMENTS, gateway.namespace, gateway.name)
    if live is not None and "deletionTimestamp" in live["metadata"]:
        live = None
    own = [] if live is None else [_resource(live)]
    checked = check(own[0]).object if own else None
    model = checked if isinstance(checked, GatewayDeployment) else None

    labels: Mapping[str, Mapping[str, str]] = {}
    listed: dict[str, tuple[str | None, ...]] = {}
    if model is not None:
        rules = {kind: _rule(model, kind) for kind in _ATTACHED}
        if any(rule.namespaces.from_ == FromNamespaces.SELECTOR for rule in rules.values()):
            labels = await reading.namespace_labels()
        listed = {kind: reading.namespaces_of(rule, gateway.namespace, labels) for kind, rule in rules.items()}
    attached = await reading.attached(gateway, listed, referrers.referrers(gateway))
    if live is None:
        return Gathered(
            gateway=gateway,
            snapshot=Snapshot(resources=tuple(map(_resource, attached))),
            objects={_ref(item): _seen(item) for item in attached},
        )

    admitted = [item for item in attached if model is not None and _admitted(item, model, gateway, labels)]
    values = sorted({value for item in (live, *admitted) for value in references(item)})
    secrets, config_maps, *listed_keys = await together(
        [
            reading.named(SECRETS, [value for value in values if value.kind == _SECRET]),
            reading.named(CONFIG_MAPS, [value for value in values if value.kind == _CONFIG_MAP]),
            *(
                reading.one(
                    partial(
                        reader.list,
                        SECRETS,
                        gateway.namespace,
                        labels=f"{names.GATEWAY_LABEL}={gateway.name}",
                        fields=f"type={kind}",
                    )
                )
                for kind in names.KEY_TYPES
            ),
        ]
    )
    keys = [secret for found in listed_keys for secret in found]
    by_name = {_ref(item): _secret(item) for item in (*secrets, *keys)}
    return Gathered(
        gateway=gateway,
        uid=live["metadata"]["uid"],
        model=model,
        snapshot=Snapshot(
            resources=(*own, *map(_resource, attached)),
            secrets=tuple(by_name.values()),
            config_maps=tuple(map(_config_map, config_maps)),
            namespace_labels=labels,
        ),
        objects={_ref(item): _seen(item) for item in (live, *attached)},
        keys=frozenset(map(_ref, keys)),
        listed=listed,
    )


async def confirm_missing(before: Iterable[ObjectRef], now: Gathered, *, reader: Reader) -> None:
    """Looks by name for what counted before and was not found now: a list that is empty by error must not empty what
    serves. Raises UnavailableError where an object is there after all, and `KubeError`s. `reader` must share nothing.
    """
    reading = _Reading(reader, ())
    missing = sorted(set(before) - now.counted)
    found = await together(
        reading.one(partial(reader.get, _KINDS[ref.kind], ref.namespace, ref.name)) for ref in missing
    )
    for ref, item in zip(missing, found, strict=True):
        if item is not None and _counts(item, now):
            raise UnavailableError(f"{ref} is there, but a list lacks it: nothing is changed by such a list")


def references(manifest: Mapping[str, Any]) -> Iterator[ObjectRef]:
    """The Secrets and ConfigMaps whose values the compiler asks for: every `…SecretRef` and `caRef` in a field that
    this version acts on, in the object's own namespace. A broken object is read as far as it can be."""
    acted_on = ACTED_ON[KINDS[manifest["kind"]]]
    namespace = manifest["metadata"]["namespace"]

    def walk(node: Any, path: str) -> Iterator[ObjectRef]:
        if not isinstance(node, Mapping):
            return
        for member, value in node.items():
            here = f"{path}.{member}"
            if here in _DOCUMENTS:
                continue
            if here in acted_on:
                yield from found(member, value)
            elif any(known.startswith(f"{here}.") for known in acted_on):
                yield from walk(value, here)

    def found(member: Any, value: Any) -> Iterator[ObjectRef]:
        if isinstance(value, list):
            for item in value:
                yield from found("", item)
        elif isinstance(value, Mapping):
            name = value.get("name")
            if isinstance(name, str) and name and str(member).endswith("SecretRef"):
                yield ObjectRef(_SECRET, namespace, name)
            elif isinstance(name, str) and name and member == "caRef" and value.get("kind") in (_SECRET, _CONFIG_MAP):
                yield ObjectRef(value["kind"], namespace, name)
            else:
                for inner, below in value.items():
                    yield from found(inner, below)

    yield from walk(manifest.get("spec"), "spec")


class _Reading:
    """The requests of one gateway, a few at a time."""

    def __init__(self, reader: Reader, watched: tuple[str, ...]) -> None:
        self._reader = reader
        self._watched = watched
        self._slots = asyncio.Semaphore(CONCURRENT_READS)

    async def one(self, request: Callable[[], Awaitable[_Result]]) -> _Result:
        async with self._slots:
            return await request()

    async def named(self, kind: ResourceKind, refs: Iterable[ObjectRef]) -> Objects:
        """Those of the objects that are there."""
        found = await together(
            self.one(partial(self._reader.get, kind, ref.namespace or None, ref.name)) for ref in refs
        )
        return [item for item in found if item is not None]

    async def namespace_labels(self) -> dict[str, dict[str, str]]:
        """A Role may let us get its own namespace, but never list them."""
        if self._watched:
            items = await self.named(NAMESPACES, [ObjectRef("Namespace", "", name) for name in self._watched])
        else:
            items = await self._reader.list(NAMESPACES, metadata_only=True)
        return {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in items}

    def namespaces_of(
        self, rule: AllowedObjects, own: str, labels: Mapping[str, Mapping[str, str]]
    ) -> tuple[str | None, ...]:
        """The namespaces to list; None for all of the cluster."""
        match rule.namespaces.from_:
            case FromNamespaces.SAME:
                return (own,)
            case FromNamespaces.ALL:
                return self._watched or (None,)
            case FromNamespaces.SELECTOR:
                selected = [
                    name
                    for name in sorted(labels)
                    if admits(rule, gateway_namespace=own, namespace=name, labels=labels)
                ]
                return (None,) if len(selected) >= _MANY_NAMESPACES and not self._watched else tuple(selected)

    async def attached(
        self, gateway: ObjectRef, listed: Mapping[str, tuple[str | None, ...]], referrers: Iterable[ObjectRef]
    ) -> Objects:
        """Bindings and policies that name the gateway, or of which it cannot be told."""
        lists = [(kind, scope) for kind, scopes in listed.items() for scope in scopes]
        elsewhere = [
            ref
            for ref in sorted(referrers)
            if not {None, ref.namespace} & set(listed.get(ref.kind, ()))
            and (not self._watched or ref.namespace in self._watched)
        ]
        found = await together(
            [
                *(self.one(partial(self._reader.list, _KINDS[kind], scope)) for kind, scope in lists),
                *(self.named(kind, [ref for ref in elsewhere if ref.kind == kind.kind]) for kind in _KINDS.values()),
            ]
        )
        return [item for items in found for item in items if _names(item, gateway)]


def _rule(model: GatewayDeployment, kind: str) -> AllowedObjects:
    return model.spec.allowed_bindings if kind == BINDING else model.spec.allowed_policies


def _admitted(
    item: Object, model: GatewayDeployment, gateway: ObjectRef, labels: Mapping[str, Mapping[str, str]]
) -> bool:
    return admits(
        _rule(model, item["kind"]),
        gateway_namespace=gateway.namespace,
        namespace=item["metadata"]["namespace"],
        labels=labels,
    )


def _counts(item: Object, now: Gathered) -> bool:
    """Whether an object that was found by name should have been found without it."""
    kind, metadata = item["kind"], item["metadata"]
    if kind == GATEWAY_DEPLOYMENTS.kind:
        return "deletionTimestamp" not in metadata
    if kind == _SECRET:
        labels = metadata.get("labels") or {}
        # of a gateway that is gone, keys are not looked for: they stay, for users made them
        listed = bool(now.uid) and item.get("type") in names.KEY_TYPES
        return listed and labels.get(names.GATEWAY_LABEL) == now.gateway.name
    return bool({None, metadata["namespace"]} & set(now.listed.get(kind, ()))) and _names(item, now.gateway)


def _names(item: Object, gateway: ObjectRef) -> bool:
    named = salvaged_gateways(item, item["metadata"]["namespace"])
    return named is None or (gateway.namespace, gateway.name) in named


def _ref(item: Object) -> ObjectRef:
    metadata = item["metadata"]
    return ObjectRef(item["kind"], metadata["namespace"], metadata["name"])


def _seen(item: Object) -> Seen:
    metadata = item["metadata"]
    status = item.get("status")
    return Seen(
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        status=orjson.dumps(status) if isinstance(status, dict) else b"",
        resource_version=metadata.get("resourceVersion", ""),
    )


def _resource(item: Object) -> Resource:
    """Without status and the like, so that a change of these is none."""
    metadata = item["metadata"]
    manifest = {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "metadata": {"namespace": metadata["namespace"], "name": metadata["name"]},
    }
    if "spec" in item:
        manifest["spec"] = item["spec"]
    return Resource(ref=_ref(item), manifest=manifest, age=(metadata.get("creationTimestamp") or "",))


def _secret(item: Object) -> Secret:
    """Without the values where nobody may refer to them."""
    metadata = item["metadata"]
    kind = item.get("type") or "Opaque"
    labels = metadata.get("labels") or {}
    refused = (kind in REFUSED_TYPES and kind not in names.KEY_TYPES) or names.is_managed(labels)
    created = metadata.get("creationTimestamp")
    return Secret(
        namespace=metadata["namespace"],
        name=metadata["name"],
        type=kind,
        labels=labels,
        annotations=metadata.get("annotations") or {},
        data={} if refused else {key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()},
        created=int(datetime.fromisoformat(created).timestamp()) if created else None,
    )


def _config_map(item: Object) -> ConfigMap:
    metadata = item["metadata"]
    return ConfigMap(namespace=metadata["namespace"], name=metadata["name"], data=item.get("data") or {})
