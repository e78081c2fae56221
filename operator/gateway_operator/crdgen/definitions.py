"""The three CustomResourceDefinitions."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from gateway_operator.api.v1alpha1 import GROUP, KINDS, UNKNOWN_CONDITIONS, VERSION
from gateway_operator.crdgen.structural import structural_schema

MAX_BYTES: Final = 256 * 1024
"""`kubectl apply` keeps a copy in an annotation, and an object's annotations take no more."""
HEADER: Final = "# Written by `make crds` from the models in operator/gateway_operator/api; edit those.\n"
CATEGORY: Final = "claude-gateway"


class TooLarge(Exception):  # noqa: N818  # says what the definition is
    """A definition does not fit into the annotation that `kubectl apply` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of `kubectl get`; a wide one shows with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def as_manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
            "priority": int(self.wide),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    plural: str
    short: str
    columns: tuple[Column, ...]
    scale: bool = False


def _condition(kind: str, member: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{member}'


_READY = Column(name="Ready", path=_condition("Ready", "status"), description="Whether all is well.")
_PROGRAMMED = Column(
    name="Programmed",
    path=_condition("Programmed", "status"),
    description="Whether every ready pod has loaded this generation.",
)
_AGE = Column(name="Age", path=".metadata.creationTimestamp", description="Time since its creation.", type="date")
_REASON = Column(name="Reason", path=_condition("Ready", "reason"), description="Why it is not ready.", wide=True)
_GATEWAY = Column(name="Gateway", path=".spec.gatewayRefs[*].name", description="The gateways it belongs to.")

NAMES: Final[dict[str, Names]] = {
    "GatewayDeployment": Names(
        plural="gatewaydeployments",
        short="gwd",
        scale=True,
        columns=(
            _READY,
            _PROGRAMMED,
            Column(name="URL", path=".status.url", description="Where developers reach it."),
            Column(name="Replicas", path=".status.replicas", description="Pods there are.", type="integer"),
            _AGE,
            _REASON,
            Column(name="Revision", path=".status.revision", description="The newest configuration.", wide=True),
        ),
    ),
    "ProviderBinding": Names(
        plural="providerbindings",
        short="pb",
        columns=(
            _GATEWAY,
            Column(name="Type", path=".spec.type", description="Type of the provider."),
            _READY,
            _PROGRAMMED,
            _AGE,
            _REASON,
        ),
    ),
    "GatewayPolicy": Names(
        plural="gatewaypolicies",
        short="gp",
        columns=(
            _GATEWAY,
            Column(name="Priority", path=".spec.priority", description="The highest decides.", type="integer"),
            _READY,
            _PROGRAMMED,
            _AGE,
            _REASON,
        ),
    ),
}


def definition(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    names = NAMES[kind]
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.as_manifest() for column in names.columns],
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _schema(kind)},
    }
    if names.scale:
        version["subresources"]["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": names.plural,
                "singular": kind.lower(),
                "shortNames": [names.short],
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _schema(kind: str) -> dict[str, Any]:
    schema = structural_schema(KINDS[kind].model_json_schema(by_alias=True))
    properties = schema["properties"]
    properties["apiVersion"] = {"description": f"{GROUP}/{VERSION}.", "type": "string"}
    properties["kind"] = {"description": f"{kind}.", "type": "string"}
    # Named, so that rules may point at it; the API server knows the rest of metadata by itself.
    properties["metadata"] = {"type": "object", "properties": {"name": {"type": "string"}}}
    # Tools take an object without status for one that is done.
    properties["status"]["default"] = {"conditions": list(UNKNOWN_CONDITIONS)}
    schema["required"] = ["spec"]
    return schema


def file_name(kind: str) -> str:
    return f"{GROUP}_{NAMES[kind].plural}.yaml"


def as_yaml(kind: str) -> str:
    """The file's text, the same at every call. Raises `TooLarge` and `UnsupportedSchema`."""
    text = HEADER + yaml.dump(
        definition(kind), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
    )
    size = len(text.encode())
    if size >= MAX_BYTES:
        raise TooLarge(f"{kind}: {size} bytes, a definition must stay below {MAX_BYTES}")
    return text


class _Dumper(yaml.SafeDumper):
    """Writes everything out: an anchor would be no help to a reader."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
