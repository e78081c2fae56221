"""What Prometheus sees of the groups that requests are billed to."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric

from gateway_proxy.spend.usage import Usage

MAX_GROUPS: Final = 500
"""Groups that get series of their own; the others share OTHERS. Audit lines name every group."""
OTHERS: Final = "(others)"


class _Group:
    __slots__ = ("requests", "usage")

    def __init__(self) -> None:
        self.requests = 0
        self.usage = Usage()


class BillingMetrics:
    """Only groups that a verified caller is a member of; text of a client never becomes a label."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}

    def answered(self, group: str, usage: Usage | None) -> None:
        """Counts a request that an upstream answered, with whatever status."""
        found = self._groups.get(group)
        if found is None:
            if len(self._groups) >= MAX_GROUPS:
                group = OTHERS
            found = self._groups.setdefault(group, _Group())
        found.requests += 1
        if usage is not None:
            total = found.usage
            total.input_tokens += usage.input_tokens
            total.output_tokens += usage.output_tokens
            total.cache_read_input_tokens += usage.cache_read_input_tokens
            total.cache_creation_5m_input_tokens += usage.cache_creation_5m_input_tokens
            total.cache_creation_1h_input_tokens += usage.cache_creation_1h_input_tokens

    def collect(self) -> Iterator[Metric]:
        """Nothing while no request named a group."""
        if not self._groups:
            return
        requests = CounterMetricFamily(
            "claude_gateway_billing_group_requests",
            "Inference requests answered through an upstream, by the group that they named.",
            labels=("billing_group",),
        )
        tokens = CounterMetricFamily(
            "claude_gateway_billing_group_tokens",
            "Tokens that upstreams reported, by the group that the request named.",
            labels=("billing_group", "kind"),
        )
        for name, group in self._groups.items():
            requests.add_metric((name,), group.requests)
            for kind, number in (
                ("input", group.usage.input_tokens),
                ("output", group.usage.output_tokens),
                ("cache_read", group.usage.cache_read_input_tokens),
                ("cache_write_5m", group.usage.cache_creation_5m_input_tokens),
                ("cache_write_1h", group.usage.cache_creation_1h_input_tokens),
            ):
                tokens.add_metric((name, kind), number)
        yield from (requests, tokens)
