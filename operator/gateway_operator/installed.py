"""Whether the cluster has the three kinds, in a form that this version can work with.

Looked up in the API server's discovery and OpenAPI documents, which everyone with an account may read: reading the
CRDs themselves would take a ClusterRole.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import NotFoundError
from gateway_operator.kube.resources import (
    GATEWAY_DEPLOYMENTS,
    GATEWAY_POLICIES,
    GROUP,
    PROVIDER_BINDINGS,
    ResourceKind,
)

KINDS: Final = (GATEWAY_DEPLOYMENTS, PROVIDER_BINDINGS, GATEWAY_POLICIES)
_TOLD: Final = 3
"""Missing fields that a message names."""


async def problems(client: KubeClient) -> list[str]:
    """What is missing, each with the way out; empty when all is there. Raises `KubeError`s."""
    try:
        document = await client.raw_get(f"/openapi/v3{KINDS[0].group_path}")
    except NotFoundError:
        document = {}
    schemas = _schemas(document)
    return [problem for kind in KINDS for problem in _problems_of(kind, schemas.get(kind.kind))]


def _problems_of(kind: ResourceKind, schema: Mapping[str, Any] | None) -> Iterator[str]:
    name = f"{kind.plural}.{GROUP}"
    if schema is None:
        yield (
            f"the CustomResourceDefinition {name} is not installed, or does not serve {kind.version}: install the "
            "chart with crds.enabled, or apply crds/"
        )
        return
    from gateway_operator.crdgen.definitions import definition

    versions = definition(kind.kind)["spec"]["versions"]
    wanted = next(version for version in versions if version["name"] == kind.version)["schema"]["openAPIV3Schema"]
    missing = list(_missing(wanted.get("properties", {}).get("spec", {}), _property(schema, "spec"), "spec"))
    if missing:
        more = f" and {len(missing) - _TOLD} more" if len(missing) > _TOLD else ""
        yield (
            f"the CustomResourceDefinition {name} is of another version, it lacks {', '.join(missing[:_TOLD])}{more}: "
            "install that of this operator's version (upgrade the chart with crds.enabled, or apply crds/)"
        )


def _schemas(document: Any) -> dict[str, Mapping[str, Any]]:
    """The schema of each of our kinds that the server serves."""
    found = {}
    schemas = document.get("components", {}).get("schemas", {}) if isinstance(document, dict) else {}
    for schema in schemas.values():
        for names in schema.get("x-kubernetes-group-version-kind", ()):
            if names.get("group") == GROUP and names.get("version") == KINDS[0].version:
                found[names.get("kind")] = schema
    return found


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The schema of a property; empty where there is none."""
    found = schema.get("properties", {}).get(name)
    return found if isinstance(found, dict) else {}


def _missing(wanted: Mapping[str, Any], there: Mapping[str, Any], path: str) -> Iterator[str]:
    """Paths of the properties that only `wanted` has. More than it wants is a newer version, which is fine."""
    for name, inner in wanted.get("properties", {}).items():
        if name in there.get("properties", {}):
            yield from _missing(inner, _property(there, name), f"{path}.{name}")
        else:
            yield f"{path}.{name}"
    if isinstance(wanted.get("items"), dict) and isinstance(there.get("items"), dict):
        yield from _missing(wanted["items"], there["items"], f"{path}[]")
    additional = wanted.get("additionalProperties")
    if isinstance(additional, dict) and isinstance(there.get("additionalProperties"), dict):
        yield from _missing(additional, there["additionalProperties"], f"{path}.*")
