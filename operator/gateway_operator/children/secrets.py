"""The Secrets that carry a compiled configuration to the pods."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from gateway_config.bundle import CREDENTIALS_FILE, INDEX_FILE, MAX_PARTS, Index, part_file
from gateway_operator import names
from gateway_operator.children.subject import Manifest, owner_reference
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.resources import SECRETS, ResourceKind

ADMIN_TOKEN_FILE: Final = "admin-token"  # noqa: S105  # a file's name
"""Key of the `<gateway>-signing` Secret that the pods see; the signing keys in it they do not."""


def config_secrets(ref: ObjectRef, uid: str, files: Mapping[str, bytes]) -> list[Manifest]:
    """Every Secret of a packed bundle, in the order to write them: the one with the index is the last, so that a pod
    that sees the index finds all it names. `uid` empty: without an owner."""
    further = [
        _secret(ref, uid, names.config_secret(ref.name, number), {part_file(number): files[part_file(number)]})
        for number in range(1, _parts(files))
    ]
    credentials = _secret(ref, uid, names.credentials_secret(ref.name), {CREDENTIALS_FILE: files[CREDENTIALS_FILE]})
    first = _secret(
        ref, uid, names.config_secret(ref.name), {INDEX_FILE: files[INDEX_FILE], part_file(0): files[part_file(0)]}
    )
    revision = Index.model_validate_json(files[INDEX_FILE]).revision
    first["metadata"]["annotations"] = {names.REVISION_ANNOTATION: revision}
    return [*further, credentials, first]


def surplus_config_secrets(ref: ObjectRef, files: Mapping[str, bytes]) -> list[tuple[ResourceKind, str]]:
    """Kind and name of the parts that a longer configuration had. To be deleted once the index no longer names them."""
    return [(SECRETS, names.config_secret(ref.name, number)) for number in range(_parts(files), MAX_PARTS)]


def masked(secret: Manifest, *, hints: Mapping[str, str] | None = None) -> Manifest:
    """The Secret for people's eyes: sizes in place of values, followed by what `hints` says of a key. The index stays
    as it is, for it holds digests only."""
    shown: dict[str, str] = {}
    for key, encoded in secret["data"].items():
        value = base64.b64decode(encoded)
        hint = f": {hints[key]}" if hints and hints.get(key) else ""
        shown[key] = value.decode() if key == INDEX_FILE else f"(masked, {len(value)} bytes){hint}"
    return {name: member for name, member in secret.items() if name != "data"} | {"stringData": shown}


def _parts(files: Mapping[str, bytes]) -> int:
    return sum(part_file(number) in files for number in range(MAX_PARTS))


def _secret(ref: ObjectRef, uid: str, name: str, data: Mapping[str, bytes]) -> Manifest:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": ref.namespace,
        "labels": names.child_labels(ref.name),
    }
    if uid:
        metadata["ownerReferences"] = [owner_reference(ref, uid)]
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": metadata,
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
