"""URLs that a pod would refuse are told before it does, with their field."""

from typing import Any

import pytest
from tests.compiler.manifests import CORP, binding, compiled, gateway, policy, secret, snapshot

from gateway_operator.compiler import Compiled, Severity, compile_gateway

KEY_REF = {"name": "anthropic", "key": "api-key"}
METADATA = [
    "http://169.254.169.254",
    "http://0xa9fea9fe/",
    "https://[fd00:ec2::254]",
    "http://metadata.google.internal",
]
LOOPBACK = ["http://127.0.0.1:9", "http://localhost:9", "http://127.1", "https://[::1]:9"]
ALLOWED = {"allowLoopback": True}


def reaching(url: str, **spec: Any) -> Compiled:
    anthropic = {"baseURL": url, "apiKeySecretRef": KEY_REF}
    return compiled(gateway(**spec), binding(anthropic=anthropic), binding("other"), policy(), secret())


def names(result: Compiled) -> list[str]:
    assert result.configuration is not None
    return [upstream.name for upstream in result.configuration.upstreams]


@pytest.mark.parametrize("url", [*METADATA, *LOOPBACK])
def test_a_base_url_that_is_refused_leaves_its_binding_out(url: str) -> None:
    result = reaching(url)
    (finding,) = result.findings
    assert (finding.ref.name, finding.path, finding.reason) == ("anthropic", "spec.anthropic.baseURL", "AddressRefused")
    assert (finding.severity, finding.condition) == (Severity.ERROR, "Accepted")
    assert ("spec.egress.allowLoopback" in finding.message) == (url in LOOPBACK)
    assert names(result) == ["claude/other"]


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_where_it_is_allowed(url: str) -> None:
    result = reaching(url, egress=ALLOWED)
    assert (result.findings, names(result)) == ((), ["claude/anthropic", "claude/other"])
    assert result.configuration is not None
    assert result.configuration.egress.allow_loopback


@pytest.mark.parametrize("url", METADATA)
def test_allowing_loopback_allows_nothing_else(url: str) -> None:
    assert names(reaching(url, egress=ALLOWED)) == ["claude/other"]


@pytest.mark.parametrize(
    "url", ["https://10.0.0.5:8443", "https://[fd12::1]", "http://mirror.claude.svc", "http://mirror"]
)
def test_private_networks_are_nobodys_business(url: str) -> None:
    result = reaching(url)
    assert (result.findings, names(result)) == ((), ["claude/anthropic", "claude/other"])


@pytest.mark.parametrize("written", [None, True, False])
def test_without_a_cluster_loopback_is_allowed_unless_the_gateway_says_otherwise(written: bool | None) -> None:
    egress = {} if written is None else {"allowLoopback": written}
    anthropic = {"baseURL": LOOPBACK[0], "apiKeySecretRef": KEY_REF}
    objects = snapshot(gateway(egress=egress), binding(anthropic=anthropic), policy(), secret())
    result = compile_gateway(objects, CORP, store_default="Embedded")
    assert result.configuration is not None
    assert len(result.configuration.upstreams) == (0 if written is False else 1)


def test_every_url_of_the_gateway_is_looked_at() -> None:
    issuer = "http://127.0.0.1:9"
    oidc = [
        {"name": "a", "issuer": issuer, "clientID": "x"},
        {"name": "b", "issuer": "https://b.example", "discoveryURL": issuer, "clientID": "x"},
        # The issuer is a name here; what is connected to is the discovery URL.
        {"name": "c", "issuer": issuer, "discoveryURL": "https://c.example/d", "clientID": "x"},
    ]
    workloads = [
        {"name": "w", "issuer": issuer, "audience": "x", "rules": [{"match": {"sub": "x"}, "user": "x"}]},
    ]
    destinations = [
        {"name": "a", "endpoint": "https://otlp.example"},
        {"name": "b", "endpoint": "http://169.254.169.254:4318"},
    ]
    described = {
        "store": {"type": "Embedded"},
        "identity": {"oidc": oidc, "workloads": workloads},
        "telemetry": {"destinations": destinations},
    }

    def paths(proxy: str, **egress: Any) -> list[str]:
        described["egress"] = {"proxyURL": proxy, **egress}
        result = compiled(gateway(**described), binding(), policy(), secret())
        found = [finding for finding in result.findings if finding.reason == "AddressRefused"]
        assert all(finding.ref == CORP and finding.severity is Severity.ERROR for finding in found)
        assert result.configuration is not None, "the rest serves"
        return [finding.path for finding in found]

    endpoint = "spec.telemetry.destinations[1].endpoint"
    assert paths("http://localhost:3128") == [
        "spec.egress.proxyURL",
        "spec.identity.oidc[0].issuer",
        "spec.identity.oidc[1].discoveryURL",
        "spec.identity.workloads[0].issuer",
        endpoint,
    ]
    assert paths("http://proxy.corp:3128", **ALLOWED) == [endpoint]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://api.example.com/anthropic", True),
        ("http://8.8.8.8", True),
        ("http://[2606:4700::1111]", True),
        ("https://api.example.com", False),
        ("http://mirror", False),
        ("http://mirror.claude.svc.cluster.local", False),
        ("http://mirror.corp", False),
        ("http://10.1.2.3:8080", False),
        ("http://[fd12::1]", False),
    ],
)
def test_a_credential_in_plain_text_to_a_public_host(url: str, warned: bool) -> None:
    result = reaching(url)
    assert names(result) == ["claude/anthropic", "claude/other"]
    assert [(finding.path, finding.reason, finding.severity) for finding in result.findings] == [
        ("spec.anthropic.baseURL", "PlainHTTP", Severity.WARNING)
    ] * warned


@pytest.mark.parametrize("headers", [True, False])
def test_a_collectors_credential_in_plain_text(headers: bool) -> None:
    destination: dict[str, Any] = {"name": "a", "endpoint": "http://otlp.example.com"}
    if headers:
        destination["headersSecretRef"] = {"name": "anthropic"}
    result = compiled(gateway(telemetry={"destinations": [destination]}), binding(), policy(), secret())
    found = [finding.path for finding in result.findings if finding.reason == "PlainHTTP"]
    assert found == ["spec.telemetry.destinations[0].endpoint"] * headers
