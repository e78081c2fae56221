"""What a scrape says, and that nothing a client sends can make it say more."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway_proxy.spend.usage import Usage
from gateway_proxy.telemetry.metrics import Metrics

ROUTE = {"upstream": "claude/anthropic", "model": "claude-opus-5-5"}


def scraped(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("claude_gateway")
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return scraped(metrics).get((name, frozenset(labels.items())))


def test_a_request_is_counted_by_upstream_model_and_status() -> None:
    metrics = Metrics()
    series = metrics.series(**ROUTE)
    assert metrics.series(**ROUTE) is series
    series.finished(200, 3.0, 0.3, Usage(1, 2, 3, 4, 5, 6, estimated=True))
    series.finished(529, 0.01, None, None)
    assert value(metrics, "claude_gateway_requests_total", status="200", **ROUTE) == 1
    assert value(metrics, "claude_gateway_requests_total", status="529", **ROUTE) == 1
    tokens = [
        value(metrics, "claude_gateway_tokens_total", kind=kind, **ROUTE)
        for kind in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    ]
    assert tokens == [1, 2, 3, 4, 5]
    assert value(metrics, "claude_gateway_web_searches_total", **ROUTE) == 6
    assert value(metrics, "claude_gateway_usage_estimated_total", **ROUTE) == 1


def test_times_fall_into_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.01, 0.05, 0.051, 1000.0):
        metrics.series(**ROUTE).finished(200, seconds, None, None)
    name, upstream = "claude_gateway_request_duration_seconds", "claude/anthropic"
    assert value(metrics, f"{name}_bucket", upstream=upstream, le="0.05") == 2
    assert value(metrics, f"{name}_bucket", upstream=upstream, le="0.1") == 3
    assert value(metrics, f"{name}_bucket", upstream=upstream, le="600.0") == 3
    assert value(metrics, f"{name}_bucket", upstream=upstream, le="+Inf") == 4
    assert value(metrics, f"{name}_count", upstream=upstream) == 4
    assert value(metrics, "claude_gateway_first_byte_seconds_count", upstream=upstream) == 0


def test_failed_attempts_have_a_bounded_set_of_reasons() -> None:
    metrics = Metrics()
    series = metrics.series(**ROUTE)
    for number in range(1000):
        series.attempt_failed(f"made up {number}")
    series.attempt_failed("429")
    found = {key: count for key, count in scraped(metrics).items() if "attempts_failed" in key[0]}
    assert sorted(found.values()) == [1, 1000]


def test_refusals_have_a_bounded_set_of_reasons() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.refused(f"Reason{number}")
    found = [key for key in scraped(metrics) if key[0] == "claude_gateway_refusals_total"]
    assert len(found) <= 257


def test_series_of_removed_upstreams_and_models_go() -> None:
    metrics = Metrics()
    kept, gone = ("claude/anthropic", "claude-opus-5-5"), ("claude/old", "claude-opus-5-5")
    for names in (kept, gone, ("claude/anthropic", "claude-old")):
        metrics.series(*names).finished(200, 1, 1, None)
    metrics.keep_only({"claude/anthropic"}, {"claude-opus-5-5"})
    labels = {label for name, given in scraped(metrics) for label in given if name.startswith("claude_gateway_req")}
    assert ("upstream", "claude/anthropic") in labels
    assert ("upstream", "claude/old") not in labels
    assert ("model", "claude-old") not in labels


def test_the_state_of_the_configuration() -> None:
    metrics = Metrics()
    metrics.load_failed("ConfigCorrupt")
    assert value(metrics, "claude_gateway_config_load_failed", reason="ConfigCorrupt") == 1
    metrics.loaded(revision="sha256:1", sequence=7, seconds=0.1)
    metrics.loaded(revision="sha256:2", sequence=8, seconds=0.1)
    assert value(metrics, "claude_gateway_config_load_failed", reason="ConfigCorrupt") == 0
    assert value(metrics, "claude_gateway_config_load_failures_total", reason="ConfigCorrupt") == 1
    assert value(metrics, "claude_gateway_config_sequence") == 8
    infos = [key for key in scraped(metrics) if key[0] == "claude_gateway_config_info"]
    assert infos == [("claude_gateway_config_info", frozenset({("revision", "sha256:2")}))]


def test_what_the_process_says_of_itself() -> None:
    metrics = Metrics()
    metrics.open_streams = lambda: 3
    metrics.draining = lambda: True
    metrics.audit_dropped = lambda: 5
    metrics.client_gone()
    assert value(metrics, "claude_gateway_open_streams") == 3
    assert value(metrics, "claude_gateway_draining") == 1
    assert value(metrics, "claude_gateway_audit_lines_dropped_total") == 5
    assert value(metrics, "claude_gateway_clients_gone_total") == 1
    assert b"process_resident_memory_bytes" in generate_latest(metrics.registry)
