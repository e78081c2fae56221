"""A histogram's numbers."""

from bisect import bisect_left


class Distribution:
    """Counts per bucket; the last one is for everything above the bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        running = 0
        buckets: list[tuple[str, float]] = []
        for bound, number in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            running += number
            buckets.append((str(bound), running))
        return buckets
