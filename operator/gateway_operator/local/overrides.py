"""What `up` changes before and after the compiler, so that one machine can stand for a cluster."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway_config.canonical import sha256_hex
from gateway_config.contract import Configuration
from gateway_config.upstream_credentials import StaticCredential, values_of
from gateway_operator.compiler import Resource, Secret, Snapshot

DEMO_SECRET = "claude-gateway-demo"  # noqa: S105  # a name
DEMO_KEY = "api-key"


class OptionError(Exception):
    """An option that cannot be used."""


class DemoTarget(NamedTuple):
    """Where the demo upstream listens, and what it takes as credential."""

    url: str
    credential: str


class SecretValue(NamedTuple):
    """`--secret-env NAME/KEY=VARIABLE`, with the variable read."""

    name: str
    key: str
    value: str


def secret_value(option: str, environment: Mapping[str, str] = os.environ) -> SecretValue:
    """Raises OptionError."""
    target, equals, variable = option.partition("=")
    name, slash, key = target.partition("/")
    if not (equals and slash and name and key and variable) or "/" in key:
        raise OptionError(
            f"--secret-env {option}: write NAME/KEY=VARIABLE, for example anthropic/api-key=ANTHROPIC_API_KEY"
        )
    value = environment.get(variable, "")
    if not value.strip():
        state = "empty" if variable in environment else "not set"
        raise OptionError(f"--secret-env {option}: the environment variable {variable} is {state}")
    return SecretValue(name, key, value.strip())


def with_secret_values(snapshot: Snapshot, values: Iterable[SecretValue], *, namespace: str) -> Snapshot:
    """The snapshot with those values set in Secrets of the namespace, made where they do not exist."""
    secrets = {(secret.namespace, secret.name): secret for secret in snapshot.secrets}
    for name, key, value in values:
        found = secrets.get((namespace, name)) or Secret(namespace=namespace, name=name)
        secrets[namespace, name] = replace(found, data={**found.data, key: value.encode()})
    return replace(snapshot, secrets=tuple(secrets.values()))


def with_demo_credentials(snapshot: Snapshot, credential: str) -> Snapshot:
    """The snapshot with every binding turned into an Anthropic one that has the demo upstream's credential."""
    bindings = [resource for resource in snapshot.resources if resource.ref.kind == "ProviderBinding"]
    secrets = tuple(
        Secret(namespace=namespace, name=DEMO_SECRET, data={DEMO_KEY: credential.encode()})
        for namespace in sorted({binding.ref.namespace for binding in bindings})
    )
    resources = tuple(
        _demo_binding(resource) if resource.ref.kind == "ProviderBinding" else resource
        for resource in snapshot.resources
    )
    return replace(snapshot, resources=resources, secrets=snapshot.secrets + secrets)


def _demo_binding(binding: Resource) -> Resource:
    spec = binding.manifest.get("spec")
    kind = spec.get("type") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(kind, str):
        return binding
    member = kind[:1].lower() + kind[1:]
    kept = {name: value for name, value in spec.items() if name != member}
    anthropic = {"apiKeySecretRef": {"name": DEMO_SECRET, "key": DEMO_KEY}}
    return _with_spec(binding, kept | {"type": "Anthropic", "anthropic": anthropic})


def _with_spec(resource: Resource, spec: Mapping[str, Any]) -> Resource:
    return replace(resource, manifest={**resource.manifest, "spec": spec})


def served_at(configuration: Configuration, public_url: str) -> Configuration:
    """The configuration with the URL under which this machine serves it."""
    return configuration.model_copy(
        update={"gateway": configuration.gateway.model_copy(update={"public_url": public_url})}
    )


def behind_demo(
    configuration: Configuration, credentials: Mapping[str, str], demo: DemoTarget
) -> tuple[Configuration, dict[str, str]]:
    """The configuration with every upstream at the demo's URL, and the credentials that go with it."""
    wanted = StaticCredential(kind="ApiKey", name=DEMO_SECRET, sha256=sha256_hex(demo.credential.encode()))
    upstreams = tuple(
        upstream.model_copy(update={"type": "Anthropic", "base_url": demo.url, "credential": wanted, "filters": ()})
        for upstream in configuration.upstreams
    )
    egress = configuration.egress
    # No forward proxy reaches this machine's loopback.
    direct = (*egress.no_proxy, urlsplit(demo.url).hostname or "")
    changes = {
        "upstreams": upstreams,
        "egress": egress.model_copy(update={"no_proxy": direct, "allow_loopback": True}),
    }
    theirs = {value.name for upstream in configuration.upstreams for value in values_of(upstream.credential)}
    kept = {name: value for name, value in credentials.items() if name not in theirs}
    return configuration.model_copy(update=changes), {**kept, DEMO_SECRET: demo.credential}
