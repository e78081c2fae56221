"""One document of a manifest file to the objects that it stands for, with what is wrong with each.

The compiler judges the three kinds against their schema; here is judged what a cluster's API server would: names,
Secrets and ConfigMaps.
"""

import base64
import binascii
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway_operator.api.v1alpha1 import GROUP, KINDS, VERSION
from gateway_operator.compiler.snapshot import ConfigMap, ObjectRef, Secret

DEFAULT_NAMESPACE = "default"
MAX_DATA_BYTES = 1024 * 1024
"""What the API server lets a Secret or a ConfigMap hold."""
CORE_KINDS = ("Secret", "ConfigMap", "Namespace")
MAX_LIST_DEPTH = 3

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\Z")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
_COMMON_FIELDS = ("apiVersion", "kind", "metadata", "immutable")
_FIELDS = {
    "Secret": (*_COMMON_FIELDS, "data", "stringData", "type"),
    "ConfigMap": (*_COMMON_FIELDS, "data", "binaryData"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that keeps an object from being used."""

    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalObject:
    """One object of a document. Without `ref` it is not looked at further."""

    prefix: str = ""
    """Path of the object within its document: `items[2].` inside a List."""
    ref: ObjectRef | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)
    value: Secret | ConfigMap | None = None
    """A Secret or ConfigMap; the three kinds stay manifests."""
    faults: tuple[Fault, ...] = ()
    note: str | None = None
    """Why it was skipped."""


def objects(document: Any) -> Iterator[LocalObject]:
    """The objects of one document, lists expanded."""
    yield from _objects(document, prefix="", implied={}, depth=0)


def _objects(document: Any, *, prefix: str, implied: Mapping[str, str], depth: int) -> Iterator[LocalObject]:
    if document is None and not prefix:
        return
    if not isinstance(document, dict):
        yield _refused(prefix, "", f"a Kubernetes object must stand here, not {_type_name(document)}")
        return
    document = {**implied, **document}
    api_version, kind = document.get("apiVersion"), document.get("kind")
    missing = [name for name, value in (("apiVersion", api_version), ("kind", kind)) if value in (None, "")]
    if missing:
        yield LocalObject(prefix=prefix, faults=tuple(Fault(path=name, message="is required") for name in missing))
    elif not isinstance(api_version, str) or not isinstance(kind, str):
        wrong = "kind" if isinstance(api_version, str) else "apiVersion"
        yield _refused(prefix, wrong, "must be a string")
    elif kind.endswith("List") and "items" in document:
        yield from _list(document, api_version=api_version, kind=kind, prefix=prefix, depth=depth)
    else:
        yield _object(document, api_version=api_version, kind=kind, prefix=prefix)


def _list(
    document: Mapping[str, Any], *, api_version: str, kind: str, prefix: str, depth: int
) -> Iterator[LocalObject]:
    items = document["items"]
    if items is None:
        return
    if not isinstance(items, list):
        yield _refused(prefix, "items", "must be a list")
    elif depth == MAX_LIST_DEPTH:
        yield _refused(prefix, "items", "a List inside a List inside a List")
    else:
        implied = {} if kind == "List" else {"apiVersion": api_version, "kind": kind.removesuffix("List")}
        for number, item in enumerate(items):
            yield from _objects(item, prefix=f"{prefix}items[{number}].", implied=implied, depth=depth + 1)


def _object(document: Mapping[str, Any], *, api_version: str, kind: str, prefix: str) -> LocalObject:
    group, _, version = api_version.rpartition("/")
    ours = group == GROUP
    if ours and version != VERSION:
        return _refused(prefix, "apiVersion", f"the version {version!r} is not known; write {GROUP}/{VERSION}")
    if ours and kind not in KINDS:
        return _refused(prefix, "kind", f"{GROUP} has no kind {kind!r}; {_suggestion(kind, KINDS)}")
    if kind in KINDS and not ours and _means_our_group(group):
        # Passed over as a stranger's, a policy would no longer close what it closes.
        return _refused(prefix, "apiVersion", f"{api_version!r} is not the group of a {kind}; write {GROUP}/{VERSION}")
    if not ours and (api_version != "v1" or kind not in CORE_KINDS):
        return LocalObject(prefix=prefix, note=f"skipped: {kind} of {api_version} has no meaning without a cluster")
    ref, faults = _reference(document, kind)
    value: Secret | ConfigMap | None = None
    if ref is not None and kind == "Secret":
        value, more = _secret(document, ref)
        faults += more
    elif ref is not None and kind == "ConfigMap":
        value, more = _config_map(document, ref)
        faults += more
    return LocalObject(prefix=prefix, ref=ref, manifest=document, value=value, faults=tuple(faults))


def _means_our_group(group: str) -> bool:
    return not group or bool(difflib.get_close_matches(group.lower(), [GROUP], cutoff=0.8))


def _reference(document: Mapping[str, Any], kind: str) -> tuple[ObjectRef | None, list[Fault]]:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        message = "is required" if metadata is None else "must be a mapping"
        return None, [Fault(path="metadata", message=message)]
    name: Any = metadata.get("name")
    namespace: Any = metadata.get("namespace") or DEFAULT_NAMESPACE
    faults: list[Fault] = []
    if not name:
        hint = "; generateName has no meaning without a cluster" if "generateName" in metadata else ""
        faults.append(Fault(path="metadata.name", message=f"is required{hint}"))
    elif not isinstance(name, str) or len(name) > 253 or not _NAME.match(name):
        faults.append(Fault(path="metadata.name", message=f"{_shown(name)} is not a name: {_name_rule('.')}"))
    if kind == "Namespace":
        namespace = ""
    elif not isinstance(namespace, str) or not _LABEL.match(namespace):
        path = "metadata.namespace"
        faults.append(Fault(path=path, message=f"{_shown(namespace)} is not a namespace: {_name_rule('')}"))
    for member in ("labels", "annotations"):
        faults += _string_map(metadata.get(member), f"metadata.{member}")
    return (ObjectRef(kind, namespace, name) if not faults else None), faults


def _secret(document: Mapping[str, Any], ref: ObjectRef) -> tuple[Secret | None, list[Fault]]:
    faults = _unknown_fields(document, "Secret")
    data: dict[str, bytes] = {}
    for member in ("data", "stringData"):
        values = document.get(member)
        problems = _string_map(values, member) + _key_faults(values, member)
        faults += problems
        if problems or not values:
            continue
        for key, value in values.items():
            if member == "stringData":
                data[key] = (value or "").encode()
                continue
            try:
                data[key] = base64.b64decode("".join((value or "").split()), validate=True)
            except (binascii.Error, ValueError):
                message = "is not base64; plain text belongs in stringData"
                faults.append(Fault(path=f"data.{key}", message=message))
    secret_type = document.get("type") or "Opaque"
    if not isinstance(secret_type, str):
        faults.append(Fault(path="type", message="must be a string"))
    faults += _size_faults(document, sum(map(len, data.values())))
    if faults:
        return None, faults
    metadata = document["metadata"]
    return Secret(
        namespace=ref.namespace,
        name=ref.name,
        type=secret_type,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        data=data,
    ), []


def _config_map(document: Mapping[str, Any], ref: ObjectRef) -> tuple[ConfigMap | None, list[Fault]]:
    values = document.get("data")
    faults = _unknown_fields(document, "ConfigMap") + _string_map(values, "data") + _key_faults(values, "data")
    if faults:
        return None, faults
    data = {key: value or "" for key, value in (values or {}).items()}
    faults = _size_faults(document, sum(len(value.encode()) for value in data.values()))
    return ConfigMap(namespace=ref.namespace, name=ref.name, data=data), faults


def _string_map(values: Any, path: str) -> list[Fault]:
    if values is None:
        return []
    if not isinstance(values, dict):
        return [Fault(path=path, message="must be a mapping of strings")]
    return [
        Fault(path=f"{path}.{key}", message=f"must be a string, {_type_name(value)} is not; put it in quotes")
        for key, value in values.items()
        if not isinstance(value, str | None)
    ]


def _key_faults(values: Any, path: str) -> list[Fault]:
    if not isinstance(values, dict):
        return []
    rule = "letters, digits, '-', '_' and '.' only"
    return [
        Fault(path=f"{path}.{key}", message=f"{_shown(key)} is not a key: {rule}")
        for key in values
        if not _DATA_KEY.match(key)
    ]


def _unknown_fields(document: Mapping[str, Any], kind: str) -> list[Fault]:
    known = _FIELDS[kind]
    return [
        Fault(path=name, message=f'unknown field "{name}"; {_suggestion(name, known)}')
        for name in document
        if name not in known
    ]


def _size_faults(document: Mapping[str, Any], size: int) -> list[Fault]:
    if size <= MAX_DATA_BYTES:
        return []
    path = "data" if document.get("data") else "stringData"
    return [Fault(path=path, message=f"holds {size} bytes; a {document['kind']} takes at most {MAX_DATA_BYTES}")]


def _suggestion(name: str, known: Iterable[str]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]!r}?" if near else f"known are {', '.join(sorted(by_lower.values()))}"


def _type_name(value: Any) -> str:
    """Never the value: in a Secret the number may be the password."""
    names: dict[type, str] = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
        str: "a string",
    }
    return names.get(type(value), "nothing")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _name_rule(extra: str) -> str:
    dot = " or '.'" if extra else ""
    return f"lower-case letters, digits, '-'{dot}, beginning and ending with a letter or digit"


def _refused(prefix: str, path: str, message: str) -> LocalObject:
    return LocalObject(prefix=prefix, faults=(Fault(path=path, message=message),))
