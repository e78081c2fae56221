"""Reports of clients on their way through the gateway to OTLP collectors."""

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.collector import Collector, Export, attribute_keys
from tests.standins.gateway import ALICE, Gateway, eventually
from tests.standins.manifests import Manifest, key_of, secret, smallest
from tests.standins.otlp import EMAIL, MESSAGES, as_json
from tests.standins.raw_client import Response, fetch

COLLECTOR_TOKEN = "Bearer collector-canary-3f1d"
PROTOBUF = "application/x-protobuf"
SIGNALS = ("metrics", "logs", "traces")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


def report(
    gateway: Gateway, signal: str, body: bytes | None = None, *, content_type: str = PROTOBUF, **headers: str
) -> Response:
    given = [("authorization", f"Bearer {key_of(ALICE)}"), ("content-type", content_type)]
    given += [(name.replace("_", "-"), value) for name, value in headers.items()]
    body = MESSAGES[signal].SerializeToString() if body is None else body
    return fetch(gateway.port, "POST", f"/v1/{signal}", headers=given, body=body)


def destination(url: str, *, name: str = "grafana", **fields: Any) -> dict[str, Any]:
    return {"name": name, "endpoint": url, "signals": ["Metrics", "Logs", "Traces"]} | fields


def world(upstream: AnthropicUpstream, *destinations: dict[str, Any], **fields: Any) -> list[Manifest]:
    token = secret("otlp", COLLECTOR_TOKEN)
    token["stringData"] = {"Authorization": COLLECTOR_TOKEN, "x-scope-orgid": "corp"}
    telemetry = {"gatewayMetrics": False, "destinations": list(destinations)} | fields
    return smallest(upstream.url, token, telemetry=telemetry)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_report_arrives_byte_for_byte(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector, signal: str, compressed: bool
) -> None:
    gateway.load(world(upstream, destination(f"{collector.http_url}/otlp/", headersSecretRef={"name": "otlp"})))
    body = MESSAGES[signal].SerializeToString()
    body = gzip.compress(body) if compressed else body
    answer = report(gateway, signal, body, **({"content_encoding": "gzip"} if compressed else {}))
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b"", PROTOBUF)
    export = collector.first(signal)
    assert export.raw == body
    assert export.headers["content-type"] == PROTOBUF
    assert export.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert (export.headers["authorization"], export.headers["x-scope-orgid"]) == (COLLECTOR_TOKEN, "corp")
    said = gateway.log_text() + gateway.audit_text() + gateway.metrics_text()
    assert [one for one in (key_of(ALICE), COLLECTOR_TOKEN, "alice@corp") if one in said + repr(export.headers)] == [
        COLLECTOR_TOKEN
    ], "the collector's token goes to the collector alone"
    assert COLLECTOR_TOKEN not in said


def test_json_arrives_as_json(gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    gateway.load(world(upstream, destination(collector.http_url)))
    body = json.dumps(as_json(MESSAGES["logs"])).encode()
    answer = report(gateway, "logs", body, content_type="application/json")
    assert (answer.status, answer.json()) == (200, {})
    export = collector.first("logs")
    assert (export.raw, export.headers["content-type"]) == (body, "application/json")


def test_metrics_alone_unless_more_is_asked_for(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    with Collector() as second:
        first = {"name": "plain", "endpoint": collector.http_url}
        gateway.load(world(upstream, first, destination(second.http_url, signals=["Logs"])))
        assert [report(gateway, signal).status for signal in ("traces", "logs", "metrics")] == [200, 200, 200]
        collector.first("metrics")
        second.first("logs")
        assert [export.signal for export in collector.received] == ["metrics"]
        assert [export.signal for export in second.received] == ["logs"]


@pytest.mark.parametrize("signal", SIGNALS)
def test_without_a_collector_the_answer_is_the_same(gateway: Gateway, signal: str) -> None:
    assert report(gateway, signal).status == 200
    assert report(gateway, signal, b"{}", content_type="application/json").json() == {}
    assert report(gateway, signal, bytes(5_000_000)).status == 200


def test_it_asks_for_a_caller(gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    gateway.load(world(upstream, destination(collector.http_url)))
    answer = fetch(gateway.port, "POST", "/v1/metrics", body=b"x")
    assert (answer.status, answer.error[0]) == (401, "authentication_error")
    assert gateway.audit_of(answer)["event"] == "auth.denied"
    assert fetch(gateway.port, "POST", "/v1/metrics", headers=[("x-api-key", key_of(ALICE))], body=b"x").status == 200
    assert gateway.get("/v1/metrics").status == 405


def test_a_login_that_nobody_has_checked_reports_nothing(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    manifests = world(upstream, destination(collector.http_url))
    manifests[0]["spec"]["identity"] = {"subscriptionPassthrough": True}
    gateway.load(manifests)
    stranger = [("authorization", "Bearer sk-ant-oat01-somebody")]
    assert fetch(gateway.port, "POST", "/v1/logs", headers=stranger, body=b"forged").status == 200
    report(gateway, "logs", b"real")
    assert collector.first("logs").raw == b"real"


def test_a_report_that_is_too_large(gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    gateway.load(world(upstream, destination(collector.http_url)))
    answer = report(gateway, "logs", bytes(4 * 1024 * 1024 + 1))
    assert answer.status == 413
    assert answer.error == (
        "request_too_large",
        "the report is larger than this gateway takes (4194304 bytes): export smaller batches",
    )
    assert report(gateway, "logs", bytes(4 * 1024 * 1024)).status == 200
    assert len(collector.first("logs").raw) == 4 * 1024 * 1024
    assert gateway.metric("claude_gateway_refusals_total", reason="TelemetryTooLarge") >= 1


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("json_body", [False, True])
def test_over_grpc(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector, signal: str, json_body: bool
) -> None:
    given = destination(collector.grpc_url, protocol="GRPC", headersSecretRef={"name": "otlp"})
    gateway.load(world(upstream, given))
    if json_body:
        body = gzip.compress(json.dumps(as_json(MESSAGES[signal])).encode())
        report(gateway, signal, body, content_type="application/json", content_encoding="gzip")
    else:
        report(gateway, signal)
    export = collector.first(signal)
    assert export.message == MESSAGES[signal]
    assert (export.headers["authorization"], export.headers["x-scope-orgid"]) == (COLLECTOR_TOKEN, "corp")


def test_a_call_that_fails_for_now_is_made_again(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    collector.refusal = lambda export: grpc.StatusCode.UNAVAILABLE if len(collector.received) == 1 else None
    gateway.load(world(upstream, destination(collector.grpc_url, protocol="GRPC")))
    report(gateway, "metrics")
    eventually(lambda: gateway.metric("claude_gateway_telemetry_relayed_total") == 1, what="a second attempt")
    assert [export.message for export in collector.received] == [MESSAGES["metrics"]] * 2


def test_named_attributes_do_not_leave_the_gateway(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    with Collector() as everything:
        redacting = destination(collector.http_url, redact=[EMAIL])
        over_grpc = destination(collector.grpc_url, name="grpc", protocol="GRPC", redact=[EMAIL])
        gateway.load(world(upstream, redacting, over_grpc, destination(everything.http_url, name="all")))
        for signal in SIGNALS:
            report(gateway, signal)
            eventually(lambda signal=signal: len(collector.of(signal)) == 2, what=f"both exports of {signal}")
            for export in collector.of(signal):
                keys = set(attribute_keys(MessageToDict(export.message)))
                assert "session.id" in keys
                assert EMAIL not in keys
            assert everything.first(signal).message == MESSAGES[signal]


def test_a_collector_that_asks_for_patience_gets_it(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    arrivals: list[float] = []

    def answer(export: Export) -> tuple[int, dict[str, str]]:
        arrivals.append(time.monotonic())
        return (503, {"retry-after": "2"}) if len(arrivals) == 1 else (200, {})

    collector.answer = answer
    gateway.load(world(upstream, destination(collector.http_url)))
    report(gateway, "metrics", b"first")
    eventually(lambda: gateway.metric("claude_gateway_telemetry_failing", destination="grafana") == 1, what="a pause")
    began = time.monotonic()
    assert report(gateway, "metrics", b"second").status == 200
    assert time.monotonic() - began < 1, "clients do not wait for a collector"
    eventually(lambda: len(collector.received) == 3, what="both reports")
    assert arrivals[1] - arrivals[0] >= 1.9
    assert {export.raw for export in collector.received} == {b"first", b"second"}
    eventually(lambda: gateway.metric("claude_gateway_telemetry_failing", destination="grafana") == 0, what="its end")
    events = [line["event"] for line in gateway.logs() if str(line.get("event")).startswith("telemetry.")]
    assert events == ["telemetry.paused", "telemetry.resumed"]


def test_what_a_collector_refuses_holds_nothing_up(
    gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    collector.answer = lambda export: (400, {}) if export.raw == b"bad" else (200, {})
    gateway.load(world(upstream, destination(collector.http_url)))
    for body in (b"bad", b"good"):
        report(gateway, "logs", body)
    eventually(
        lambda: gateway.metric("claude_gateway_telemetry_relayed_total", signal="Logs") == 1, what="the good one"
    )
    dropped = gateway.metric("claude_gateway_telemetry_dropped_total", signal="Logs", reason="Refused")
    assert (dropped, len(collector.received)) == (1, 2)


def test_a_collector_that_is_not_there_costs_the_clients_nothing(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(
        world(upstream, destination("http://127.0.0.1:9"), destination("http://127.0.0.1:9", name="g", protocol="GRPC"))
    )
    assert {report(gateway, "metrics").status for _ in range(50)} == {200}
    for name in ("grafana", "g"):
        eventually(
            lambda name=name: gateway.metric("claude_gateway_telemetry_failing", destination=name) == 1, what=name
        )
        assert gateway.metric("claude_gateway_telemetry_queue_length", destination=name) >= 40
    assert gateway.messages(b'{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}').status == 200


def test_an_edit_takes_over_at_once(gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    with Collector() as second:
        gateway.load(world(upstream, destination(collector.http_url)))
        report(gateway, "logs", b"one")
        collector.first("logs")
        gateway.load(world(upstream, destination(second.http_url)))
        report(gateway, "logs", b"two")
        assert second.first("logs").raw == b"two"
        assert [export.raw for export in collector.received] == [b"one"]
        gateway.load(smallest(upstream.url))
        assert "claude_gateway_telemetry" not in gateway.metrics_text()


def test_what_waits_is_sent_before_the_end(
    own_gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    attempts: list[bytes] = []

    def answer(export: Export) -> tuple[int, dict[str, str]]:
        attempts.append(export.raw)
        return (503, {"retry-after": "60"}) if len(attempts) == 1 else (200, {})

    collector.answer = answer
    own_gateway.load(world(upstream, destination(collector.http_url)))
    own_gateway.start("--drain-accept", "0")
    report(own_gateway, "logs", b"first")
    eventually(lambda: own_gateway.metric("claude_gateway_telemetry_failing") == 1, what="a pause")
    report(own_gateway, "logs", b"second")
    own_gateway.signal("SIGTERM")
    assert own_gateway.wait_for_exit() == 0
    assert sorted(attempts[1:]) == [b"first", b"second"]


def test_clients_are_told_where_to_report(gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    manifests = world(upstream, destination(collector.http_url))
    for manifest in manifests:
        if manifest["kind"] == "GatewayPolicy":
            manifest["spec"] |= {"desktop": {}, "settings": {"env": {"OTEL_TRACES_EXPORTER": "none", "A": "1"}}}
    gateway.load(manifests)
    alice = [("authorization", f"Bearer {key_of(ALICE)}")]
    settings = fetch(gateway.port, "GET", "/managed/settings", headers=alice).json()["settings"]
    assert settings["env"] == {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://claude.corp.example",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "A": "1",
    }
    desktop = fetch(gateway.port, "GET", "/user/bootstrap", headers=alice).json()
    assert (desktop["otlpEndpoint"], desktop["otlpProtocol"]) == ("https://claude.corp.example", "http/protobuf")


def test_telemetry_alone_makes_settings(gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    gateway.load(world(upstream, destination(collector.http_url)))
    answer = fetch(gateway.port, "GET", "/managed/settings", headers=[("x-api-key", key_of(ALICE))])
    assert answer.status == 200
    assert set(answer.json()["settings"]) == {"env"}
