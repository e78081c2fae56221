"""What a person reads when a manifest is wrong: the field, what is wrong with it, the way out; everything at once."""

from typing import Any

import pytest

from gateway_operator.api.v1alpha1 import InvalidObject, validate

GATEWAY: dict[str, Any] = {
    "apiVersion": "claude-gateway.dev/v1alpha1",
    "kind": "GatewayDeployment",
    "metadata": {"name": "corp", "namespace": "claude"},
    "spec": {"publicURL": "https://claude.corp.example"},
}
POLICY: dict[str, Any] = {
    "apiVersion": "claude-gateway.dev/v1alpha1",
    "kind": "GatewayPolicy",
    "metadata": {"name": "contractors"},
    "spec": {"gatewayRefs": [{"name": "corp"}]},
}
BINDING: dict[str, Any] = {
    "apiVersion": "claude-gateway.dev/v1alpha1",
    "kind": "ProviderBinding",
    "metadata": {"name": "anthropic"},
    "spec": {
        "gatewayRefs": [{"name": "corp"}],
        "type": "Anthropic",
        "anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}},
    },
}


def _violations(base: dict[str, Any], spec: dict[Any, Any]) -> list[str]:
    with pytest.raises(InvalidObject) as refused:
        validate({**base, "spec": {**base["spec"], **spec}})
    return [f"{path}: {message}" for path, message in refused.value.violations]


@pytest.mark.parametrize(
    ("base", "spec", "words"),
    [
        (BINDING, {"priority": 2_000_000}, "spec.priority: must be at most 1000000, got 2000000"),
        (BINDING, {"weight": 0}, "spec.weight: must be at least 1, got 0"),
        (BINDING, {"weight": "2"}, 'spec.weight: must be a whole number, got "2"'),
        (BINDING, {"weight": True}, "spec.weight: must be a whole number, got true"),
        (BINDING, {"weight": 10**400}, "spec.weight: must be at most 1000, got a number of more than 30 digits"),
        (BINDING, {"forwardUserIdentity": "yes"}, 'spec.forwardUserIdentity: must be true or false, got "yes"'),
        (
            BINDING,
            {"anthropic": {"apiKeySecretRef": {"name": "anthropic"}}},
            "spec.anthropic.apiKeySecretRef.key: is required",
        ),
        (
            BINDING,
            {"timeouts": {"idle": "1d"}},
            'spec.timeouts.idle: must be a duration such as 30s, 10m or 720h; the largest unit is h, got "1d"',
        ),
        (POLICY, {"access": "Maybe"}, 'spec.access: must be one of Allow, Deny, got "Maybe"'),
        (
            POLICY,
            {"spendLimits": [{"period": "Daily", "amountUSD": 5}]},
            "spec.spendLimits[0].amountUSD: must be a string, got 5; put it in quotes",
        ),
        (
            POLICY,
            {"availableModels": ["a", "b", "a"]},
            'spec.availableModels[2]: "a" stands in entry 0 already: remove one',
        ),
        (
            POLICY,
            {"spendLimits": [{"period": "Daily", "amountUSD": "5"}, {"period": "Daily", "amountUSD": "6"}]},
            'spec.spendLimits[1]: period "Daily" and scope "PerUser" stands in entry 0 already: remove one',
        ),
        (POLICY, {"gatewayRefs": []}, "spec.gatewayRefs: must not be empty"),
        (POLICY, {"matches": {}}, "spec.matches: must be a list, got {}"),
        (POLICY, {"matches": [None]}, "spec.matches[0]: must be an object, got null"),
        (
            POLICY,
            {"matches": [{"users": ["u" * 321]}]},
            "spec.matches[0].users[0]: must have at most 320 characters, has 321",
        ),
        (POLICY, {5: "x"}, "spec: keys must be strings, got 5"),
        (
            GATEWAY,
            {"resources": {"limits": {"cpu": 0.5}}},
            "spec.resources.limits.cpu: must be a string or a whole number, got 0.5; put it in quotes",
        ),
        (
            GATEWAY,
            {"podTemplate": {"labels": {"corp.example/team": 1}}},
            'spec.podTemplate.labels["corp.example/team"]: must be a string, got 1; put it in quotes',
        ),
    ],
)
def test_words(base: dict[str, Any], spec: dict[str, Any], words: str) -> None:
    assert _violations(base, spec) == [words]


def test_an_unknown_field_is_answered_with_the_nearest_known_one() -> None:
    assert _violations(GATEWAY, {"publicUrl": "x"}) == [
        'spec.publicUrl: unknown field "spec.publicUrl"; did you mean "publicURL"?'
    ]
    assert _violations(POLICY, {"matches": [{"group": ["a"]}]}) == [
        'spec.matches[0].group: unknown field "spec.matches[0].group"; did you mean "groups"?',
        # without it the entry is empty, which is the graver mistake
        "spec.matches[0]: an entry without a value would match everyone: name groups, emailDomains, users, "
        "workloads or identityProviders, or remove matches for the base layer",
    ]


def test_an_unknown_field_without_a_near_one_lists_what_there_is() -> None:
    assert _violations(GATEWAY, {"drain": "5m", "audit": {"kafka": True}}) == [
        'spec.audit.kafka: unknown field "spec.audit.kafka"; known are stdout, store'
    ]
    bedrock = {"region": "us-east-1", "podIdentity": {"x": 1}}
    assert _violations(BINDING, {"type": "Bedrock", "anthropic": None, "bedrock": bedrock}) == [
        'spec.bedrock.podIdentity.x: unknown field "spec.bedrock.podIdentity.x"; nothing may stand there'
    ]


def test_one_mistake_hides_no_other() -> None:
    manifest = {
        **GATEWAY,
        "metadata": {"name": "a.b"},
        "spec": {
            "publicURL": "http://claude.corp.example",
            "replicas": 3,
            "autoscaling": {"maxReplicas": 1},
            "drain": "soon",
            "unheardOf": 1,
            "store": {"type": "Postgres"},
        },
    }
    with pytest.raises(InvalidObject) as refused:
        validate(manifest)
    assert {path for path, _ in refused.value.violations} == {
        "metadata.name",
        "spec.publicURL",
        "spec.replicas",
        "spec.autoscaling.minReplicas",
        "spec.drain",
        "spec.unheardOf",
        "spec.store.postgres",
    }


def test_a_mistake_makes_no_other_up() -> None:
    # type is unreadable, so nothing is said about the member that should go with it
    assert _violations(BINDING, {"type": "OpenAI"}) == [
        'spec.type: must be one of Anthropic, Bedrock, ClaudePlatformAWS, VertexAI, Foundry, got "OpenAI"'
    ]


def test_a_null_is_a_field_that_is_not_there() -> None:
    gateway = validate({**GATEWAY, "spec": {**GATEWAY["spec"], "drain": None, "http": None, "store": {"type": None}}})
    assert gateway.spec == validate(GATEWAY).spec
    assert _violations(GATEWAY, {"publicURL": None}) == ["spec.publicURL: is required"]


def test_nulls_inside_a_settings_document_stay() -> None:
    policy = validate({**POLICY, "spec": {**POLICY["spec"], "access": None, "settings": {"a": {"b": None}}}})
    assert policy.kind == "GatewayPolicy"
    assert policy.spec.settings == {"a": {"b": None}}


def test_a_status_is_not_looked_at() -> None:
    assert validate({**GATEWAY, "status": {"anything": 1}}) == validate(GATEWAY)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({}, "kind: must be one of GatewayDeployment, ProviderBinding, GatewayPolicy, got null"),
        (
            {**GATEWAY, "kind": "Gateway"},
            'kind: must be one of GatewayDeployment, ProviderBinding, GatewayPolicy, got "Gateway"',
        ),
        ({**GATEWAY, "apiVersion": "v1"}, 'apiVersion: must be claude-gateway.dev/v1alpha1, got "v1"'),
        ({key: value for key, value in GATEWAY.items() if key != "spec"}, "spec: is required"),
        ({**GATEWAY, "spec": []}, "spec: must be an object, got []"),
        ({**GATEWAY, "spec": {}}, "spec.publicURL: is required"),
        ({**GATEWAY, "metadata": {}}, "metadata.name: is required"),
        ({**GATEWAY, "specs": {}}, 'specs: unknown field "specs"; did you mean "spec"?'),
    ],
)
def test_the_frame_of_an_object(manifest: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        validate(manifest)
    assert str(refused.value) == words


def test_messages_are_printable_whatever_a_manifest_holds() -> None:
    for text in _violations(GATEWAY, {"\ud800": 1, "a\nb": 2, "safeguards": "\x1b[31m\ud800"}):
        assert text.isprintable()


@pytest.mark.parametrize(
    ("kind", "member", "words"),
    [
        (
            "Foundry",
            {"foundry": {"resource": "https://corp-eu.services.ai.azure.com", "podIdentity": {}}},
            "spec.foundry.resource: must be a resource's name such as corp-eu, not its address",
        ),
        (
            "Foundry",
            {
                "foundry": {
                    "resource": "corp-eu",
                    "entra": {"tenantID": "corp/eu", "clientID": "c", "clientSecretRef": {"name": "a", "key": "b"}},
                }
            },
            "spec.foundry.entra.tenantID: must be a tenant's id, such as 72f988bf-86f1-41af-91ab-2d7cd011db47",
        ),
        (
            "VertexAI",
            {"vertexAI": {"projectID": "corp-ml", "region": "us", "podIdentity": {}, "impersonate": "claude"}},
            "spec.vertexAI.impersonate: must be a service account's email, such as",
        ),
    ],
)
def test_a_form_is_told_in_words(kind: str, member: dict[str, Any], words: str) -> None:
    (told,) = _violations({**BINDING, "spec": {"gatewayRefs": [{"name": "corp"}], "type": kind}}, member)
    assert told.startswith(words)
