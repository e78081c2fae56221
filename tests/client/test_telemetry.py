"""What a developer's Claude Code reports, through the gateway to a collector."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from tests.client.claude_code import ClaudeCode, install
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.collector import Collector, attribute_keys
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


def test_its_metrics_and_events_arrive(
    tmp_path: Path, gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    destinations = [
        {"name": "http", "endpoint": collector.http_url, "signals": ["Metrics"]},
        {
            "name": "grpc",
            "endpoint": collector.grpc_url,
            "protocol": "GRPC",
            "signals": ["Logs"],
            "redact": ["session.id"],
        },
    ]
    gateway.load(smallest(upstream.url, telemetry={"destinations": destinations, "gatewayMetrics": False}))
    home = tmp_path / "home"
    home.mkdir()
    answer = ClaudeCode(install(), home).ask(
        "Say hello",
        base_url=gateway.url,
        environment={
            "ANTHROPIC_AUTH_TOKEN": gateway.key(),
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": gateway.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {gateway.key()}",
        },
    )
    assert answer.stdout.strip() == "Hello from the upstream.", answer
    assert "claude_code.token.usage" in collector.first("metrics").metrics()
    bodies = eventually(
        lambda: {
            record["body"]["stringValue"]
            for export in collector.of("logs")
            for resource in MessageToDict(export.message)["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        },
        what="events",
    )
    assert "claude_code.user_prompt" in bodies
    keys = {key for export in collector.of("logs") for key in attribute_keys(MessageToDict(export.message))}
    assert "session.id" not in keys
    assert "event.name" in keys
