"""The gateway's own metrics at the collectors."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.collector import Collector
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, smallest

ASK = json.dumps({"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": []}).encode()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


def world(upstream: AnthropicUpstream, collector: Collector, **telemetry: Any) -> list[Manifest]:
    given = {"destinations": [{"name": "grafana", "endpoint": collector.http_url}]}
    return smallest(upstream.url, telemetry=given | telemetry)


def named(attributes: list[dict[str, Any]]) -> dict[str, str]:
    return {attribute["key"]: attribute["value"]["stringValue"] for attribute in attributes}


def test_they_say_what_the_metrics_port_says(
    own_gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    own_gateway.load(world(upstream, collector))
    own_gateway.start("--limit", "report=0.2")
    assert own_gateway.messages(ASK).status == 200
    counted = own_gateway.metric("claude_gateway_tokens_total", kind="output", model="claude-sonnet-5-5")
    assert counted > 0
    export = eventually(
        lambda: next((one for one in collector.of("metrics") if "claude_gateway_tokens" in one.metrics()), None),
        what="a report with tokens",
    )
    tokens = export.metrics()["claude_gateway_tokens"]["sum"]
    assert (tokens["aggregationTemporality"], tokens["isMonotonic"]) == ("AGGREGATION_TEMPORALITY_CUMULATIVE", True)
    wanted = {"upstream": "claude/anthropic", "model": "claude-sonnet-5-5", "kind": "output"}
    (output,) = [point for point in tokens["dataPoints"] if named(point["attributes"]) == wanted]
    assert output["asDouble"] == counted
    assert int(output["startTimeUnixNano"]) < int(output["timeUnixNano"])
    (histogram,) = export.metrics()["claude_gateway_request_duration_seconds"]["histogram"]["dataPoints"]
    assert (int(histogram["count"]), sum(map(int, histogram["bucketCounts"]))) == (1, 1)
    assert len(histogram["bucketCounts"]) == len(histogram["explicitBounds"]) + 1
    resource = MessageToDict(export.message)["resourceMetrics"][0]["resource"]["attributes"]
    assert named(resource).items() >= {"service.name": "claude-gateway", "claude_gateway.namespace": "claude"}.items()


def test_the_last_one_is_sent_at_the_end(
    own_gateway: Gateway, upstream: AnthropicUpstream, collector: Collector
) -> None:
    own_gateway.load(world(upstream, collector))
    own_gateway.start("--drain-accept", "0")
    assert own_gateway.messages(ASK).status == 200
    assert collector.received == []
    own_gateway.signal("SIGTERM")
    assert own_gateway.wait_for_exit() == 0
    (export,) = collector.received
    assert "claude_gateway_tokens" in export.metrics()


def test_they_can_be_turned_off(own_gateway: Gateway, upstream: AnthropicUpstream, collector: Collector) -> None:
    own_gateway.load(world(upstream, collector, gatewayMetrics=False))
    own_gateway.start("--drain-accept", "0", "--limit", "report=0.1")
    assert own_gateway.messages(ASK).status == 200
    own_gateway.signal("SIGTERM")
    assert own_gateway.wait_for_exit() == 0
    assert collector.received == []
