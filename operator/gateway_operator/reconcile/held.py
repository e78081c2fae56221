"""What the configuration in the cluster was compiled from, by the names in it: all that a new process knows of it."""

import asyncio
import base64
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from gateway_config.bundle import INDEX_FILE, MAX_DOCUMENT_BYTES, MAX_PARTS, part_file
from gateway_operator import names
from gateway_operator.compiler import ObjectRef
from gateway_operator.compiler.inventory import BINDING, POLICY
from gateway_operator.kube.client import Object, Reader
from gateway_operator.kube.resources import SECRETS
from gateway_operator.together import together

_KINDS: Final = {
    "upstreams": BINDING,
    "policies": POLICY,
    "developer_keys": SECRETS.kind,
    "admin_keys": SECRETS.kind,
}
"""Kind of the objects in each list of the document."""


async def held_objects(gateway: ObjectRef, first: Object | None, *, reader: Reader) -> frozenset[ObjectRef]:
    """Bindings, policies and keys in the live configuration; none where it cannot be read as one: then it
    serves nobody either. `first`: the Secret with the index, as it was read. Raises `KubeError`s.
    """
    try:
        count = min(MAX_PARTS, len(orjson.loads(_file(first, INDEX_FILE))["parts"]))
        further = await together(
            reader.get(SECRETS, gateway.namespace, names.config_secret(gateway.name, number))
            for number in range(1, count)
        )
        parts = [_file(secret, part_file(number)) for number, secret in enumerate((first, *further))]
        return await asyncio.to_thread(_held, b"".join(parts))
    except (AttributeError, LookupError, TypeError, ValueError, zlib.error):
        return frozenset()


def _file(secret: Object | None, name: str) -> bytes:
    return base64.b64decode(((secret or {}).get("data") or {})[name])


def _held(packed: bytes) -> frozenset[ObjectRef]:
    return frozenset(_refs(orjson.loads(zlib.decompressobj(wbits=31).decompress(packed, MAX_DOCUMENT_BYTES))))


def _refs(document: Mapping[str, Any]) -> Iterator[ObjectRef]:
    named = [(kind, part["name"]) for member, kind in _KINDS.items() for part in document.get(member) or ()]
    if base := document.get("base"):
        named.append((POLICY, base["name"]))
    for kind, full_name in named:
        namespace, name = full_name.split("/", 1)
        yield ObjectRef(kind, namespace, name)
