"""What Prometheus sees of sign-ins and sessions. Every label value is a constant."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class SignInMetrics(Collector):
    """Of one process, on the event loop alone."""

    def __init__(self) -> None:
        self._began = 0
        self._ended: dict[str, int] = {}
        self._renewed: dict[str, int] = {}
        self._revoked = 0
        self.feed_failing = False
        """Whether the last look at what was revoked elsewhere failed."""

    def began(self) -> None:
        self._began += 1

    def ended(self, outcome: str) -> None:
        """Approved and Refused at the callback, Denied there or on the page, Completed where the client came for its
        session."""
        self._ended[outcome] = self._ended.get(outcome, 0) + 1

    def renewed(self, outcome: str) -> None:
        self._renewed[outcome] = self._renewed.get(outcome, 0) + 1

    def revoked(self, number: int) -> None:
        self._revoked += number

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("claude_gateway_sign_ins_begun", "Sign-ins that clients began.", value=self._began)
        ended = CounterMetricFamily("claude_gateway_sign_ins", "Sign-ins by how a step ended.", labels=("outcome",))
        for outcome, number in self._ended.items():
            ended.add_metric((outcome,), number)
        renewed = CounterMetricFamily(
            "claude_gateway_session_renewals",
            "Sessions renewed (Renewed, Repeated, Unconfirmed), or why not.",
            labels=("outcome",),
        )
        for outcome, number in self._renewed.items():
            renewed.add_metric((outcome,), number)
        yield from (ended, renewed)
        yield CounterMetricFamily("claude_gateway_sessions_revoked", "Sessions ended here.", value=self._revoked)
        yield GaugeMetricFamily(
            "claude_gateway_revocation_feed_failing",
            "1 while this pod cannot learn which sessions other pods ended, else 0.",
            value=float(self.feed_failing),
        )
