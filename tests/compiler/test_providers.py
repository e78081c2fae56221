"""Each provider's bindings: where requests go, and the credential that they carry."""

import json
from typing import Any

import pytest
from tests.compiler.manifests import CANARY, Compiled, binding, compiled, gateway, policy, secret

from gateway_config.contract import Upstream
from gateway_config.upstream_credentials import (
    AWSCredential,
    EntraCredential,
    FederatedCredential,
    GoogleCredential,
    StaticCredential,
    values_of,
)
from gateway_operator.compiler import Finding, Secret, Severity

KEY_REF = {"name": "cloud", "key": "api-key"}
IDENTITY = {"organizationID": "org", "federationRuleID": "fdrl_1", "serviceAccountID": "svac_1"}
AWS_ID, AWS_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
"""The example of AWS's documentation."""
AWS_KEYS = {"accessKeyID": "AKIDEXAMPLE", "secretAccessKey": CANARY}


def cloud(*, hosts: str | None = None, **data: str) -> Secret:
    annotations = {} if hosts is None else {"claude-gateway.dev/hosts": hosts}
    held = {"api-key": CANARY, **data}
    return Secret(
        namespace="claude",
        name="cloud",
        annotations=annotations,
        data={name: value.encode() for name, value in held.items()},
    )


def outcome(provider: str, *objects: Secret, **member: Any) -> Compiled:
    name = "claudePlatformAWS" if provider == "ClaudePlatformAWS" else provider[0].lower() + provider[1:]
    return compiled(binding("cloud", type=provider, **{name: member}), policy(), *(objects or (cloud(**AWS_KEYS),)))


def upstream(provider: str, *objects: Secret, **member: Any) -> Upstream:
    result = outcome(provider, *objects, **member)
    assert result.configuration is not None
    assert [each for each in result.findings if each.severity is Severity.ERROR] == []
    (found,) = result.configuration.upstreams
    assert {value.name for value in values_of(found.credential)} == set(result.credentials)
    return found


def refusal(provider: str, *objects: Secret, **member: Any) -> Finding:
    result = outcome(provider, *objects, **member)
    assert result.configuration is not None
    assert (result.configuration.upstreams, result.credentials) == ((), {})
    (finding,) = [each for each in result.findings if each.severity is Severity.ERROR]
    assert CANARY not in finding.message
    return finding


@pytest.mark.parametrize(
    ("provider", "member", "address"),
    [
        ("Anthropic", {}, "https://api.anthropic.com"),
        ("Anthropic", {"baseURL": ""}, "https://api.anthropic.com"),
        ("Bedrock", {"region": "eu-central-1"}, "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("Bedrock", {"region": "us-gov-west-1"}, "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
        (
            "Bedrock",
            {"region": "eu-central-1", "baseURL": "https://vpce-0a.bedrock-runtime.eu-central-1.vpce.amazonaws.com/"},
            "https://vpce-0a.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
        ),
        (
            "ClaudePlatformAWS",
            {"region": "us-east-1", "workspaceID": "wrkspc_1"},
            "https://aws-external-anthropic.us-east-1.api.aws",
        ),
        ("VertexAI", {"region": "global"}, "https://aiplatform.googleapis.com/v1"),
        ("VertexAI", {"region": "us"}, "https://aiplatform.us.rep.googleapis.com/v1"),
        ("VertexAI", {"region": "eu"}, "https://aiplatform.eu.rep.googleapis.com/v1"),
        ("VertexAI", {"region": "europe-west1"}, "https://europe-west1-aiplatform.googleapis.com/v1"),
        ("VertexAI", {"region": "us-east5"}, "https://us-east5-aiplatform.googleapis.com/v1"),
        ("VertexAI", {"region": "eu", "baseURL": "https://psc.corp.example/v1/"}, "https://psc.corp.example/v1"),
        ("Foundry", {"resource": "corp-eu"}, "https://corp-eu.services.ai.azure.com/anthropic"),
        ("Foundry", {"baseURL": "https://apim.corp.example/claude"}, "https://apim.corp.example/claude"),
    ],
)
def test_where_requests_go(provider: str, member: dict[str, Any], address: str) -> None:
    credentials: dict[str, Any] = {
        "Anthropic": {"apiKeySecretRef": KEY_REF},
        "VertexAI": {"podIdentity": {}, "projectID": "corp-ml"},
    }
    found = upstream(provider, **{**credentials.get(provider, {"podIdentity": {}}), **member})
    assert (found.type, found.base_url) == (provider, address)


def test_what_requests_say_of_their_place() -> None:
    vertex = upstream("VertexAI", projectID="corp-ml", region="global", podIdentity={})
    assert (vertex.project_id, vertex.region) == ("corp-ml", "global")
    aws = upstream("ClaudePlatformAWS", region="us-east-1", workspaceID="wrkspc_1", podIdentity={})
    assert (aws.workspace_id, aws.region) == ("wrkspc_1", "us-east-1")
    assert upstream("Bedrock", region="eu-west-1", podIdentity={}).region == "eu-west-1"


@pytest.mark.parametrize(
    ("provider", "member", "kind"),
    [
        ("Anthropic", {"apiKeySecretRef": KEY_REF}, "ApiKey"),
        ("Anthropic", {"oauthTokenSecretRef": KEY_REF}, "OAuthToken"),
        ("Bedrock", {"region": "us-east-1", "bearerTokenSecretRef": KEY_REF}, "BearerToken"),
        ("ClaudePlatformAWS", {"region": "us-east-1", "workspaceID": "w", "apiKeySecretRef": KEY_REF}, "ApiKey"),
        ("Foundry", {"resource": "corp", "apiKeySecretRef": KEY_REF}, "ApiKey"),
    ],
)
def test_a_value_that_is_sent_as_it_is(provider: str, member: dict[str, Any], kind: str) -> None:
    result = outcome(provider, **member)
    assert result.configuration is not None
    credential = result.configuration.upstreams[0].credential
    assert isinstance(credential, StaticCredential)
    assert credential.kind == kind
    assert result.credentials == {"claude/cloud": CANARY}


@pytest.mark.parametrize("provider", ["Bedrock", "ClaudePlatformAWS"])
@pytest.mark.parametrize("extra", [{}, {"sessionToken": "temporary"}])
def test_access_keys_by_their_fixed_names(provider: str, extra: dict[str, str]) -> None:
    place = {"region": "us-east-1"} | ({"workspaceID": "w"} if provider == "ClaudePlatformAWS" else {})
    result = outcome(provider, cloud(**AWS_KEYS, **extra), accessKeySecretRef={"name": "cloud"}, **place)
    assert result.configuration is not None
    credential = result.configuration.upstreams[0].credential
    assert isinstance(credential, AWSCredential)
    assert credential.access_key is not None
    assert (credential.role_arn, credential.external_id) == (None, None)
    assert json.loads(result.credentials[credential.access_key.name]) == AWS_KEYS | extra


def test_a_role_and_its_external_id() -> None:
    role = "arn:aws:iam::123456789012:role/claude"
    found = upstream("Bedrock", region="us-east-1", podIdentity={}, roleARN=role, externalID="corp")
    assert found.credential == AWSCredential(role_arn=role, external_id="corp")


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        ({"accessKeyID": "AKIDEXAMPLE"}, "SecretKeyNotFound", "has no key secretAccessKey"),
        ({"accessKeyID": "ASIAEXAMPLE", "secretAccessKey": CANARY}, "SecretInvalid", "add the key sessionToken"),
        ({"accessKeyID": AWS_SECRET, "secretAccessKey": AWS_ID}, "SecretInvalid", "are swapped"),
        ({"accessKeyID": AWS_ID, "secretAccessKey": AWS_ID}, "SecretInvalid", "put the secret itself there"),
        ({"accessKeyID": AWS_SECRET, "secretAccessKey": AWS_SECRET}, "SecretInvalid", "put the id there"),
        ({"accessKeyID": "AKID EXAMPLE", "secretAccessKey": CANARY}, "SecretInvalid", "key accessKeyID"),
        ({"accessKeyID": "AKIDEXAMPLE", "secretAccessKey": f"{CANARY}\n\n"}, "SecretInvalid", "key secretAccessKey"),
        ({**AWS_KEYS, "sessionToken": ""}, "SecretInvalid", "key sessionToken, is empty"),
    ],
)
def test_access_keys_that_cannot_be_used(data: dict[str, str], reason: str, told: str) -> None:
    finding = refusal("Bedrock", cloud(**data), region="us-east-1", accessKeySecretRef={"name": "cloud"})
    assert (finding.reason, finding.condition) == (reason, "ResolvedRefs")
    assert finding.path == "spec.bedrock.accessKeySecretRef"
    assert told in finding.message
    assert AWS_ID not in finding.message
    assert AWS_SECRET not in finding.message


def test_an_id_of_forty_letters_is_an_id() -> None:
    keys = {"accessKeyID": f"AKIA{'A' * 36}", "secretAccessKey": AWS_SECRET}
    assert upstream("Bedrock", cloud(**keys), region="us-east-1", accessKeySecretRef={"name": "cloud"})


def test_access_keys_have_no_other_names() -> None:
    finding = refusal("Bedrock", region="us-east-1", accessKeySecretRef={"name": "cloud", "key": "credentials"})
    assert finding.path == "spec.bedrock.accessKeySecretRef.key"
    assert "remove key" in finding.message


def test_an_entra_application() -> None:
    entra = {"tenantID": "t", "clientID": "c", "clientSecretRef": KEY_REF}
    credential = upstream("Foundry", resource="corp", entra=entra).credential
    assert isinstance(credential, EntraCredential)
    assert credential.client is not None
    assert (credential.client.tenant_id, credential.client.client_id) == ("t", "c")


@pytest.mark.parametrize(
    ("provider", "member", "credential"),
    [
        ("Bedrock", {"region": "us-east-1"}, AWSCredential()),
        ("ClaudePlatformAWS", {"region": "us-east-1", "workspaceID": "w"}, AWSCredential()),
        ("VertexAI", {"region": "eu", "projectID": "p"}, GoogleCredential()),
        (
            "VertexAI",
            {"region": "eu", "projectID": "p", "impersonate": "a@b.example"},
            GoogleCredential(impersonate="a@b.example"),
        ),
        ("Foundry", {"resource": "corp"}, EntraCredential()),
    ],
)
def test_the_pods_own_identity(provider: str, member: dict[str, Any], credential: Any) -> None:
    result = outcome(provider, podIdentity={}, **member)
    assert result.configuration is not None
    assert result.configuration.upstreams[0].credential == credential
    assert (result.credentials, result.token_audiences) == ({}, ())


def test_a_token_of_the_pods_service_account() -> None:
    result = outcome("Anthropic", workloadIdentity={**IDENTITY, "workspaceID": "wrkspc_1"})
    assert result.configuration is not None
    assert result.configuration.upstreams[0].credential == FederatedCredential(
        organization_id="org",
        federation_rule_id="fdrl_1",
        service_account_id="svac_1",
        workspace_id="wrkspc_1",
        # The first 16 digits of the SHA-256 of https://api.anthropic.com.
        token_file="/var/run/secrets/claude-gateway.dev/tokens/85f13dfe69cdbb33/token",
    )
    assert result.token_audiences == ("https://api.anthropic.com",)


def test_each_audience_once() -> None:
    audiences = ("https://b.example", "https://a.example", "https://b.example")
    result = compiled(
        *(
            binding(f"b{number}", anthropic={"workloadIdentity": {**IDENTITY, "tokenAudience": audience}})
            for number, audience in enumerate(audiences)
        ),
        policy(),
    )
    assert result.token_audiences == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("provider", "member", "hosts"),
    [
        ("Bedrock", {"region": "us-east-1"}, ["bedrock-runtime.us-east-1.amazonaws.com"]),
        (
            "Bedrock",
            {"region": "eu-west-1", "roleARN": "arn:aws:iam::123456789012:role/claude"},
            ["bedrock-runtime.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"],
        ),
        (
            "Bedrock",
            {"region": "us-gov-west-1", "roleARN": "arn:aws-us-gov:iam::123456789012:role/claude"},
            ["bedrock-runtime.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"],
        ),
        (
            "Bedrock",
            {"region": "cn-north-1", "roleARN": "arn:aws-cn:iam::123456789012:role/claude"},
            ["bedrock-runtime.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn"],
        ),
        (
            "Foundry",
            {"resource": "corp", "entra": {"tenantID": "t", "clientID": "c", "clientSecretRef": KEY_REF}},
            ["corp.services.ai.azure.com", "login.microsoftonline.com"],
        ),
    ],
)
def test_the_annotation_pins_every_host_that_the_credential_goes_to(
    provider: str, member: dict[str, Any], hosts: list[str]
) -> None:
    keys = {} if provider == "Foundry" else {"accessKeySecretRef": {"name": "cloud"}}
    assert upstream(provider, cloud(hosts=",".join(hosts), **AWS_KEYS), **keys, **member)
    for absent in hosts:
        others = ",".join(host for host in hosts if host != absent)
        finding = refusal(provider, cloud(hosts=others, **AWS_KEYS), **keys, **member)
        assert finding.reason == "SecretHostNotAllowed"
        assert finding.message.endswith(f"not to {absent}")


@pytest.mark.parametrize(
    ("provider", "member", "address"),
    [
        ("Bedrock", {"region": "us-east-1", "podIdentity": {}}, "https://bedrock-runtime.us-east-1.amazonaws.com"),
        (
            "VertexAI",
            {"region": "eu", "projectID": "p", "podIdentity": {}},
            "https://aiplatform.eu.rep.googleapis.com/v1",
        ),
        ("Foundry", {"resource": "corp", "podIdentity": {}}, "https://corp.services.ai.azure.com/anthropic"),
        ("Anthropic", {"workloadIdentity": IDENTITY}, "https://api.anthropic.com"),
    ],
)
def test_a_binding_of_another_namespace_sends_the_gateways_identity_to_the_provider_alone(
    provider: str, member: dict[str, Any], address: str
) -> None:
    name = provider[0].lower() + provider[1:]
    foreign = [{"name": "corp", "namespace": "claude"}]
    open_to_all = gateway(allowedBindings={"namespaces": {"from": "All"}})

    def result(base_url: str) -> Compiled:
        said = {key: value for key, value in member.items() if key != "resource" or not base_url}
        spec = {"type": provider, name: {**said, "baseURL": base_url}}
        return compiled(open_to_all, binding("cloud", namespace="team-a", refs=foreign, **spec), policy())

    # A Foundry resource is named, or its address is written down.
    for own in ("",) if "resource" in member else ("", address, f"{address}/"):
        assert result(own).configuration.upstreams  # type: ignore[union-attr]
    refused = result("https://relay.example")
    assert refused.configuration is not None
    assert refused.configuration.upstreams == ()
    assert refused.token_audiences == ()
    (finding,) = [each for each in refused.findings if each.severity is Severity.ERROR]
    assert (finding.path, finding.reason) == (f"spec.{name}.baseURL", "PodIdentityNotAllowed")


def test_a_binding_of_another_namespace_has_no_token_made_for_an_audience_of_its_own() -> None:
    def outcome_of(audience: str) -> Compiled:
        anthropic = {"workloadIdentity": {**IDENTITY, "tokenAudience": audience}}
        refs = [{"name": "corp", "namespace": "claude"}]
        world = gateway(allowedBindings={"namespaces": {"from": "All"}})
        return compiled(world, binding("cloud", namespace="team-a", refs=refs, anthropic=anthropic), policy())

    assert outcome_of("https://api.anthropic.com").token_audiences
    refused = outcome_of("sts.amazonaws.com")
    assert refused.token_audiences == ()
    (finding,) = [each for each in refused.findings if each.severity is Severity.ERROR]
    assert finding.path == "spec.anthropic.workloadIdentity.tokenAudience"
    assert finding.reason == "PodIdentityNotAllowed"


def test_plain_http_to_a_public_host_is_told_and_an_address_of_the_node_is_refused() -> None:
    result = outcome("Bedrock", region="us-east-1", podIdentity={}, baseURL="http://bedrock.example")
    assert [(each.path, each.reason) for each in result.findings] == [("spec.bedrock.baseURL", "PlainHTTP")]
    finding = refusal("Foundry", baseURL="https://169.254.169.254/x", podIdentity={})
    assert (finding.path, finding.reason) == ("spec.foundry.baseURL", "AddressRefused")


@pytest.mark.parametrize(
    ("provider", "member", "written"),
    [
        (
            "VertexAI",
            {"region": "eu", "projectID": "p", "baseURL": "https://x-aiplatform.p.googleapis.com"},
            "https://x-aiplatform.p.googleapis.com/v1",
        ),
        (
            "Foundry",
            {"baseURL": "https://corp.services.ai.azure.com/"},
            "https://corp.services.ai.azure.com/anthropic",
        ),
    ],
)
def test_an_address_of_the_providers_own_without_its_path(provider: str, member: dict[str, Any], written: str) -> None:
    result = outcome(provider, podIdentity={}, **member)
    (finding,) = result.findings
    assert (finding.reason, finding.severity) == ("BaseURLIncomplete", Severity.WARNING)
    assert finding.message.endswith(f"write {written}")
    assert result.configuration is not None
    assert result.configuration.upstreams


def test_a_binding_without_its_secret_leaves_the_others_standing() -> None:
    bedrock = {"region": "us-east-1", "accessKeySecretRef": {"name": "absent"}}
    result = compiled(gateway(), binding("cloud", type="Bedrock", bedrock=bedrock), binding(), policy(), secret())
    assert result.configuration is not None
    assert [each.name for each in result.configuration.upstreams] == ["claude/anthropic"]
    (finding,) = result.findings
    assert (finding.path, finding.reason) == ("spec.bedrock.accessKeySecretRef", "SecretNotFound")
