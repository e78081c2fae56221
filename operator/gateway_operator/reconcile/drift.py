"""Whether a live object is still what the operator wants. Pure.

Others may add to our objects: the API server its defaults, controllers and admission their members, people their
annotations. So everything that is wanted has to be there; what is there besides is left alone, as server-side apply
would leave it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway_config.canonical import canonical_json, sha256_hex
from gateway_operator import names
from gateway_operator.compiler import ObjectRef

LIST_KEYS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "imagePullSecrets": (("name",),),
    "volumeMounts": (("mountPath",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "ownerReferences": (("uid",),),
    # of a container, and of a Service
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
}
"""Members of an object whose lists Kubernetes merges by these keys. Any other list belongs to one owner as a whole."""
WHOLE: Final = frozenset({"selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector"})
"""Members that belong to one owner as a whole: an entry more in a selector selects other pods."""
_DEFAULTS: Final = {"protocol": "TCP"}
_ATOMIC_PORTS: Final = frozenset({"NetworkPolicy"})
"""Kinds whose `ports` are such a list after all."""


def fingerprint(wanted: Mapping[str, Any]) -> str:
    """Names a wanted object; it lies on the live one as an annotation."""
    return sha256_hex(canonical_json(wanted))


def with_fingerprint(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent: the wanted object and its fingerprint. Not for Secrets, whose data it would be a digest of."""
    metadata = wanted["metadata"]
    annotations = {**(metadata.get("annotations") or {}), names.APPLIED_ANNOTATION: fingerprint(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def applied(live: Mapping[str, Any]) -> str:
    """The fingerprint of what was applied to the live object last; empty where nothing was."""
    return str((live["metadata"].get("annotations") or {}).get(names.APPLIED_ANNOTATION, ""))


def differs(sent: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether the live object lacks something that was sent. `data` of a Secret may hold nothing else besides."""
    kind = str(sent.get("kind"))
    if kind == "Secret" and (live.get("data") or {}) != (sent.get("data") or {}):
        return True
    members = {member: value for member, value in sent.items() if not (kind == "Secret" and member == "data")}
    return not _holds(members, live, member="", kind=kind)


def settled_form(live: Mapping[str, Any]) -> str:
    """Names a live object as far as anybody's wishes go: without status and what the API server counts."""
    metadata = {
        name: value
        for name, value in live["metadata"].items()
        if name in ("uid", "labels", "annotations", "ownerReferences")
    }
    rest = {name: value for name, value in live.items() if name not in ("status", "metadata")}
    return sha256_hex(canonical_json({**rest, "metadata": metadata}))


def is_ours(live: Mapping[str, Any], *, gateway: ObjectRef, uid: str) -> bool:
    """Whether the operator made the object for this gateway: by its owner and any of our marks, which people may have
    edited. One that has no owner at all was left behind on purpose, and is taken up again where both labels say so."""
    metadata = live["metadata"]
    labels = metadata.get("labels") or {}
    managed, named = names.is_managed(labels), labels.get(names.GATEWAY_LABEL) == gateway.name
    owners = metadata.get("ownerReferences") or ()
    if not owners:
        return managed and named
    return any(owner.get("uid") == uid for owner in owners) and (managed or named or bool(applied(live)))


def _holds(wanted: Any, live: Any, *, member: str, kind: str) -> bool:
    """`member`: the name under which the two values stand."""
    if member in WHOLE:
        return bool(wanted == live)
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return wanted == {} and live is None
        return all(
            _holds(value, live.get(name), member=name, kind=kind) if name in live else _nothing(value)
            for name, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        if not isinstance(live, list):
            return not wanted and live is None
        keys = _keys_of(wanted, member=member, kind=kind)
        if keys:
            there = {_key(item, keys): item for item in live if isinstance(item, dict)}
            return all(
                (found := there.get(_key(item, keys))) is not None and _holds(item, found, member="", kind=kind)
                for item in wanted
            )
        return len(wanted) == len(live) and all(
            _holds(mine, other, member="", kind=kind) for mine, other in zip(wanted, live, strict=True)
        )
    return type(wanted) is type(live) and bool(wanted == live)


def _nothing(value: Any) -> bool:
    """Values that the API server drops: null and empty lists. An empty object may say something, and stays."""
    return value is None or value == []


def _keys_of(wanted: Sequence[Any], *, member: str, kind: str) -> tuple[str, ...]:
    """The keys by which this list is merged; none where it is one owner's as a whole."""
    if not wanted or (member == "ports" and kind in _ATOMIC_PORTS):
        return ()
    for keys in LIST_KEYS.get(member, ()):
        if all(isinstance(item, dict) and keys[0] in item for item in wanted):
            return keys
    return ()


def _key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)
