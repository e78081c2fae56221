"""What Prometheus sees of a gateway.

The request path adds to plain numbers in a Series that its route holds; the exposition is built from them at a scrape.
Every label value is a configured name, a canonical model id or a constant of ours: client text never becomes a label.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from gateway_proxy.inference.standing import Binding
from gateway_proxy.providers.client import UpstreamClient
from gateway_proxy.telemetry import credential_metrics, routing_metrics
from gateway_proxy.telemetry.billing_metrics import BillingMetrics
from gateway_proxy.telemetry.series import Series, UpstreamSeries
from gateway_proxy.telemetry.store_metrics import StoreMetrics

_MAX_REASONS: Final = 256


class ConfigState:
    """What is known of the configuration's loading; the admin status says the same in words."""

    def __init__(self) -> None:
        self.revision = ""
        self.sequence = 0
        self.loads = 0
        self.loaded_at: float | None = None
        self.failures: dict[str, int] = {}
        self.failing: str | None = None
        """The reason why the newest bundle is not in force; None when it is."""
        self.load_seconds = 0.0


class CertificateState:
    """What is known of the served certificate's loading; nothing without TLS."""

    def __init__(self) -> None:
        self.loads = self.failures = 0
        self.failing = False
        """Whether the newest pair could not be used and the one before is served on."""
        self.loaded_at = 0.0

    def loaded(self) -> None:
        self.loads += 1
        self.failing = False
        self.loaded_at = time.time()

    def failed(self) -> None:
        self.failures += 1
        self.failing = True


class Metrics(Collector):
    """All series of one process. Made once; used from the event loop, scraped on it too, so nothing is locked."""

    def __init__(self) -> None:
        self.config = ConfigState()
        self.certificate = CertificateState()
        self.store = StoreMetrics()
        self.bindings: Callable[[], Collection[Binding]] = tuple
        """Those of the configuration in force."""
        self.clients: Callable[[], Collection[UpstreamClient]] = tuple
        """The same bindings' clients."""
        self.billing = BillingMetrics()
        self.open_streams: Callable[[], int] = lambda: 0
        self.audit_dropped: Callable[[], int] = lambda: 0
        self.draining: Callable[[], bool] = lambda: False
        self.outbound_failures: Callable[[], Mapping[str, int]] = dict
        self._refusals: dict[str, int] = {}
        self._clients_gone = 0
        self._upstreams: dict[str, UpstreamSeries] = {}
        self._series: dict[tuple[str, str], Series] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def series(self, upstream: str, model: str) -> Series:
        """The series of a configured upstream and a canonical model id; the same object each time."""
        found = self._series.get((upstream, model))
        if found is None:
            above = self._upstreams.get(upstream)
            if above is None:
                above = self._upstreams[upstream] = UpstreamSeries(upstream)
            found = self._series[upstream, model] = Series(above, model)
        return found

    def keep_only(self, upstreams: Collection[str], models: Collection[str]) -> None:
        """Forgets the series of upstreams and models that the configuration no longer has."""
        self._series = {
            names: series for names, series in self._series.items() if names[0] in upstreams and names[1] in models
        }
        self._upstreams = {name: series for name, series in self._upstreams.items() if name in upstreams}

    def refused(self, reason: str) -> None:
        """Counts an answer of the gateway's own by the reason of its GatewayError."""
        if reason not in self._refusals and len(self._refusals) >= _MAX_REASONS:
            reason = "Other"
        self._refusals[reason] = self._refusals.get(reason, 0) + 1

    def client_gone(self) -> None:
        self._clients_gone += 1

    def collect(self) -> Iterator[Metric]:
        yield from self._collect_requests()
        yield from self._collect_upstreams()
        yield from routing_metrics.collect(self._upstreams, self.bindings())
        yield from credential_metrics.collect(self.clients())
        yield from self._collect_process()
        yield from self._collect_config()
        if self.certificate.loads:
            yield from self._collect_certificate()
        yield from self.billing.collect()
        if self.store.configured:
            yield from self.store.collect()

    def _collect_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "claude_gateway_requests",
            "Inference requests answered through an upstream, by its answer's status.",
            labels=("upstream", "model", "status"),
        )
        tokens = CounterMetricFamily(
            "claude_gateway_tokens", "Tokens that upstreams reported.", labels=("upstream", "model", "kind")
        )
        searches = CounterMetricFamily(
            "claude_gateway_web_searches", "Web searches that upstreams reported.", labels=("upstream", "model")
        )
        estimated = CounterMetricFamily(
            "claude_gateway_usage_estimated",
            "Requests whose output tokens were estimated from the text, because no final count came.",
            labels=("upstream", "model"),
        )
        for (upstream, model), series in self._series.items():
            for status, number in series.requests.items():
                requests.add_metric((upstream, model, str(status)), number)
            for kind, number in series.tokens():
                tokens.add_metric((upstream, model, kind), number)
            searches.add_metric((upstream, model), series.web_searches)
            estimated.add_metric((upstream, model), series.estimated)
        yield from (requests, tokens, searches, estimated)

    def _collect_upstreams(self) -> Iterator[Metric]:
        duration = HistogramMetricFamily(
            "claude_gateway_request_duration_seconds",
            "From a request's head to the last byte of its answer.",
            labels=("upstream",),
        )
        first_byte = HistogramMetricFamily(
            "claude_gateway_first_byte_seconds",
            "From a request's head to the first byte of its answer.",
            labels=("upstream",),
        )
        failed = CounterMetricFamily(
            "claude_gateway_upstream_attempts_failed",
            "Attempts that failed before the first byte; the next upstream was tried where there was one.",
            labels=("upstream", "reason"),
        )
        for name, series in self._upstreams.items():
            duration.add_metric((name,), series.duration.cumulative(), series.duration.total)
            first_byte.add_metric((name,), series.first_byte.cumulative(), series.first_byte.total)
            for reason, number in series.attempts_failed.items():
                failed.add_metric((name, reason), number)
        yield from (duration, first_byte, failed)

    def _collect_process(self) -> Iterator[Metric]:
        refusals = CounterMetricFamily(
            "claude_gateway_refusals", "Answers of the gateway's own, by reason.", labels=("reason",)
        )
        for reason, number in self._refusals.items():
            refusals.add_metric((reason,), number)
        yield refusals
        failures = CounterMetricFamily(
            "claude_gateway_outbound_failures",
            "Requests of the gateway's own, to identity providers and collectors, that failed, by reason.",
            labels=("reason",),
        )
        for reason, number in self.outbound_failures().items():
            failures.add_metric((reason,), number)
        yield failures
        yield CounterMetricFamily(
            "claude_gateway_clients_gone", "Clients that left before their answer's end.", value=self._clients_gone
        )
        yield GaugeMetricFamily(
            "claude_gateway_open_streams", "Inference requests in progress.", value=self.open_streams()
        )
        yield GaugeMetricFamily(
            "claude_gateway_draining", "1 from SIGTERM on, before it 0.", value=float(self.draining())
        )
        yield CounterMetricFamily(
            "claude_gateway_audit_lines_dropped",
            "Audit lines lost because standard output did not take them.",
            value=self.audit_dropped(),
        )

    def _collect_config(self) -> Iterator[Metric]:
        config = self.config
        info = GaugeMetricFamily(
            "claude_gateway_config_info", "The configuration in force; always 1.", labels=("revision",)
        )
        if config.revision:
            info.add_metric((config.revision,), 1)
        failing = GaugeMetricFamily(
            "claude_gateway_config_load_failed",
            "1 while the newest configuration could not be loaded and the one before it serves on, else 0.",
            labels=("reason",),
        )
        failures = CounterMetricFamily(
            "claude_gateway_config_load_failures", "Configurations that could not be loaded.", labels=("reason",)
        )
        for reason, number in config.failures.items():
            failing.add_metric((reason,), float(reason == config.failing))
            failures.add_metric((reason,), number)
        yield from (info, failing, failures)
        yield CounterMetricFamily("claude_gateway_config_loads", "Configurations put in force.", value=config.loads)
        yield GaugeMetricFamily(
            "claude_gateway_config_sequence",
            "The sequence number of the configuration in force.",
            value=config.sequence,
        )
        yield GaugeMetricFamily(
            "claude_gateway_config_last_success_timestamp_seconds",
            "When the configuration in force was loaded; 0 before the first.",
            value=config.loaded_at or 0.0,
        )
        yield GaugeMetricFamily(
            "claude_gateway_config_load_seconds", "How long the last load took.", value=config.load_seconds
        )

    def _collect_certificate(self) -> Iterator[Metric]:
        certificate = self.certificate
        yield GaugeMetricFamily(
            "claude_gateway_tls_load_failed",
            "1 while the newest certificate could not be used and the one before is served on, else 0.",
            value=float(certificate.failing),
        )
        yield CounterMetricFamily("claude_gateway_tls_loads", "Certificates put in use.", value=certificate.loads)
        yield CounterMetricFamily(
            "claude_gateway_tls_load_failures",
            "Attempts to load a certificate that failed.",
            value=certificate.failures,
        )
        yield GaugeMetricFamily(
            "claude_gateway_tls_last_success_timestamp_seconds",
            "When the certificate in use was loaded.",
            value=certificate.loaded_at,
        )

    def loaded(self, *, revision: str, sequence: int, seconds: float) -> None:
        config = self.config
        config.revision, config.sequence, config.load_seconds = revision, sequence, seconds
        config.loads += 1
        config.loaded_at = time.time()
        config.failing = None

    def load_failed(self, reason: str) -> None:
        config = self.config
        config.failures[reason] = config.failures.get(reason, 0) + 1
        config.failing = reason
