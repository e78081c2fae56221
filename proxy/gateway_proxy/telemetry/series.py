"""What is counted of requests to one upstream, and to one model at it: plain numbers that the request path adds to."""

from typing import Final

from gateway_proxy.spend.usage import Usage
from gateway_proxy.telemetry.distribution import Distribution

DURATION_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
FIRST_BYTE_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""In seconds. An answer takes from a tenth of a second to ten minutes; its first byte seldom over two."""

_FAILURES: Final = frozenset(
    {
        "401",
        "403",
        "404",
        "429",
        "501",
        "5xx",
        "AddressRefused",
        "Connect",
        "Credential",
        "Timeout",
        "BadAnswer",
        "Protocol",
        "Reset",
    }
)


class UpstreamSeries:
    """What is counted for one upstream, whichever the model."""

    __slots__ = (
        "affinity_kept",
        "affinity_moved",
        "attempts_failed",
        "cool_downs",
        "duration",
        "first_byte",
        "full",
        "name",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.duration = Distribution(DURATION_BOUNDS)
        self.first_byte = Distribution(FIRST_BYTE_BOUNDS)
        self.attempts_failed: dict[str, int] = {}
        self.cool_downs = self.full = self.affinity_kept = self.affinity_moved = 0

    def affinity(self, *, kept: bool) -> None:
        """Counts an answered request of a session that is this upstream's: whether it kept to it."""
        if kept:
            self.affinity_kept += 1
        else:
            self.affinity_moved += 1


class Series:
    """What is counted for one (upstream, model)."""

    __slots__ = (
        "cache_read",
        "cache_write_1h",
        "cache_write_5m",
        "estimated",
        "input",
        "model",
        "output",
        "requests",
        "upstream",
        "web_searches",
    )

    def __init__(self, upstream: UpstreamSeries, model: str) -> None:
        self.upstream = upstream
        self.model = model
        self.requests: dict[int, int] = {}
        self.input = self.output = self.cache_read = self.cache_write_5m = self.cache_write_1h = 0
        self.web_searches = self.estimated = 0

    def finished(self, status: int, seconds: float, first_byte_seconds: float | None, usage: Usage | None) -> None:
        """Counts a request that this route answered, with whatever status."""
        self.requests[status] = self.requests.get(status, 0) + 1
        upstream = self.upstream
        upstream.duration.observe(seconds)
        if first_byte_seconds is not None:
            upstream.first_byte.observe(first_byte_seconds)
        if usage is not None:
            self.input += usage.input_tokens
            self.output += usage.output_tokens
            self.cache_read += usage.cache_read_input_tokens
            self.cache_write_5m += usage.cache_creation_5m_input_tokens
            self.cache_write_1h += usage.cache_creation_1h_input_tokens
            self.web_searches += usage.web_search_requests
            self.estimated += usage.estimated

    def attempt_failed(self, reason: str) -> None:
        """Counts an attempt after which another upstream was tried, or none was left."""
        if reason not in _FAILURES:
            reason = "Other"
        failed = self.upstream.attempts_failed
        failed[reason] = failed.get(reason, 0) + 1

    def tokens(self) -> tuple[tuple[str, int], ...]:
        return (
            ("input", self.input),
            ("output", self.output),
            ("cache_read", self.cache_read),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
        )
