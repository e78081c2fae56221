"""Which sessions have been ended while tokens of theirs may still be in date."""

import heapq


class Revocations:
    """Of the whole process. On the event loop alone."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        """Looked at by every request with a session token."""
        self._ends: list[tuple[float, str]] = []

    def add(self, session_id: str, until: float) -> None:
        """`until`: when the last token of the session is out of date, in Unix seconds; then it is forgotten."""
        if session_id not in self.ids:
            self.ids.add(session_id)
            heapq.heappush(self._ends, (until, session_id))

    def forget(self, now: float) -> None:
        ends = self._ends
        while ends and ends[0][0] <= now:
            self.ids.discard(heapq.heappop(ends)[1])
