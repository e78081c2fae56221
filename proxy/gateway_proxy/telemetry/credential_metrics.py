"""What Prometheus sees of credentials that are fetched and expire."""

from collections.abc import Collection, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway_proxy.providers.client import UpstreamClient


def collect(clients: Collection[UpstreamClient]) -> Iterator[Metric]:
    """`clients`: those of the configuration in force. Nothing where none of them has such a credential."""
    renewing = [(client.name, client.renewing) for client in clients if client.renewing is not None]
    if not renewing:
        return
    renewals = CounterMetricFamily(
        "claude_gateway_credential_renewals", "Credentials that were fetched for the upstream.", labels=("upstream",)
    )
    failures = CounterMetricFamily(
        "claude_gateway_credential_failures",
        "Attempts to fetch the upstream's credential that failed.",
        labels=("upstream",),
    )
    failing = GaugeMetricFamily(
        "claude_gateway_credential_failing",
        "1 while the last attempt to fetch the upstream's credential failed, whether or not one before serves on.",
        labels=("upstream",),
    )
    expires = GaugeMetricFamily(
        "claude_gateway_credential_expires_timestamp_seconds",
        "When the upstream's credential that there is expires; absent while there is none and where it never does.",
        labels=("upstream",),
    )
    for name, credential in renewing:
        renewals.add_metric((name,), credential.counts.renewals)
        failures.add_metric((name,), credential.counts.failures)
        failing.add_metric((name,), float(credential.failing))
        if credential.expires_at is not None:
            expires.add_metric((name,), credential.expires_at)
    yield from (renewals, failures, failing, expires)
