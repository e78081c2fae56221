"""Google's credential files: what a proxy gets of them, and what is refused with the way out."""

import base64
import json
from typing import Any

import pytest
from tests.compiler.manifests import CANARY, CORP, Compiled, binding, gateway, policy, snapshot

from gateway_operator.compiler import Finding, Secret, Severity, compile_gateway

PRIVATE_KEY = (
    f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(b'0' + CANARY.encode()).decode()}\n-----END PRIVATE KEY-----\n"
)
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/corp"
TOKEN_FILE = "/var/run/secrets/claude-gateway.dev/tokens/"
SERVICE_ACCOUNT = {"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key": PRIVATE_KEY}
AUTHORIZED_USER = {"type": "authorized_user", "client_id": "c", "client_secret": CANARY, "refresh_token": CANARY}
EXTERNAL = {
    "type": "external_account",
    "audience": POOL,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/etc/claude-gateway/credentials.json", "format": {"type": "text"}},
}
IMPERSONATED = {
    "type": "impersonated_service_account",
    "service_account_impersonation_url": (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.example:generateAccessToken"
    ),
    "source_credentials": AUTHORIZED_USER,
}


def outcome(
    file: Any, *, hosts: str | None = None, local: bool = False, loopback: bool = False, **vertex: Any
) -> Compiled:
    text = file if isinstance(file, str) else json.dumps(file)
    annotations = {} if hosts is None else {"claude-gateway.dev/hosts": hosts}
    held = Secret(namespace="claude", name="vertex", annotations=annotations, data={"key.json": text.encode()})
    place = {"projectID": "p", "region": "europe-west1", "serviceAccountSecretRef": {"name": "vertex"}}
    world = snapshot(
        gateway(egress={"allowLoopback": loopback}),
        binding("vertex", type="VertexAI", vertexAI={**place, **vertex}),
        policy(),
        held,
    )
    return compile_gateway(world, CORP, store_default="Embedded" if local else "None")


def file_of(result: Compiled) -> Any:
    assert [each for each in result.findings if each.severity is Severity.ERROR] == []
    return json.loads(result.credentials["claude/vertex"])


def refusal(file: Any, **options: Any) -> Finding:
    result = outcome(file, **options)
    (finding,) = [each for each in result.findings if each.severity is Severity.ERROR]
    assert result.configuration is not None
    assert (result.configuration.upstreams, result.credentials) == ((), {})
    assert (finding.path, finding.condition) == ("spec.vertexAI.serviceAccountSecretRef", "ResolvedRefs")
    assert CANARY not in finding.message
    assert PRIVATE_KEY[30:60] not in finding.message
    return finding


@pytest.mark.parametrize("file", [AUTHORIZED_USER, IMPERSONATED], ids=lambda file: file["type"])
def test_files_that_go_on_as_they_are(file: Any) -> None:
    assert file_of(outcome(file)) == file


def test_the_address_of_googles_tokens_is_added_where_the_file_has_none() -> None:
    assert file_of(outcome(SERVICE_ACCOUNT)) == SERVICE_ACCOUNT | {"token_uri": "https://oauth2.googleapis.com/token"}
    own = SERVICE_ACCOUNT | {"token_uri": "https://oauth2.eu.example/token"}
    assert file_of(outcome(own)) == own


def test_the_address_is_added_to_the_key_that_a_file_impersonates_from() -> None:
    source = file_of(outcome(IMPERSONATED | {"source_credentials": SERVICE_ACCOUNT}))["source_credentials"]
    assert source == {**SERVICE_ACCOUNT, "token_uri": "https://oauth2.googleapis.com/token"}


def test_a_file_source_is_the_pods_own_token_and_nothing_else() -> None:
    result = outcome(EXTERNAL)
    assert result.token_audiences == (f"https:{POOL}",)
    source = file_of(result)["credential_source"]
    assert list(source) == ["file"]
    assert source["file"].startswith(TOKEN_FILE)


def test_without_pods_the_file_is_the_one_that_is_named() -> None:
    result = outcome(EXTERNAL, local=True)
    assert file_of(result) == EXTERNAL
    assert result.token_audiences == ()


def test_a_source_at_an_address() -> None:
    file = EXTERNAL | {"credential_source": {"url": "https://tokens.corp.example/x", "headers": {"a": CANARY}}}
    assert file_of(outcome(file)) == file


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ({}, "type is none that is known: take a file of type service_account, "),
        ({"type": CANARY}, "type is none that is known"),
        ({"type": "gdch_service_account"}, "type is gdch_service_account: take"),
        ({"type": ["service_account"]}, "type is none that is known"),
        ({**SERVICE_ACCOUNT, "client_email": ""}, "client_email is missing"),
        ({**SERVICE_ACCOUNT, "client_email": 7}, "client_email is missing"),
        ({**SERVICE_ACCOUNT, "private_key": CANARY}, "private_key is no private key"),
        ({**AUTHORIZED_USER, "refresh_token": None}, "refresh_token is missing"),
        ({**EXTERNAL, "audience": {}}, "audience is missing"),
        ({**EXTERNAL, "audience": [POOL]}, "audience is missing"),
        ({**EXTERNAL, "audience": "https://kubernetes.default.svc"}, "audience is no workload identity pool's"),
        ({**EXTERNAL, "audience": POOL + "\ud800"}, "audience is no workload identity pool's"),
        ({**EXTERNAL, "token_url": "file:///etc/passwd"}, "token_url is no http:// or https:// URL"),
        ({**EXTERNAL, "token_url": ["x"]}, "token_url is no http:// or https:// URL"),
        ({**EXTERNAL, "credential_source": "x"}, "credential_source is no object"),
        ({**EXTERNAL, "credential_source": {"x": 1}}, "credential_source.file is missing, and so is url"),
        (
            {**EXTERNAL, "credential_source": {"environment_id": "aws1", "region_url": "http://169.254.169.254/az"}},
            "credential_source.environment_id signs with the pod's own identity at AWS, which no gateway does: take",
        ),
        (
            {**EXTERNAL, "credential_source": {"executable": {"command": "/bin/sh"}}},
            "credential_source.executable runs a program, which no gateway does: take file",
        ),
        (
            {**EXTERNAL, "credential_source": {"file": "x", "executable": {"command": "/bin/sh"}}},
            "credential_source.executable runs a program",
        ),
        ({**EXTERNAL, "credential_source": {"certificate": {}}}, "credential_source.certificate reads a certificate"),
        ({**IMPERSONATED, "source_credentials": 1}, "source_credentials is no object"),
        ({**IMPERSONATED, "source_credentials": {**EXTERNAL}}, "source_credentials.type is external_account"),
        (
            {**IMPERSONATED, "source_credentials": {**AUTHORIZED_USER, "client_id": ""}},
            "source_credentials.client_id is missing",
        ),
    ],
)
def test_files_that_are_refused(file: Any, told: str) -> None:
    finding = refusal(file)
    assert finding.reason == "SecretInvalid"
    assert finding.message.startswith("Secret claude/vertex, key key.json")
    assert told in finding.message


@pytest.mark.parametrize(
    ("file", "member"),
    [
        ({**SERVICE_ACCOUNT, "token_uri": "https://127.0.0.1/token"}, "token_uri"),
        ({**EXTERNAL, "token_url": "http://localhost/token"}, "token_url"),
        ({**EXTERNAL, "credential_source": {"url": "http://169.254.169.254/token"}}, "credential_source.url"),
        ({**IMPERSONATED, "service_account_impersonation_url": "https://[::1]/x"}, "service_account_impersonation_url"),
        (
            {**IMPERSONATED, "source_credentials": {**SERVICE_ACCOUNT, "token_uri": "http://metadata.google.internal"}},
            "source_credentials.token_uri",
        ),
    ],
)
def test_addresses_that_no_pod_connects_to(file: Any, member: str) -> None:
    finding = refusal(file)
    assert finding.reason == "AddressRefused"
    assert f": {member} leads there: " in finding.message


def test_a_binding_of_another_namespace_has_the_gateways_token_exchanged_at_google_alone() -> None:
    def result(file: Any) -> Compiled:
        held = Secret(namespace="team-a", name="vertex", data={"key.json": json.dumps(file).encode()})
        vertex = {"projectID": "p", "region": "global", "serviceAccountSecretRef": {"name": "vertex"}}
        refs = [{"name": "corp", "namespace": "claude"}]
        foreign = binding("vertex", namespace="team-a", refs=refs, type="VertexAI", vertexAI=vertex)
        return compile_gateway(
            snapshot(gateway(allowedBindings={"namespaces": {"from": "All"}}), foreign, policy(), held), CORP
        )

    assert result(EXTERNAL).token_audiences
    refused = result({**EXTERNAL, "token_url": "https://sts.example/token"})
    (finding,) = [each for each in refused.findings if each.severity is Severity.ERROR]
    assert finding.reason == "PodIdentityNotAllowed"
    assert "leads to sts.example" in finding.message
    assert refused.token_audiences == ()


def test_loopback_where_the_gateway_may_reach_it() -> None:
    file = {**SERVICE_ACCOUNT, "token_uri": "http://127.0.0.1:9/token"}
    assert file_of(outcome(file, loopback=True)) == file


def test_plain_http_to_a_public_host_is_told() -> None:
    result = outcome({**EXTERNAL, "token_url": "http://sts.example.com/token"})
    (finding,) = result.findings
    assert (finding.reason, finding.severity) == ("PlainHTTP", Severity.WARNING)
    assert "sends token_url of the credential file to sts.example.com" in finding.message


@pytest.mark.parametrize(
    ("file", "vertex", "hosts"),
    [
        (SERVICE_ACCOUNT, {}, ["oauth2.googleapis.com"]),
        (AUTHORIZED_USER, {}, ["oauth2.googleapis.com"]),
        (SERVICE_ACCOUNT, {"impersonate": "a@b.example"}, ["oauth2.googleapis.com", "iamcredentials.googleapis.com"]),
        (EXTERNAL, {}, ["sts.googleapis.com"]),
        (IMPERSONATED, {}, ["oauth2.googleapis.com", "iamcredentials.googleapis.com"]),
    ],
)
def test_the_annotation_pins_every_host(file: Any, vertex: dict[str, Any], hosts: list[str]) -> None:
    everywhere = ["europe-west1-aiplatform.googleapis.com", *hosts]
    assert file_of(outcome(file, hosts=",".join(everywhere), **vertex))
    for absent in everywhere:
        others = ",".join(host for host in everywhere if host != absent)
        finding = refusal(file, hosts=others, **vertex)
        assert finding.reason == "SecretHostNotAllowed"
        assert finding.message.endswith(f"not to {absent}")


@pytest.mark.parametrize(
    "value", [None, 5, [], ["file"], {}, {"file": None}, "file", "https://[", {"url": 5}], ids=repr
)
@pytest.mark.parametrize("file", [SERVICE_ACCOUNT, AUTHORIZED_USER, EXTERNAL, IMPERSONATED], ids=lambda it: it["type"])
def test_a_member_of_any_form_costs_no_more_than_its_binding(file: dict[str, Any], value: Any) -> None:
    members = {*SERVICE_ACCOUNT, *AUTHORIZED_USER, *EXTERNAL, *IMPERSONATED, "token_uri", "token_info_url"}
    for member in sorted(members):
        assert outcome({**file, member: value}).configuration is not None
