"""How an upstream stands: whether it fails with a model, and how many requests are open at it.

Passive: only requests of clients tell. Failures in a row put an upstream behind the others for a while, its cool-down.
After that it is half-open: one request at a time goes to it in its usual place, and what becomes of that decides.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from gateway_config.contract import Health, Upstream

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""A longer Retry-After counts as this, the longest cool-down that a binding may have."""
_MIN_RETRY_AFTER_SECONDS: Final = 1.0


class Occupancy:
    """The requests that are open at an upstream. Outlives configurations, as the requests do."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = 0


class Binding:
    """What routing knows of one upstream. Taken over by the next configuration unless the upstream was edited."""

    __slots__ = ("_most", "_standings", "health", "name", "occupancy", "seed", "weight")

    def __init__(self, upstream: Upstream, *, occupancy: Occupancy | None = None) -> None:
        self.name = upstream.name
        self.weight = upstream.weight
        self.health = upstream.health
        self.occupancy = occupancy or Occupancy()
        self.seed = hashlib.blake2b(upstream.name.encode() + b"\0", digest_size=8)
        """The beginning of every hash of a session with this upstream."""
        self._most = upstream.max_concurrent_requests
        self._standings: dict[str, Standing] = {}

    def __repr__(self) -> str:
        return f"<Binding {self.name} open={self.occupancy.open}>"

    @property
    def full(self) -> bool:
        return 0 < self._most <= self.occupancy.open

    def standing(self, model: str) -> "Standing":
        """With a model, by its canonical id; the same object each time."""
        found = self._standings.get(model)
        if found is None:
            found = self._standings[model] = Standing(self)
        return found

    def standings(self) -> Iterable[tuple[str, "Standing"]]:
        """By model, those that were asked for."""
        return self._standings.items()


class Standing:
    """Of one (upstream, model). Times are of one monotonic clock, given by the caller.

    An attempt takes `era` when it begins and gives it back with its result: results of attempts that began before a
    cool-down say nothing about it.
    """

    __slots__ = ("_health", "_probing", "binding", "cooling", "era", "failures", "until")

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self._health: Health = binding.health
        self._probing = False
        self.failures = 0
        """In a row. Not 0 while it cools down."""
        self.cooling = False
        """Whether it goes behind the others: cooling down, or half-open."""
        self.until = 0.0
        """When the cool-down ends and it is half-open."""
        self.era = 0

    def claim_probe(self, now: float) -> bool:
        """Whether this request may try an upstream that is half-open, as the only one; to be followed by `succeeded`,
        `failed` or `abandoned`."""
        if now < self.until or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self, era: int) -> bool:
        """An answer came. Whether that ended a cool-down."""
        if era != self.era:
            return False
        ended, self.cooling = self.cooling, False
        self.failures = 0
        self._probing = False
        return ended

    def failed(self, now: float, era: int, *, probe: bool, retry_after: float | None) -> bool:
        """An attempt failed; `retry_after`: seconds that the upstream asked for. Whether a cool-down began."""
        asked = None
        if retry_after is not None:
            asked = min(max(retry_after, _MIN_RETRY_AFTER_SECONDS), MAX_RETRY_AFTER_SECONDS)
        if era != self.era or (self.cooling and not probe and now < self.until):
            if self.cooling and asked is not None:
                self.until = max(self.until, now + asked)
            return False
        self.failures += 1
        enough = self.cooling or self.failures >= self._health.failures_before_cool_down
        if not enough and asked is None:
            return False
        # Whoever names a time is believed at the first failure: until then every request would be turned away.
        self.until = now + max(self._health.cool_down_seconds if enough else 0.0, asked or 0.0)
        self.cooling = True
        self.era += 1
        self._probing = False
        return True

    def abandoned(self, era: int) -> None:
        """A probe came to nothing that tells: its client left, or the failure was the caller's own."""
        if era == self.era:
            self._probing = False
