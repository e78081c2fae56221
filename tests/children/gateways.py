"""Gateways and their children, for tests."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from gateway_config import bundle
from gateway_config.canonical import canonical_json
from gateway_operator.api.v1alpha1 import GatewayDeployment, validate
from gateway_operator.children import OPTIONAL_KINDS, Children, ChildSettings, Manifest, children
from gateway_operator.compiler import ObjectRef

CASES = Path(__file__).parents[1] / "crd" / "cases" / "gatewaydeployment"
EXAMPLES = Path(__file__).parents[2] / "examples"
REVISION = "sha256:" + "1f" * 32
CANARY = "sk-ant-canary-7f3a"
UID = "2f6f0f0e-3c1c-4b8e-9d57-6f1c5f3f9a10"
SETTINGS = ChildSettings(
    image="registry.example/claude-gateway-proxy:9.9.9",
    operator_namespace="claude-gateway-system",
    operator_pod_labels={"app.kubernetes.io/name": "claude-gateway-operator"},
    serves=OPTIONAL_KINDS,
)


def gateway(name: str = "corp", **spec: Any) -> GatewayDeployment:
    found = validate(
        {
            "apiVersion": "claude-gateway.dev/v1alpha1",
            "kind": "GatewayDeployment",
            "metadata": {"name": name, "namespace": "claude"},
            "spec": {"publicURL": "https://claude.corp.example", **spec},
        }
    )
    assert isinstance(found, GatewayDeployment)
    return found


def of(
    subject: GatewayDeployment,
    *,
    namespace: str = "claude",
    uid: str = UID,
    settings: ChildSettings = SETTINGS,
    token_audiences: tuple[str, ...] = (),
) -> Children:
    return children(
        subject,
        ref=ObjectRef("GatewayDeployment", namespace, subject.metadata.name),
        uid=uid,
        settings=settings,
        token_audiences=token_audiences,
    )


def made(**spec: Any) -> dict[str, Manifest]:
    """Children of the gateway corp by kind and name, such as `Service/corp`."""
    return {f"{child['kind']}/{child['metadata']['name']}": child for child in of(gateway(**spec)).wanted}


def unwanted(*, settings: ChildSettings = SETTINGS, **spec: Any) -> set[str]:
    return {f"{kind.kind}/{name}" for kind, name in of(gateway(**spec), settings=settings).unwanted}


def pod(**spec: Any) -> Manifest:
    found: Manifest = made(**spec)["Deployment/corp"]["spec"]["template"]["spec"]
    return found


def container(**spec: Any) -> Manifest:
    found: Manifest = pod(**spec)["containers"][0]
    return found


def without(*kinds: str) -> ChildSettings:
    """An operator on a cluster that lacks these optional kinds."""
    return replace(SETTINGS, serves=frozenset(kind for kind in OPTIONAL_KINDS if kind.kind not in kinds))


def documented() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every gateway of the examples and of the schema's accepted cases, with a name to tell it by."""
    for path in sorted(EXAMPLES.glob("*/gateway.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "GatewayDeployment":
                yield path.parent.name, document
    for path in sorted(CASES.glob("accepted-*.yaml")):
        yield path.stem, yaml.safe_load(path.read_text())


def bundle_files(parts: int) -> dict[str, bytes]:
    """The files of a packed bundle, with made-up digests."""
    index = bundle.Index(contract=1, revision=REVISION, sequence=7, parts=("0" * 64,) * parts, credentials="0" * 64)
    return {
        bundle.INDEX_FILE: canonical_json(index.model_dump(mode="json")),
        bundle.CREDENTIALS_FILE: canonical_json({"claude/anthropic": CANARY}),
        **{bundle.part_file(number): bytes([number]) * 10 for number in range(parts)},
    }
