"""Manifests of a gateway under test, as a cluster admin would write them, made short."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from tests.standins.anthropic_upstream import API_KEY

from gateway_operator.compiler import Compiled, ConfigMap, ObjectRef, Resource, Secret, Snapshot, compile_gateway

NAMESPACE = "claude"
GATEWAY = "corp"
GATEWAY_REFS = [{"name": GATEWAY}]
API_VERSION = "claude-gateway.dev/v1alpha1"

Manifest = dict[str, Any]


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def deployment(**spec: Any) -> Manifest:
    given = {"publicURL": "https://claude.corp.example", "egress": {"allowLoopback": True}}
    return _object("GatewayDeployment", GATEWAY, given | spec)


def binding(
    name: str, url: str, *, secret: str = "anthropic", oauth: bool = False, priority: int = 0, **spec: Any
) -> Manifest:
    """An Anthropic upstream at `url`. The Secret is one of `secret(...)`."""
    reference = "oauthTokenSecretRef" if oauth else "apiKeySecretRef"
    anthropic = {"baseURL": url, reference: {"name": secret, "key": "value"}}
    fixed = {"gatewayRefs": GATEWAY_REFS, "type": "Anthropic", "priority": priority, "anthropic": anthropic}
    return _object("ProviderBinding", name, fixed | spec)


def cloud_binding(name: str, provider: str, priority: int = 0, **spec: Any) -> Manifest:
    """An upstream of another provider's, whose own member is among `spec`."""
    return _object(
        "ProviderBinding", name, {"gatewayRefs": GATEWAY_REFS, "type": provider, "priority": priority} | spec
    )


def policy(name: str, **spec: Any) -> Manifest:
    return _object("GatewayPolicy", name, {"gatewayRefs": GATEWAY_REFS} | spec)


def secret(name: str = "anthropic", value: str = API_KEY, *, key: str = "value") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {key: value},
    }


def key_of(user: str) -> str:
    """The developer key of a user: the same for every test run, so that a canary search knows it."""
    digest = hashlib.sha256(f"developer key of {user}".encode()).digest()
    return "cgk_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def developer_key(user: str, *groups: str, expires: str | None = None) -> Manifest:
    data = {"sha256": hashlib.sha256(key_of(user).encode()).hexdigest(), "user": user, "groups": "\n".join(groups)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "key-" + user.partition("@")[0],
            "namespace": NAMESPACE,
            "labels": {"claude-gateway.dev/gateway": GATEWAY},
        },
        "type": "claude-gateway.dev/developer-key",
        "stringData": data | ({"expires": expires} if expires else {}),
    }


def smallest(url: str, *more: Manifest, **spec: Any) -> list[Manifest]:
    """One gateway, one upstream, one policy that opens every model to everyone, and Alice's key."""
    return [
        deployment(**spec),
        secret(),
        binding("anthropic", url),
        policy("everyone"),
        developer_key("alice@corp.example", "engineering"),
        *more,
    ]


def serving(*bindings: Manifest, **spec: Any) -> list[Manifest]:
    """The same with these bindings, and the Secrets that they name, as its upstreams."""
    return [deployment(**spec), *bindings, policy("everyone"), developer_key("alice@corp.example", "engineering")]


def compiled(manifests: Iterable[Manifest]) -> Compiled:
    """What the real compiler makes of the manifests; a finding that is an error fails the test."""
    result = compile_gateway(snapshot(manifests), ObjectRef("GatewayDeployment", NAMESPACE, GATEWAY))
    assert result.configuration is not None, result.findings
    return result


def snapshot(manifests: Iterable[Manifest]) -> Snapshot:
    resources: list[Resource] = []
    secrets: list[Secret] = []
    config_maps: list[ConfigMap] = []
    for position, manifest in enumerate(manifests):
        kind, metadata = manifest["kind"], manifest["metadata"]
        if kind == "Secret":
            secrets.append(
                Secret(
                    namespace=metadata["namespace"],
                    name=metadata["name"],
                    type=manifest.get("type", "Opaque"),
                    labels=metadata.get("labels", {}),
                    data={name: value.encode() for name, value in manifest["stringData"].items()},
                )
            )
        elif kind == "ConfigMap":
            config_maps.append(ConfigMap(namespace=metadata["namespace"], name=metadata["name"], data=manifest["data"]))
        else:
            ref = ObjectRef(kind, metadata["namespace"], metadata["name"])
            resources.append(Resource(ref=ref, manifest=manifest, age=(position,)))
    return Snapshot(resources=tuple(resources), secrets=tuple(secrets), config_maps=tuple(config_maps))
