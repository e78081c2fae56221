"""`spec.telemetry` on its way into the configuration."""

from typing import Any

import pytest
from tests.compiler.manifests import CORP, binding, compiled, gateway, of, policy, secret

from gateway_config.callers import Caller
from gateway_config.canonical import sha256_hex
from gateway_config.contract import Telemetry
from gateway_config.parts import Value
from gateway_operator.compiler import Compiled, ConfigMap, Resource, Secret, explain

CANARY = "Bearer otlp-canary-88"


def result(destination: dict[str, Any], *objects: Resource | Secret | ConfigMap, **telemetry: Any) -> Compiled:
    given = {"name": "grafana", "endpoint": "https://otlp.example:4318/", **destination}
    return compiled(gateway(telemetry={"destinations": [given], **telemetry}), binding(), secret(), policy(), *objects)


def telemetry_of(compilation: Compiled) -> Telemetry:
    assert compilation.configuration is not None
    return compilation.configuration.telemetry


def headers(*, annotations: dict[str, str] | None = None, **data: str) -> Secret:
    values = {name.replace("_", "-"): value.encode() for name, value in data.items()}
    return Secret(namespace="claude", name="otlp", data=values, annotations=annotations or {})


def test_the_smallest_destination_takes_metrics() -> None:
    telemetry = telemetry_of(result({}))
    (destination,) = telemetry.destinations
    assert (destination.endpoint, destination.protocol) == ("https://otlp.example:4318", "HTTP")
    assert (destination.signals, destination.headers, destination.redact) == (("Metrics",), {}, ())
    assert telemetry.gateway_metrics


def test_everything_that_can_be_said() -> None:
    compilation = result(
        {
            "protocol": "GRPC",
            "signals": ["Traces", "Metrics"],
            "redact": ["user.email"],
            "headersSecretRef": {"name": "otlp"},
        },
        headers(Authorization=CANARY + "\n", x_scope_orgid="corp"),
        gatewayMetrics=False,
    )
    (destination,) = telemetry_of(compilation).destinations
    assert (destination.protocol, destination.signals) == ("GRPC", ("Metrics", "Traces"))
    assert destination.redact == ("user.email",)
    assert destination.headers == {
        "authorization": Value(name="telemetry/grafana/authorization", sha256=sha256_hex(CANARY.encode())),
        "x-scope-orgid": Value(name="telemetry/grafana/x-scope-orgid", sha256=sha256_hex(b"corp")),
    }
    assert compilation.credentials["telemetry/grafana/authorization"] == CANARY
    assert not telemetry_of(compilation).gateway_metrics
    assert CANARY not in repr(compilation)


def test_one_key_of_the_secret() -> None:
    compilation = result(
        {"headersSecretRef": {"name": "otlp", "key": "api-key"}}, headers(api_key="x", password="y y\n\ny")
    )
    assert list(telemetry_of(compilation).destinations[0].headers) == ["api-key"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "SecretNotFound"),
        (headers(a=""), "SecretInvalid"),
        (headers(a="x\r\ny"), "SecretInvalid"),
        (headers(a="ü"), "SecretInvalid"),
        (headers(Content_Type="x"), "SecretInvalid"),
        (headers(host="x"), "SecretInvalid"),
        (headers(A="x", a="y"), "SecretInvalid"),
        (headers(a="x", annotations={"claude-gateway.dev/hosts": "other.example"}), "SecretHostNotAllowed"),
    ],
)
def test_a_destination_without_its_headers_is_left_out(given: Secret | None, reason: str) -> None:
    compilation = result({"headersSecretRef": {"name": "otlp"}}, *([given] if given else []))
    (finding,) = of(compilation.findings, reason=reason)
    assert finding.path == "spec.telemetry.destinations[0].headersSecretRef"
    assert finding.condition == "ResolvedRefs"
    assert telemetry_of(compilation).destinations == ()


def test_explain_tells_what_the_gateway_adds_to_the_settings() -> None:
    given = gateway(telemetry={"destinations": [{"name": "grafana", "endpoint": "https://otlp.example:4318"}]})
    own = policy(settings={"env": {"OTEL_LOGS_EXPORTER": "none"}})
    told = explain(compiled(given, binding(), secret(), own), Caller(user="alice"))
    assert told.settings is not None
    assert told.settings["env"] == {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://claude.corp.example",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    assert told.sources["settings.env.OTEL_METRICS_EXPORTER"] == (CORP,)
    assert [ref.kind for ref in told.sources["settings.env.OTEL_LOGS_EXPORTER"]] == ["GatewayPolicy"]


def test_a_pinned_secret_goes_to_its_host() -> None:
    pinned = headers(a="x", annotations={"claude-gateway.dev/hosts": "otlp.example"})
    assert telemetry_of(result({"headersSecretRef": {"name": "otlp"}}, pinned)).destinations
