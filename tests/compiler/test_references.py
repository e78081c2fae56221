"""References: gateways and their gates, Secrets and where their values may go."""

import base64
from typing import Any

import pytest
from tests.compiler.manifests import CANARY, binding, compiled, gateway, policy, secret, snapshot

from gateway_operator.compiler import ConfigMap, Finding, ObjectRef, Resource, Secret, Severity, lint

LABELS = {"team-a": {"claude": "yes", "tier": "gold"}, "team-b": {"tier": "gold"}}
FOREIGN = [{"name": "corp", "namespace": "claude"}]


def errors(findings: Any) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("namespaces", "admitted"),
    [
        (None, {"claude"}),
        ({"from": "Same"}, {"claude"}),
        ({"from": "All"}, {"claude", "team-a", "team-b"}),
        ({"from": "Selector", "selector": {"matchLabels": {"claude": "yes"}}}, {"team-a"}),
        ({"from": "Selector", "selector": {}}, {"claude", "team-a", "team-b"}),
        (
            {
                "from": "Selector",
                "selector": {
                    "matchLabels": {"tier": "gold"},
                    "matchExpressions": [{"key": "claude", "operator": "DoesNotExist"}],
                },
            },
            {"team-b"},
        ),
        (
            {
                "from": "Selector",
                "selector": {"matchExpressions": [{"key": "claude", "operator": "In", "values": ["yes", "maybe"]}]},
            },
            {"team-a"},
        ),
        (
            {
                "from": "Selector",
                "selector": {"matchExpressions": [{"key": "claude", "operator": "NotIn", "values": ["yes"]}]},
            },
            {"claude", "team-b"},
        ),
        (
            {"from": "Selector", "selector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
            {"team-a", "team-b"},
        ),
    ],
)
def test_a_gateway_lets_in_the_namespaces_it_names(namespaces: Any, admitted: set[str]) -> None:
    gate = {} if namespaces is None else {"namespaces": namespaces}
    spec = {"allowedBindings": gate, "allowedPolicies": gate} if gate else {}
    everywhere = ("claude", "team-a", "team-b")
    result = compiled(
        gateway(**spec),
        *(binding(namespace=name, refs=FOREIGN) for name in everywhere),
        *(policy(namespace=name, refs=FOREIGN, matches=[{"groups": ["x"]}]) for name in everywhere),
        *(secret(namespace=name) for name in everywhere),
        namespaces=LABELS,
    )
    assert result.configuration is not None
    assert {upstream.name.partition("/")[0] for upstream in result.configuration.upstreams} == admitted
    assert {each.name.partition("/")[0] for each in result.configuration.policies} == admitted
    refused = {finding.ref.namespace for finding in result.findings if finding.reason == "NotAllowedByGateway"}
    assert refused == set(everywhere) - admitted


def test_the_refusal_names_the_gate() -> None:
    (finding,) = errors(compiled(binding(namespace="team-a", refs=FOREIGN)).findings)
    assert finding.ref == ObjectRef("ProviderBinding", "team-a", "anthropic")
    assert (finding.path, finding.condition) == ("spec.gatewayRefs[0]", "Accepted")
    assert "spec.allowedBindings" in finding.message


def test_a_gateway_that_does_not_exist() -> None:
    (finding,) = errors(
        lint(snapshot(gateway(), binding(), secret(), policy(refs=[{"name": "corp"}, {"name": "crop"}])))
    )
    assert (finding.reason, finding.path) == ("GatewayNotFound", "spec.gatewayRefs[1]")
    assert finding.message == "GatewayDeployment claude/crop does not exist"


def refusal(*objects: Resource | Secret, **spec: Any) -> Finding:
    result = compiled(binding(**spec), policy(), *objects)
    (finding,) = errors(result.findings)
    assert result.configuration is not None
    assert result.configuration.upstreams == ()
    assert result.credentials == {}
    assert finding.condition == "ResolvedRefs"
    assert finding.path == "spec.anthropic.apiKeySecretRef"
    assert CANARY not in finding.message
    return finding


def test_a_secret_that_does_not_exist() -> None:
    finding = refusal()
    assert (finding.reason, finding.message) == ("SecretNotFound", "Secret claude/anthropic does not exist")


def test_a_secret_of_another_namespace_does_not_count() -> None:
    assert refusal(secret(namespace="default")).reason == "SecretNotFound"


def test_a_key_that_is_not_there_names_those_that_are() -> None:
    finding = refusal(secret(token=CANARY, apikey=CANARY))
    assert finding.reason == "SecretKeyNotFound"
    assert finding.message == "Secret claude/anthropic has no key api-key; it holds apikey, token"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\n",
        b"\xff\xfe",
        "schlüssel",
        f"{CANARY}\n\n",
        f"{CANARY}\n{CANARY}",
        f"x\x00{CANARY}",
        f" {CANARY}",
        "a b",
    ],
)
def test_values_that_are_no_credential(value: str | bytes) -> None:
    assert refusal(secret(api_key=value)).reason == "SecretInvalid"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_trailing_newline_is_taken_off(ending: str) -> None:
    result = compiled(binding(), policy(), secret(api_key=CANARY + ending))
    assert list(result.credentials.values()) == [CANARY]
    assert result.findings == ()


@pytest.mark.parametrize(
    ("secret_type", "labels"),
    [
        ("kubernetes.io/service-account-token", {}),
        ("helm.sh/release.v1", {}),
        ("claude-gateway.dev/developer-key", {}),
        ("claude-gateway.dev/admin-key", {}),
        ("Opaque", {"app.kubernetes.io/managed-by": "claude-gateway-operator"}),
    ],
)
def test_secrets_that_may_not_be_referred_to(secret_type: str, labels: dict[str, str]) -> None:
    refused = Secret(
        namespace="claude", name="anthropic", type=secret_type, labels=labels, data={"api-key": CANARY.encode()}
    )
    assert refusal(refused).reason == "SecretNotAllowed"


@pytest.mark.parametrize(
    ("hosts", "base_url", "allowed"),
    [
        ("api.anthropic.com", "https://api.anthropic.com", True),
        ("other.example, API.anthropic.com ,", "https://api.anthropic.com", True),
        ("api.anthropic.com", "https://api.anthropic.com:8443/v", True),
        ("api.anthropic.com", "https://evil.example", False),
        ("anthropic.com", "https://api.anthropic.com", False),
        ("", "https://api.anthropic.com", False),
        ("127.0.0.1", "http://127.0.0.1:9", True),
    ],
)
def test_an_annotation_pins_where_a_value_may_go(hosts: str, base_url: str, allowed: bool) -> None:
    pinned = Secret(
        namespace="claude",
        name="anthropic",
        annotations={"claude-gateway.dev/hosts": hosts},
        data={"api-key": CANARY.encode()},
    )
    spec = {"anthropic": {"baseURL": base_url, "apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}}
    if allowed:
        reached = gateway(egress={"allowLoopback": True})
        assert compiled(reached, binding(**spec), policy(), pinned).credentials
    else:
        assert refusal(pinned, **spec).reason == "SecretHostNotAllowed"


def pem(der: bytes = b"\x30\x82\x01\x0acertificate") -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"


KEY = f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(CANARY.encode()).decode()}\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_certificates_are_taken_and_nothing_beside_them(kind: str) -> None:
    text = f"# our root\n{KEY}{pem()}junk\r\n{pem(b'0second').replace(chr(10), chr(13) + chr(10))}"
    holder = (
        ConfigMap(namespace="claude", name="ca", data={"ca.crt": text})
        if kind == "ConfigMap"
        else secret("ca", **{"ca.crt": text})
    )
    egress = {
        "proxyURL": "http://proxy.corp:3128",
        "noProxy": [".corp"],
        "caRef": {"kind": kind, "name": "ca", "key": "ca.crt"},
    }
    result = compiled(gateway(egress=egress), binding(), policy(), secret(), holder)
    assert errors(result.findings) == []
    assert result.configuration is not None
    assert result.configuration.egress.ca_pem == pem() + pem(b"0second")
    assert result.configuration.egress.proxy_url == "http://proxy.corp:3128"
    assert result.configuration.egress.no_proxy == (".corp",)


@pytest.mark.parametrize(
    ("objects", "kind", "reason"),
    [
        ((), "ConfigMap", "ConfigMapNotFound"),
        ((), "Secret", "SecretNotFound"),
        ((ConfigMap(namespace="claude", name="ca", data={"x": pem()}),), "ConfigMap", "ConfigMapKeyNotFound"),
        ((secret("ca", x=pem()),), "Secret", "SecretKeyNotFound"),
        ((ConfigMap(namespace="claude", name="ca", data={"ca.crt": "no PEM"}),), "ConfigMap", "CertificateInvalid"),
        ((ConfigMap(namespace="claude", name="ca", data={"ca.crt": KEY}),), "ConfigMap", "CertificateInvalid"),
        ((ConfigMap(namespace="claude", name="ca", data={"ca.crt": pem(b"text")}),), "ConfigMap", "CertificateInvalid"),
        ((secret("ca", **{"ca.crt": b"\xff\xfe"}),), "Secret", "CertificateInvalid"),
        ((ConfigMap(namespace="x", name="ca", data={"ca.crt": pem()}),), "ConfigMap", "ConfigMapNotFound"),
    ],
)
def test_certificates_that_cannot_be_had(objects: tuple[Any, ...], kind: str, reason: str) -> None:
    egress = {"caRef": {"kind": kind, "name": "ca", "key": "ca.crt"}}
    result = compiled(gateway(egress=egress), binding(), policy(), secret(), *objects)
    (finding,) = errors(result.findings)
    assert (finding.reason, finding.path, finding.condition) == (reason, "spec.egress.caRef", "ResolvedRefs")
    assert result.configuration is not None
    assert result.configuration.egress.ca_pem is None
    assert result.configuration.upstreams
