"""What the compiler reads: every object that may count for a gateway, gathered before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class ObjectRef(NamedTuple):
    """Names one object. Sorts by kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A GatewayDeployment, ProviderBinding or GatewayPolicy as it was written, not yet validated."""

    ref: ObjectRef
    manifest: Mapping[str, Any]
    age: tuple[str | int, ...] = ()
    """Sorts older objects first: the creation time on a cluster, file name and position without one. All
    resources of a snapshot hold tuples of one shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    namespace: str
    name: str
    type: str = "Opaque"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    created: int | None = None
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMap:
    namespace: str
    name: str
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All input of one compilation. Order carries no meaning."""

    resources: tuple[Resource, ...] = ()
    secrets: tuple[Secret, ...] = ()
    config_maps: tuple[ConfigMap, ...] = ()
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels of each namespace, for `allowedBindings` and `allowedPolicies` with a selector."""
