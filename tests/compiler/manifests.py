"""A gateway's world in a few words, for tests."""

import copy
import hashlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from gateway_operator.compiler import (
    Compiled,
    ConfigMap,
    Finding,
    ObjectRef,
    Resource,
    Secret,
    Severity,
    Snapshot,
    compile_gateway,
)

CORP = ObjectRef("GatewayDeployment", "claude", "corp")
CANARY = "sk-ant-canary-" + "7" * 32

_count = itertools.count()


def manifest(kind: str, name: str, spec: Any, *, namespace: str = "claude") -> dict[str, Any]:
    return {
        "apiVersion": "claude-gateway.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def resource(kind: str, name: str, spec: Any, *, namespace: str = "claude", age: int | None = None) -> Resource:
    """Without `age`, as old as it is written early."""
    return Resource(
        ref=ObjectRef(kind, namespace, name),
        manifest=manifest(kind, name, spec, namespace=namespace),
        age=(next(_count) if age is None else age,),
    )


def gateway(name: str = "corp", *, namespace: str = "claude", **spec: Any) -> Resource:
    spec.setdefault("publicURL", "https://claude.corp.example")
    return resource("GatewayDeployment", name, spec, namespace=namespace)


def binding(name: str = "anthropic", *, namespace: str = "claude", refs: Any = None, **spec: Any) -> Resource:
    spec.setdefault("type", "Anthropic")
    if spec["type"] == "Anthropic":
        spec.setdefault("anthropic", {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}})
    return resource("ProviderBinding", name, {"gatewayRefs": refs or [{"name": "corp"}], **spec}, namespace=namespace)


def policy(
    name: str = "everyone", *, namespace: str = "claude", refs: Any = None, age: int | None = None, **spec: Any
) -> Resource:
    return resource(
        "GatewayPolicy", name, {"gatewayRefs": refs or [{"name": "corp"}], **spec}, namespace=namespace, age=age
    )


def secret(name: str = "anthropic", *, namespace: str = "claude", **data: str | bytes) -> Secret:
    """Underscores in the keys stand for hyphens."""
    return Secret(namespace=namespace, name=name, data=_bytes(data or {"api_key": CANARY}))


def key(name: str, *, user: str = "alice@corp.example", created: int | None = None, **data: str | bytes) -> Secret:
    """A developer key for the gateway corp; `cgk_NAME` is the key itself."""
    data.setdefault("sha256", hashlib.sha256(f"cgk_{name}".encode()).hexdigest())
    return Secret(
        namespace="claude",
        name=name,
        type="claude-gateway.dev/developer-key",
        labels={"claude-gateway.dev/gateway": "corp"},
        data=_bytes({"user": user, **data}),
        created=created,
    )


def _bytes(data: Mapping[str, str | bytes]) -> dict[str, bytes]:
    return {name.replace("_", "-"): value.encode() if isinstance(value, str) else value for name, value in data.items()}


def snapshot(
    *objects: Resource | Secret | ConfigMap, namespaces: Mapping[str, Mapping[str, str]] | None = None
) -> Snapshot:
    return Snapshot(
        resources=tuple(each for each in objects if isinstance(each, Resource)),
        secrets=tuple(each for each in objects if isinstance(each, Secret)),
        config_maps=tuple(each for each in objects if isinstance(each, ConfigMap)),
        namespace_labels=namespaces or {},
    )


def compiled(
    *objects: Resource | Secret | ConfigMap, namespaces: Mapping[str, Mapping[str, str]] | None = None
) -> Compiled:
    """The gateway claude/corp; one is added where none is given."""
    if not any(isinstance(each, Resource) and each.ref == CORP for each in objects):
        objects = (gateway(), *objects)
    return compile_gateway(snapshot(*objects, namespaces=namespaces), CORP)


def with_member(original: Resource, path: str, value: Any) -> Resource:
    """`original` with one field of its manifest set; `path` is dotted."""
    written = copy.deepcopy(dict(original.manifest))
    *parents, last = path.split(".")
    target = written
    for parent in parents:
        target = target[parent]
    target[last] = value
    return Resource(ref=original.ref, manifest=written, age=original.age)


def of(findings: Iterable[Finding], *, reason: str | None = None, severity: Severity | None = None) -> list[Finding]:
    return [
        finding
        for finding in findings
        if (reason is None or finding.reason == reason) and (severity is None or finding.severity is severity)
    ]


def reasons(findings: Iterable[Finding]) -> dict[str, set[str]]:
    """`namespace/name` → reasons."""
    found: dict[str, set[str]] = {}
    for finding in findings:
        found.setdefault(f"{finding.ref.namespace}/{finding.ref.name}", set()).add(finding.reason)
    return found
