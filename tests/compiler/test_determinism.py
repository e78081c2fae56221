"""The compiler as a function: no order, no memory, no exception, no leak, and one object's fault stays its own."""

import base64
import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.manifests import CANARY, CORP, binding, gateway, key, policy, secret, snapshot

from gateway_config.canonical import document
from gateway_config.contract import Configuration
from gateway_operator.compiler import (
    Compiled,
    ConfigMap,
    Resource,
    Secret,
    Severity,
    Snapshot,
    Validation,
    compile_gateway,
    gateways,
    lint,
)

PEM = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(b'0certificate').decode()}\n-----END CERTIFICATE-----\n"
OKTA: dict[str, Any] = {
    "name": "okta",
    "issuer": "https://corp.okta.com",
    "clientID": "0oa1",
    "clientSecretRef": {"name": "okta", "key": "client-secret"},
    "extraAuthParams": {"prompt": "login", "acr_values": "mfa"},
    "allowedGroups": ["b", "a"],
}
GITHUB: dict[str, Any] = {
    "name": "github",
    "issuer": "https://token.actions.githubusercontent.com",
    "audience": "https://claude.corp.example",
    "rules": [{"match": {"repository_owner": "corp", "environment": "prod"}, "user": "ci:{repository}"}],
}
VERTEX: dict[str, Any] = {
    "projectID": "corp-ml",
    "region": "global",
    "serviceAccountSecretRef": {"name": "google"},
}
GOOGLE = json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": CANARY, "refresh_token": CANARY})
IDENTITY = {"organizationID": "org", "federationRuleID": "fdrl_1", "serviceAccountID": "svac_1"}
FOREIGN = [{"name": "corp", "namespace": "claude"}]


def world() -> Snapshot:
    """A bit of everything that this version acts on."""
    return snapshot(
        gateway(
            allowedBindings={"namespaces": {"from": "All"}},
            allowedPolicies={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"claude": "yes"}}}},
            identity={
                "developerKeys": {"allowedGroups": ["ci", "dev"], "maxTTL": "720h"},
                "oidc": [OKTA, {**OKTA, "name": "second", "clientID": "2"}],
                "workloads": [GITHUB, {**GITHUB, "name": "second", "audience": "another"}],
            },
            store={"type": "Postgres", "postgres": {"urlSecretRef": {"name": "db", "key": "url"}}},
            spend={"adminGroups": ["ops", "finance"]},
            models={"custom": [{"id": "claude-internal-1"}, {"id": "claude-haiku-4-5", "displayName": "Small"}]},
            egress={"caRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}},
        ),
        gateway("other"),
        binding(models=[{"id": "claude-internal-1", "upstreamID": "ft-1"}]),
        binding("spare", priority=10),
        binding("far", namespace="team-a", refs=FOREIGN),
        binding("both", refs=[{"name": "corp"}, {"name": "other"}], priority=10),
        binding("aws", type="Bedrock", bedrock={"region": "eu-central-1", "accessKeySecretRef": {"name": "aws"}}),
        binding("google", type="VertexAI", vertexAI=VERTEX),
        binding("tokens", anthropic={"workloadIdentity": IDENTITY}),
        policy("base-one", age=1, settings={"permissions": {"deny": ["A"]}, "env": {"X": "1"}}),
        policy("base-two", age=2, availableModels=["claude-opus-5", "claude-nothing"]),
        policy("contractors", age=3, priority=9, matches=[{"groups": ["contractors"]}], access="Deny"),
        policy(
            "team",
            age=4,
            priority=5,
            matches=[{"users": ["Alice@corp.example"]}, {"emailDomains": ["corp.example"]}],
            providers=[{"name": "spare"}, {"name": "far", "namespace": "team-a"}],
            settings={"permissions": {"deny": ["B"], "allow": ["C"]}},
        ),
        policy("twin", age=5, priority=5, matches=[{"groups": ["dev"]}], availableModels=[]),
        policy("foreign", namespace="team-a", refs=FOREIGN, age=6, matches=[{"groups": ["a"]}]),
        policy("other", refs=[{"name": "other"}], age=7),
        secret(),
        secret(namespace="team-a", api_key=CANARY + "-far"),
        key("a", groups="ci", expires="1970-01-02T00:00:00Z", created=0),
        key("b", user="bob", groups="dev", expires="1970-01-02T00:00:00Z"),
        key("c", groups="root", expires="1970-01-02T00:00:00Z"),
        secret("aws", accessKeyID="AKIDEXAMPLE", secretAccessKey=CANARY),
        secret("google", **{"key.json": GOOGLE}),
        secret("okta", client_secret=CANARY + "-okta"),
        secret("db", url=f"postgresql://gateway:{CANARY}@db/gateway"),
        ConfigMap(namespace="claude", name="ca", data={"ca.crt": PEM}),
        namespaces={"claude": {"claude": "yes"}, "team-a": {"claude": "yes"}},
    )


WORLD = world()


def shuffled(original: Snapshot, randomness: random.Random) -> Snapshot:
    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(randomness.sample(items, len(items)))

    resources = tuple(
        Resource(ref=each.ref, manifest=remixed(each.manifest, randomness), age=each.age) for each in original.resources
    )
    return Snapshot(
        resources=mixed(resources),
        secrets=mixed(original.secrets),
        config_maps=mixed(original.config_maps),
        namespace_labels=dict(mixed(tuple(original.namespace_labels.items()))),
    )


def remixed(value: Any, randomness: random.Random) -> Any:
    """The same value with the keys of its objects in another order."""
    if isinstance(value, dict):
        return {name: remixed(value[name], randomness) for name in randomness.sample(list(value), len(value))}
    return [remixed(item, randomness) for item in value] if isinstance(value, list) else value


def bytes_of(result: Compiled) -> bytes:
    assert result.configuration is not None
    return document(result.configuration)


def test_the_world_compiles() -> None:
    result = compile_gateway(WORLD, CORP)
    assert result.configuration is not None
    assert len(result.configuration.upstreams) == 7
    assert len(result.configuration.policies) == 4
    assert len(result.configuration.developer_keys) == 2
    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    assert [finding.reason for finding in errors] == ["GroupNotAllowed"]


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_order_carries_no_meaning(randomness: random.Random) -> None:
    straight, mixed = compile_gateway(WORLD, CORP), compile_gateway(shuffled(WORLD, randomness), CORP)
    assert bytes_of(mixed) == bytes_of(straight)
    assert mixed.credentials == straight.credentials
    assert mixed.findings == straight.findings
    assert lint(shuffled(WORLD, randomness)) == lint(WORLD)


def test_the_snapshot_stays_as_it_was() -> None:
    before = copy.deepcopy(WORLD)
    compile_gateway(WORLD, CORP)
    lint(WORLD)
    assert before == WORLD


def test_remembered_validation_changes_nothing() -> None:
    validation = Validation()
    first = compile_gateway(WORLD, CORP, validation=validation)
    assert compile_gateway(WORLD, CORP, validation=validation).findings == first.findings
    for number, original in enumerate(WORLD.resources):
        if original.ref.kind == "GatewayPolicy":
            edited = replaced(WORLD, number, {**original.manifest, "spec": {"gatewayRefs": [{"name": "corp"}], "x": 1}})
            with_memory = compile_gateway(edited, CORP, validation=validation)
            without = compile_gateway(edited, CORP)
            assert with_memory.findings == without.findings
            assert bytes_of(with_memory) == bytes_of(without)


def test_remembered_validation_tells_true_from_one() -> None:
    validation = Validation()
    sound = snapshot(gateway(), binding(onlyListedModels=False), secret(), policy())
    number = next(n for n, each in enumerate(sound.resources) if each.ref.kind == "ProviderBinding")
    manifest = sound.resources[number].manifest
    broken = replaced(sound, number, {**manifest, "spec": {**manifest["spec"], "onlyListedModels": 0}})
    assert not lint(sound, validation=validation)
    assert lint(broken, validation=validation)


def replaced(original: Snapshot, number: int, manifest: Any) -> Snapshot:
    resources = list(original.resources)
    before = resources[number]
    resources[number] = Resource(ref=before.ref, manifest=manifest, age=before.age)
    return Snapshot(
        resources=tuple(resources),
        secrets=original.secrets,
        config_maps=original.config_maps,
        namespace_labels=original.namespace_labels,
    )


BREAKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "unknown field": lambda manifest: manifest["spec"].update(noSuchField=1),
    "wrong type": lambda manifest: manifest["spec"].update(priority="high"),
    "no spec": lambda manifest: manifest.pop("spec"),
}


@pytest.mark.parametrize("damage", BREAKS)
@pytest.mark.parametrize(
    "broken", [each.ref for each in WORLD.resources if each.ref.kind != "GatewayDeployment"], ids=lambda ref: ref.name
)
def test_one_broken_object_leaves_the_others_equal(broken: Any, damage: str) -> None:
    number = next(n for n, each in enumerate(WORLD.resources) if each.ref == broken)
    manifest = copy.deepcopy(dict(WORLD.resources[number].manifest))
    BREAKS[damage](manifest)
    spoiled = replaced(WORLD, number, manifest)
    sound, result = compile_gateway(WORLD, CORP), compile_gateway(spoiled, CORP)
    name = f"{broken.namespace}/{broken.name}"
    assert sound.configuration is not None
    assert result.configuration is not None
    assert any(finding.ref == broken and finding.severity is Severity.ERROR for finding in lint(spoiled))
    before, after = parts(sound.configuration), parts(result.configuration)
    if broken.kind == "GatewayPolicy" and damage != "no spec" and "base" in broken.name:
        # Every policy stands on the base layer: all of them deny now, and the rest is as it was.
        assert all(each.invalid for each in (*result.configuration.policies, result.configuration.base) if each)
        before = {part: value for part, value in before.items() if part[0] != "policy"}
        after = {part: value for part, value in after.items() if part[0] != "policy"}
    elif broken.kind == "GatewayPolicy":
        before.pop(("policy", name), None)
        after.pop(("policy", name), None)
        if "base" in broken.name:  # no longer of the base layer, as far as can be told: it matches everyone, first
            before = {part: value for part, value in before.items() if part[0] != "policy"}
            after = {part: value for part, value in after.items() if part[0] != "policy"}
            assert result.configuration.policies[0].invalid
    else:
        before.pop(("upstream", name), None)
        # Nothing but the broken binding's own name may leave the policies.
        before = {part: without_upstream(value, name) for part, value in before.items()}
    assert after == before


def parts(configuration: Configuration) -> dict[tuple[str, str], Any]:
    """Every part of a configuration by what it is and whose."""
    found: dict[tuple[str, str], Any] = {("upstream", each.name): each for each in configuration.upstreams}
    found |= {("policy", each.name): each for each in configuration.policies}
    found["policy", "base"] = configuration.base
    found |= {("key", each.name): each for each in configuration.developer_keys}
    for member in ("gateway", "limits", "egress", "models", "store", "identity_providers", "workload_issuers"):
        found[member, ""] = getattr(configuration, member)
    return found


def without_upstream(value: Any, name: str) -> Any:
    upstreams = getattr(value, "upstreams", None)
    if upstreams is None:
        return value
    return value.model_copy(update={"upstreams": tuple(each for each in upstreams if each != name)})


WORDS = """
    apiVersion kind metadata spec name namespace gatewayRefs matches groups users priority type anthropic baseURL
    apiKeySecretRef key models id upstreamID availableModels providers settings permissions deny env hooks publicURL
    identity developerKeys maxTTL egress caRef allowedPolicies namespaces from selector x
"""
keys = st.sampled_from(WORDS.split())
NOTED = ["corp", "claude", "Anthropic", "https://x", "claude-opus-5", "Allow", "1h", "\ud800", b"x", {1}]
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(NOTED)
junk: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(keys | st.integers() | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def junk_resources(draw: st.DrawFn) -> Resource:
    """A manifest of the world with junk somewhere in it, or nothing but junk."""
    original = draw(st.sampled_from(WORLD.resources))
    manifest: Any = copy.deepcopy(dict(original.manifest))
    if draw(st.integers(0, 9)) == 0:
        manifest = draw(junk)
    else:
        place = manifest
        while draw(st.booleans()) and (inner := [each for each in place.values() if isinstance(each, dict) and each]):
            place = draw(st.sampled_from(inner))
        for _ in range(draw(st.integers(1, 3))):
            place[draw(st.sampled_from(list(place)) | keys)] = draw(junk)
    name = draw(st.sampled_from([original.ref.name, original.ref.name, "a/b", "", "\ud800", "x" * 300]))
    return Resource(ref=original.ref._replace(name=name), manifest=manifest, age=original.age)


@st.composite
def google_files(draw: st.DrawFn) -> bytes:
    """Something like a credential file, with junk for members."""
    kind = draw(st.sampled_from(["service_account", "external_account", "impersonated_service_account", "x"]))
    names = ["audience", "token_url", "credential_source", "source_credentials", "file", "url", "type", "private_key"]
    values = leaves.filter(lambda value: not isinstance(value, bytes | set))
    inner = st.dictionaries(st.sampled_from(names), values, max_size=3)
    file = draw(st.dictionaries(st.sampled_from(names), values | inner, max_size=6))
    whole = {"audience": "//x", "subject_token_type": "x", "token_url": "https://x", "credential_source": {"file": "x"}}
    return json.dumps({**(whole if draw(st.booleans()) else {}), **file, "type": kind}).encode()


@st.composite
def junk_secrets(draw: st.DrawFn) -> Secret:
    return Secret(
        namespace="claude",
        name=draw(st.sampled_from(["anthropic", "k/1", "", "key", "aws", "google"])),
        type=draw(st.sampled_from(["Opaque", "claude-gateway.dev/developer-key"])),
        labels=draw(st.dictionaries(st.just("claude-gateway.dev/gateway"), st.sampled_from(["corp", "x", "\ud800"]))),
        annotations=draw(st.dictionaries(st.just("claude-gateway.dev/hosts"), st.text(max_size=5))),
        data=draw(
            st.dictionaries(
                st.sampled_from(
                    ["api-key", "sha256", "user", "groups", "expires", "accessKeyID", "secretAccessKey", "key.json"]
                ),
                st.binary(max_size=6) | st.just(b"a" * 64) | st.just(b"9999-12-31T23:59:59-23:59") | google_files(),
            )
        ),
    )


MEMORY = Validation()
"""Validates what each example has changed, and nothing else."""


@settings(max_examples=500)
@given(st.lists(junk_resources(), min_size=1, max_size=3), st.lists(junk_secrets(), max_size=2))
def test_no_manifest_raises(resources: list[Resource], secrets: list[Secret]) -> None:
    # Later ones replace earlier ones: in a snapshot each name stands once.
    by_ref = {each.ref: each for each in (*WORLD.resources, *resources)}
    by_name = {(each.namespace, each.name): each for each in (*WORLD.secrets, *secrets)}
    spoiled = Snapshot(resources=tuple(by_ref.values()), secrets=tuple(by_name.values()), config_maps=WORLD.config_maps)
    for finding in lint(spoiled, validation=MEMORY):
        assert finding.message.isprintable()
    for ref in gateways(spoiled):
        result = compile_gateway(spoiled, ref, validation=MEMORY)
        if result.configuration is not None:
            document(result.configuration)


@pytest.mark.parametrize("depth", [100, 5_000, 200_000])
def test_depth_without_end_does_not_raise(depth: int) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    result = compile_gateway(snapshot(gateway(), policy("deep", settings={"x": deep})), CORP)
    assert "PolicyInvalid" in {finding.reason for finding in result.findings}


def test_no_secret_value_shows_anywhere_but_in_the_credentials() -> None:
    for value in (CANARY, f" {CANARY}", f"{CANARY}\n{CANARY}", f"{CANARY}é"):
        spoiled = Snapshot(
            resources=WORLD.resources,
            secrets=(
                *(each for each in WORLD.secrets if each.name != "anthropic"),
                secret(api_key=value),
                key("d", sha256=value, user="x"),
                key("e", expires=value),
                key("f", user=f"{value}\n\n{value}"),
            ),
            config_maps=WORLD.config_maps,
            namespace_labels=WORLD.namespace_labels,
        )
        result = compile_gateway(spoiled, CORP)
        assert result.configuration is not None
        shown = (repr(result), repr(spoiled), repr(lint(spoiled)), document(result.configuration).decode())
        assert all(CANARY not in text for text in shown)
    assert CANARY in compile_gateway(WORLD, CORP).credentials.values()
